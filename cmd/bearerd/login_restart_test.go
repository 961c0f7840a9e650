package main_test

import (
	"net/http"
	"strings"
	"syscall"
	"testing"
)

// A daemon that ends while a person is at the provider, politely or not, does not cost the sign-in: the next one takes the answer.
func TestLoginAcrossARestart(t *testing.T) {
	t.Parallel()
	p := startProvider(t, "auto", 60)
	mcp := startGuarded(t, p, "")
	for _, end := range []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL} {
		t.Run("command/"+end.String(), func(t *testing.T) {
			t.Parallel()
			h := newVisitHome(t)
			h.configure(server("web", attribute("url", mcp.URL), signInGrant(t, p.CAFile)))
			d := h.daemon()
			login := h.start("login", "web")
			address := h.visited(1)
			d.signal(end)
			d.wait()
			h.daemon()
			if status, page, _ := visit(t, p.person(t), address); status != http.StatusOK || !strings.Contains(page, "Signed in") {
				t.Errorf("the page: %d %s", status, page)
			}
			if code := login.wait(); code != 0 || !strings.HasPrefix(login.stdout.String(), "web: signed in") {
				t.Errorf("login: exit code %d, stdout %q", code, login.stdout)
			}
			h.answersOnce("web", mcp)
		})
		t.Run("auto/"+end.String(), func(t *testing.T) {
			t.Parallel()
			h := newVisitHome(t)
			h.configure(server("web", attribute("url", mcp.URL), `login = "auto"`, signInGrant(t, p.CAFile)))
			d := h.daemon()
			asking := h.ask("web")
			address := h.visited(1)
			d.signal(end)
			d.wait()
			<-asking // cut off
			h.daemon()
			eventually(t, "the page that was open ends well, once the daemon listens again", func() bool {
				resp, err := p.person(t).Get(address)
				if err != nil {
					return false // nobody listens yet
				}
				defer resp.Body.Close()
				if resp.StatusCode != http.StatusOK {
					t.Errorf("the page: %s", resp.Status)
				}
				return true
			})
			h.answersOnce("web", mcp)
		})
	}
}

// ask makes one request for a server in the background, of which no answer need come.
func (h *home) ask(name string) (done <-chan struct{}) {
	h.t.Helper()
	target := h.clientConfig(name, modernWire)
	const body = `{"jsonrpc":"2.0","id":1,"method":"tools/list"}`
	r, err := http.NewRequest(http.MethodPost, target.URL, strings.NewReader(body))
	if err != nil {
		h.t.Fatal(err)
	}
	r.Header = http.Header{"Authorization": {target.Headers["Authorization"]}, "Content-Type": {"application/json"},
		"Accept": {"application/json, text/event-stream"}}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if resp, err := http.DefaultClient.Do(r); err == nil {
			_ = resp.Body.Close()
		}
	}()
	return ended
}

// answersOnce makes a call, for which nobody was asked again.
func (h *home) answersOnce(name string, mcp *guarded) {
	h.t.Helper()
	if status, _, message := call(h.t.(*testing.T), h.clientConfig(name, modernWire)); status != http.StatusOK {
		h.t.Errorf("a call: %d %s", status, message)
	}
	if n := len(h.visits()); n != 1 {
		h.t.Errorf("%d tabs were opened", n)
	}
	h.private(mcp.tokens()...)
}
