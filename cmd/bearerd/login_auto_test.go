package main_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

// Fifteen clients that start together open one tab, and all get the token of the one sign-in.
func TestLoginAutoFifteenAtOnce(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("starts fifteen processes")
	}
	p := startProvider(t, "auto", 60)
	mcp := startGuarded(t, p, "")
	h := newVisitHome(t)
	h.configure(server("s", printsToken, `login = "auto"`, signInGrant(t, p.CAFile, attribute("OAUTH_SERVER_URL", mcp.URL))))
	var execs []*running
	for range 15 {
		execs = append(execs, h.start("exec", "s"))
	}
	address := h.visited(1)
	if status, page, _ := visit(t, p.person(t), address); status != http.StatusOK || !strings.Contains(page, "Signed in") {
		t.Errorf("the page: %d %s", status, page)
	}
	var tokens []string
	for _, r := range execs {
		if code := r.wait(); code != 0 {
			t.Errorf("exec: exit code %d", code)
		}
		tokens = append(tokens, strings.TrimSpace(r.stdout.String()))
	}
	h.private(tokens...)
	if slices.Sort(tokens); len(slices.Compact(tokens)) != 1 || !p.Active(t, tokens[0]) {
		t.Errorf("%d different tokens, or none that is active", len(slices.Compact(tokens)))
	}
	if n := len(h.visits()); n != 1 {
		t.Errorf("%d tabs were opened", n)
	}
	if s := p.chainState(p.onlyClient()); s.Requests[200] != 1 || len(s.Requests) != 1 {
		t.Errorf("the provider's view: %+v", s)
	}
}

// A request waits for the person as long as clients commonly do. It then says what to do, while the sign-in goes on, and the next
// one finds the token.
func TestLoginAutoLongerThanAClientWaits(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("waits for most of a minute")
	}
	p := startProvider(t, "auto", 60)
	mcp := startGuarded(t, p, "")
	h := newVisitHome(t)
	h.configure(server("web", attribute("url", mcp.URL), `login = "auto"`, signInGrant(t, p.CAFile)))
	h.daemon()
	target := h.clientConfig("web", modernWire)
	start := time.Now()
	status, _, message := call(t, target)
	if took := time.Since(start); took < 45*time.Second || took > 58*time.Second {
		t.Errorf("the request waited %s", took)
	}
	if status == http.StatusOK || status == http.StatusUnauthorized || !strings.Contains(message, "bearerd login web") {
		t.Errorf("it was answered %d %q", status, message)
	}
	if status, page, _ := visit(t, p.person(t), h.visited(1)); status != http.StatusOK || !strings.Contains(page, "Signed in") {
		t.Errorf("the page: %d %s", status, page)
	}
	h.answersOnce("web", mcp)
}

// A browser may be slow to go from where the answer arrived to the page that says how it ended.
func TestLoginAutoInASlowBrowser(t *testing.T) {
	t.Parallel()
	p := startProvider(t, "auto", 60)
	mcp := startGuarded(t, p, "")
	h := newVisitHome(t)
	h.configure(server("web", attribute("url", mcp.URL), `login = "auto"`, signInGrant(t, p.CAFile)))
	h.daemon()
	h.ask("web")
	person := p.person(t)
	person.CheckRedirect = func(next *http.Request, _ []*http.Request) error {
		if strings.HasSuffix(next.URL.Path, "/done") {
			time.Sleep(1500 * time.Millisecond) // the browser's pace
		}
		return nil
	}
	if status, page, _ := visit(t, person, h.visited(1)); status != http.StatusOK || !strings.Contains(page, "Signed in") {
		t.Errorf("the page: %d %s", status, page)
	}
	h.answersOnce("web", mcp)
}
