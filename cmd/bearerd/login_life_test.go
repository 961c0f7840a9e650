package main_test

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// secretsOf is what only a client and the provider may know: codes, tokens, the secret.
func (p *provider) secretsOf(client string) []string {
	p.node.t.Helper()
	var answer struct{ Private []string }
	p.ask(map[string]string{"private": client}, &answer)
	return answer.Private
}

// alive are those of the tokens that the provider takes.
func (p *provider) alive(t testing.TB, tokens []string) (alive []string) {
	for _, token := range tokens {
		if p.Active(t, token) {
			alive = append(alive, token)
		}
	}
	return alive
}

// startSignedIn is a home in which a person has signed in for the stdio server "s", without a daemon.
func startSignedIn(t *testing.T, ttl int, lines ...string) (*home, *provider) {
	t.Helper()
	p := startProvider(t, "auto", ttl)
	mcp := startGuarded(t, p, "")
	h := newVisitHome(t)
	h.configure(server("s", append(lines, signInGrant(t, p.CAFile, attribute("OAUTH_SERVER_URL", mcp.URL)))...))
	h.signIn("s", p.person(t))
	return h, p
}

// Without a daemon the command does all by itself, and the server that is started next has the token in its environment.
func TestLoginThenExec(t *testing.T) {
	t.Parallel()
	h, p := startSignedIn(t, 60, printsToken)
	r := h.run("exec", "s")
	token := strings.TrimSpace(r.stdout)
	h.private(token)
	if r.code != 0 || !p.Active(t, token) {
		t.Errorf("exit code %d; the child has no active token", r.code)
	}
	if s := p.chainState(p.onlyClient()); !s.Alive || !maps.Equal(s.Requests, map[int]int{200: 1}) {
		t.Errorf("the provider's view: %+v", s)
	}
}

// Fifty refresh tokens are spent one after the other, by expiry and on demand, by processes that know of each other through the
// state folder alone. None is spent twice: the provider would end the grant.
func TestLoginChainOfFifty(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("waits for tokens to expire")
	}
	h, p := startSignedIn(t, 4, `command = "cat"`, `on_rotate = "none"`, `token_file = "token"`)
	client := p.onlyClient()
	for range 2 {
		h.start("exec", "s")
	}
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for p.chainState(client).Spent < 50 && !t.Failed() {
				if r := h.run("refresh", "s"); r.code != 0 {
					t.Errorf("refresh: exit code %d: %s", r.code, r.stderr)
				}
			}
		})
	}
	wg.Wait()
	spent := p.chainState(client).Spent
	eventually(t, "two more are spent as tokens expire", func() bool { return p.chainState(client).Spent >= spent+2 })
	if s := p.chainState(client); !s.Alive || s.Revoked != 0 || len(s.Requests) != 1 || s.Requests[200] != s.Spent+1 {
		t.Errorf("the provider's view: %+v", s)
	}
	if n := len(h.visits()); n != 1 {
		t.Errorf("a person was asked %d times", n)
	}
	start := time.Now()
	if token := h.token("s"); !p.Active(t, token) && time.Since(start) < 500*time.Millisecond {
		t.Error("the token of the last generation is not active")
	}
}

// After logout the provider takes none of the tokens any more, and nothing here says that there was a grant.
func TestLogoutAtTheProvider(t *testing.T) {
	t.Parallel()
	for _, withDaemon := range []bool{true, false} {
		t.Run(fmt.Sprintf("daemon=%t", withDaemon), func(t *testing.T) {
			t.Parallel()
			h, p := startSignedIn(t, 60, nothing)
			if withDaemon {
				h.daemon()
			}
			h.token("s")
			client := p.onlyClient()
			held := p.secretsOf(client)
			h.private(held...)
			if n := len(p.alive(t, held)); n != 2 {
				t.Fatalf("before: %d tokens are active, not the refresh and the access token", n)
			}
			if said := h.ok("logout", "s"); !strings.Contains(said, "revoked at the provider") {
				t.Errorf("it said %q", said)
			}
			if n := len(p.alive(t, held)); n != 0 {
				t.Errorf("after: %d tokens are active", n)
			}
			if s := p.chainState(client); s.Alive {
				t.Errorf("the provider's view: %+v", s)
			}
			if said := h.fails(1, "token", "s", "--show"); !strings.Contains(said, "bearerd login s") {
				t.Errorf("token says %q", said)
			}
			h.signIn("s", p.person(t))
			if !p.Active(t, h.token("s")) {
				t.Error("after another sign-in the token is not active")
			}
		})
	}
}

// A provider may lose its registrations. Then a person is asked for, once, and the next sign-in begins with a new one.
func TestLoginAfterTheClientWasForgotten(t *testing.T) {
	t.Parallel()
	p := startProvider(t, "auto", 5)
	mcp := startGuarded(t, p, "")
	h := newVisitHome(t)
	h.configure(server("web", attribute("url", mcp.URL), signInGrant(t, p.CAFile)))
	h.daemon()
	h.signIn("web", p.person(t))
	lost := p.onlyClient()
	p.forget(lost)
	if r := h.run("refresh", "web"); r.code != 1 || !strings.Contains(r.stderr, "bearerd login web") {
		t.Errorf("refresh: exit code %d: %s", r.code, r.stderr)
	}
	eventually(t, "its last token has expired", func() bool { return h.tokenInfo("web")["is_expired"] == true })
	if st := h.tokenInfo("web"); st["state"] != "needs_reauth" || st["remedy"] != "run `bearerd login web`" {
		t.Errorf("then the status is %v", st)
	}
	h.signIn("web", p.person(t))
	if made := p.onlyClient(); made == lost {
		t.Error("no client was registered anew")
	}
	h.ok("refresh", "web")
	if status, _, message := call(t, h.clientConfig("web", modernWire)); status != http.StatusOK {
		t.Errorf("a call: %d %s", status, message)
	}
	eventually(t, "a token is handed out that has not expired when it arrives", func() bool { return p.Active(t, h.token("web")) })
	h.private(mcp.tokens()...)
}

// A code typed on another device is enough, with pages for people there.
func TestLoginOnADeviceInChromium(t *testing.T) {
	t.Parallel()
	browser := chromium(t)
	p := startProvider(t, true, 60)
	mcp := startGuarded(t, p, "")
	h := newVisitHome(t)
	h.configure(server("web", attribute("url", mcp.URL), signInGrant(t, p.CAFile)))
	h.daemon()
	login := h.start("login", "web", "--device", "--no-browser")
	eventually(t, "the code is printed", func() bool { return strings.Contains(login.stderr.String(), "enter the code:\n") })
	lines := strings.Split(login.stderr.String(), "\n")
	at := slices.Index(lines, "and enter the code:")
	browser.enterCode(lines[at-1], lines[at+1])
	if code := login.wait(); code != 0 || !strings.HasPrefix(login.stdout.String(), "web: signed in") {
		t.Fatalf("exit code %d, stdout %q", code, login.stdout)
	}
	if status, _, message := call(t, h.clientConfig("web", modernWire)); status != http.StatusOK {
		t.Errorf("a call: %d %s", status, message)
	}
	h.private(p.secretsOf(p.onlyClient())...)
	if _, err := os.Stat(h.path("visits")); !errors.Is(err, os.ErrNotExist) {
		t.Error("a browser was opened")
	}
	h.ok("refresh", "web")
}
