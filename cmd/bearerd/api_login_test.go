package main_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// `bearerd login` of a server that the API made goes through the daemon's own callback, and the client stays the one that
// was registered.
func TestLoginOfAMadeServer(t *testing.T) {
	t.Parallel()
	p := startProvider(t, "auto", 60)
	mcp := startGuarded(t, p, "")
	g := startGoverned(t, p, server("hand", nothing))
	g.begin(guideJSON("tracker", mcp.URL)) // and nobody opens that
	client := p.onlyClient()
	login := g.start("login", "tracker")
	address := g.visited(1)
	g.private(address[strings.LastIndexAny(address, "./")+1:])
	if !strings.HasPrefix(address, "http://"+g.admin+"/oauth/start/tracker.") {
		t.Fatalf("the browser was to open %s", address)
	}
	if status, page, _ := visit(t, p.person(t), address); status != http.StatusOK || !strings.Contains(page, "Signed in") {
		t.Errorf("the last page: %d %s", status, page)
	}
	if code := login.wait(); code != 0 || !strings.HasPrefix(login.stdout.String(), "tracker: signed in; token expires in ") {
		t.Fatalf("exit code %d, stdout %q, stderr %q", code, login.stdout, login.stderr)
	}
	if p.onlyClient() != client {
		t.Error("another client was registered")
	}
	g.private(p.secretsOf(client)...)
	if got := g.ok("check"); !strings.Contains(got, "the browser is sent back to http://"+g.admin+"/api/oauth/callback\n") {
		t.Errorf("check: %s", got)
	}
}

// Who is asked by the command and refuses is told so by the command, too.
func TestLoginOfAMadeServerRefused(t *testing.T) {
	t.Parallel()
	p := startProvider(t, "auto", 60)
	mcp := startGuarded(t, p, "")
	g := startGoverned(t, p, server("hand", nothing))
	g.begin(guideJSON("tracker", mcp.URL))
	login := g.start("login", "tracker")
	address := g.visited(1)
	g.private(address[strings.LastIndexAny(address, "./")+1:])
	person := p.person(t)
	var state string
	person.CheckRedirect = func(r *http.Request, _ []*http.Request) error {
		if state = r.URL.Query().Get("state"); state != "" {
			return http.ErrUseLastResponse
		}
		return nil
	}
	visit(t, person, address)
	g.private(state)
	person.CheckRedirect = nil
	status, page, _ := visit(t, person, "http://"+g.admin+"/api/oauth/callback?error=access_denied&iss="+url.QueryEscape(p.Issuer)+"&state="+state)
	if status == http.StatusOK || strings.Contains(page, "Signed in") {
		t.Errorf("the page: %d %s", status, page)
	}
	if code := login.wait(); code != 1 || !strings.Contains(login.stderr.String(), "refused") {
		t.Errorf("exit code %d, stderr %q", code, login.stderr)
	}
}
