package main_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"bearerd/engine/oauth/oauthtest"
)

// A token that upstream refuses at any moment costs nothing: it is renewed, and the request sent again.
func TestBridgeRefusedToken(t *testing.T) {
	t.Parallel()
	const refusals = 3
	for _, up := range upstreams()[:3] {
		t.Run(up.name, func(t *testing.T) {
			t.Parallel()
			rotating <- struct{}{}
			t.Cleanup(func() { <-rotating })
			b := startBridging(t, up.start(t), time.Hour)
			b.as.Revoke(b.token("web")) // exec finds it in the store, and the first request is refused
			s := b.nodeSession("web", up.wire)
			if up.resource != "" {
				s.subscribe(up.resource)
			}
			halt := s.loop(up.calls, 3, 10*time.Millisecond, b.note("node"))
			for n := range refusals {
				time.Sleep(6 * time.Second) // a refused token is renewed once in five
				before := b.tokens()
				b.as.Revoke(b.last().token)
				eventually(t, fmt.Sprintf("refusal %d: another token is used", n+1), func() bool { return b.tokens() > before })
			}
			halt()
			s.end()
			b.ended(30) // those that were under way
			if n := b.tokens(); n != refusals+2 {
				t.Errorf("%d tokens were used", n)
			}
		})
	}
}

// lines is `bearerd exec web` under a client that sees the lines themselves.
type lines struct{ *running }

func (b *bridging) lines() *lines {
	b.home.t.Helper()
	return &lines{b.start("exec", "web")}
}

// ask sends a line and waits for the answer to it, the next one on stdout.
func (l *lines) ask(id int, method, params string) (answer struct {
	Result json.RawMessage
	Error  *struct {
		Code    int
		Message string
	}
}) {
	l.t.Helper()
	before := len(l.stdout.String())
	_, _ = fmt.Fprintf(l.stdin, `{"jsonrpc":"2.0","id":%d,"method":%q,"params":%s}`+"\n", id, method, params)
	eventually(l.t, method+" is answered", func() bool { return strings.HasSuffix(l.stdout.String()[before:], "\n") })
	if err := json.Unmarshal([]byte(l.stdout.String()[before:]), &answer); err != nil {
		l.t.Fatalf("%s: %v", l.stdout.String()[before:], err)
	}
	return answer
}

const initializeParams = `{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"t","version":"1"}}`

// Without an authorization server the client is told so at once, with the remedy. When it is back, the same process serves.
func TestBridgeWithoutAuthorizationServer(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	as, grant := h.authServer()
	var away atomic.Bool
	away.Store(true)
	as.Fail(1000, func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if away.Load() {
			oauthtest.Reset()(w, r, next)
			return
		}
		next.ServeHTTP(w, r)
	})
	b := &bridging{home: h, as: as, grant: grant, gate: h.startGate(startEverythingHTTP(t), as)}
	b.serve(b.URL)
	l := b.lines()
	start := time.Now()
	refused := l.ask(1, "initialize", initializeParams)
	took := time.Since(start)
	if refused.Error == nil || took > 20*time.Second {
		t.Fatalf("after %s: %+v", took, refused)
	}
	t.Logf("after %s: %s", took.Round(time.Millisecond), refused.Error.Message)
	for _, want := range []string{`"web"`, "verify OAUTH_TOKEN_URL"} { // who, and the remedy
		if !strings.Contains(refused.Error.Message, want) {
			t.Errorf("the client is told %q, which does not hold %q", refused.Error.Message, want)
		}
	}
	if b.count(func(passage) bool { return true }) != 0 {
		t.Error("a request without a token reached upstream")
	}
	away.Store(false)
	id := 1
	eventually(t, "the session begins", func() bool { id++; return l.ask(id, "initialize", initializeParams).Error == nil })
	_, _ = io.WriteString(l.stdin, `{"jsonrpc":"2.0","method":"notifications/initialized"}`+"\n")
	if answer := l.ask(100, "tools/list", "{}"); answer.Error != nil || len(answer.Result) == 0 {
		t.Errorf("tools/list: %+v", answer)
	}
	_ = l.stdin.Close()
	if code := l.wait(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	b.ended(0)
	if n := b.count(method(http.MethodDelete)); n != 1 {
		t.Errorf("%d sessions were ended", n)
	}
}
