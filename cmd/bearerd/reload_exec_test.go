package main_test

import (
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"bearerd/engine/oauth/oauthtest"
)

// scopedGrant is the grant of one client, which has another token for each scope.
func (h *home) scopedGrant(as *oauthtest.Server, scope string) string {
	return h.grant(as.TokenURL(), "ca.pem", "app", "canary-of-app", attribute("OAUTH_SCOPE", scope))
}

// A process whose first token is waited for while its server is edited starts once, with what is configured then.
func TestAnEditWhileTheFirstTokenIsFetched(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	as, _ := h.authServer()
	as.Fail(1, oauthtest.Hang())
	block := func(scope string) string {
		return server("s", `command = "sh"`, attribute("args", []string{"-c", "echo ready with " + scope + "; cat"}), h.scopedGrant(as, scope))
	}
	h.configure(block("before"))
	r := h.start("exec", "s")
	eventually(t, "the token is asked for", func() bool { return len(as.RequestsTo("/token")) == 1 })
	h.configure(block("next"))
	eventually(t, "the server starts", func() bool {
		select {
		case <-r.done:
			t.Fatalf("exec has ended:\n%s", r.stderr)
		default:
		}
		return strings.Contains(r.stdout.String(), "ready")
	})
	_ = r.stdin.Close()
	if code := r.wait(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	if got := r.stdout.String(); got != "ready with next\n" {
		t.Errorf("it says %q", got)
	}
	if n := strings.Count(r.stderr.String(), `"msg":"started"`); n != 1 {
		t.Errorf("%d processes were started", n)
	}
}

// What the client of mcp-remote calls while new credentials fetch their token waits for it.
func TestMCPRemoteWaitsForEditedCredentials(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	as, _ := h.authServer()
	g := h.startGate(startEverythingHTTP(t), as)
	h.configure(remote(t, h, mcpRemoteCommand(t), g.URL, h.scopedGrant(as, "before")))
	s := h.goClient("remote", legacyWire)
	s.text(echoCall)
	asked := len(as.RequestsTo("/token"))
	release := make(chan struct{})
	open := sync.OnceFunc(func() { close(release) })
	defer open()
	as.Fail(1, func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		select {
		case <-release:
			next.ServeHTTP(w, r)
		case <-r.Context().Done():
		}
	})
	h.configure(remote(t, h, mcpRemoteCommand(t), g.URL, h.scopedGrant(as, "next")))
	eventually(t, "the new token is asked for", func() bool { return len(as.RequestsTo("/token")) > asked })
	answers := make(chan called, 1)
	go func() { answers <- s.call(echoCall) }()
	select {
	case got := <-answers:
		t.Errorf("it was answered before there was a token: %+v", got)
		return
	case <-time.After(time.Second): // it waits
	}
	open()
	if got := <-answers; got.Failed != "" || got.Error {
		t.Errorf("the call that waited: %+v", got)
	}
}

// After an edit of its url what mcp-remote has of the old session does not reach the new one.
func TestMCPRemoteKeepsUrlsApart(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	as, _ := h.authServer()
	before, next := h.startGate(startEverythingHTTP(t), as), h.startGate(startEverythingHTTP(t), as)
	h.configure(remote(t, h, mcpRemoteCommand(t), before.URL, h.scopedGrant(as, "any")))
	s := h.goClient("remote", legacyWire)
	s.text(echoCall)
	halt := s.loop([]template{echoCall}, 2, 10*time.Millisecond, func(called) {})
	h.configure(remote(t, h, mcpRemoteCommand(t), next.URL, h.scopedGrant(as, "any")))
	eventually(t, "calls reach the new url", func() bool { return next.count(rpc("tools/call")) > 0 })
	halt()
	s.text(echoCall)
	sessions, tokens := map[string]bool{}, map[string]bool{}
	for _, p := range before.passages() {
		sessions[p.session], tokens[p.token] = p.session != "", true
	}
	for _, p := range next.passages() {
		if sessions[p.session] || tokens[p.token] {
			t.Fatalf("the new url is shown what belongs to the old one: %s", p)
		}
	}
}
