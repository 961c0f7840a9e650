package main_test

import (
	"net/http"
	"os"
	"strings"
	"testing"
)

// The guide's flow, from the first request to the last, with a real authorization server and a real MCP server.
func TestGuidesFlowOverTheAPI(t *testing.T) {
	t.Parallel()
	p := startProvider(t, "auto", 60)
	mcp := startGuarded(t, p, startEverythingHTTP(t))
	g := startGoverned(t, p, server("hand", nothing))

	b := g.begin(guideJSON("tracker", mcp.URL))
	if status := g.rest(http.MethodPost, "/api/mcp/client", guideJSON("tracker", mcp.URL), nil); status != http.StatusConflict {
		t.Errorf("the same name again: %d", status)
	}
	var st grantStatus
	if g.rest(http.MethodGet, b.StatusURL, "", &st); st.Status != "pending" {
		t.Errorf("before: %+v", st)
	}
	if status := g.rest(http.MethodPost, b.CompleteURL, "", nil); status != http.StatusConflict {
		t.Errorf("completed before anybody approved: %d", status)
	}
	status, page, end := visit(t, p.person(t), b.AuthorizeURL)
	if status != http.StatusOK || !strings.Contains(page, "Signed in") || end.RawQuery != "" {
		t.Fatalf("the last page, at %s: %d %s", end.Path, status, page)
	}
	if g.rest(http.MethodGet, b.StatusURL, "", &st); st.Status != "authorized" || len(st.Scopes) != 1 || st.Scopes[0] != "read" {
		t.Errorf("after: %+v", st)
	}
	if status := g.rest(http.MethodPost, "/api/mcp/client/"+b.Config+"/complete-oauth", "", nil); status != http.StatusOK {
		t.Errorf("complete-oauth by the other id: %d", status)
	}
	if status := g.rest(http.MethodPost, b.CompleteURL, "", nil); status != http.StatusConflict {
		t.Errorf("completed twice: %d", status)
	}
	client := g.home.client(g.clientConfig("tracker", legacyWire))
	echo(t, client)
	g.private(mcp.tokens()...)
	if status := g.rest(http.MethodPost, "/api/servers/tracker/refresh", "", nil); status != http.StatusOK {
		t.Errorf("refresh: %d", status)
	}
	echo(t, client)
	g.private(mcp.tokens()...)
	file, err := os.ReadFile(g.path("made/tracker.hcl"))
	if err != nil || !strings.Contains(string(file), `server "tracker"`) {
		t.Fatalf("%s %v", file, err)
	}
	if len(mcp.tokens()) != 2 {
		t.Errorf("%d tokens were used", len(mcp.tokens()))
	}
	var revoked struct {
		Status  string
		Revoked int `json:"revoked_tokens"`
	}
	if status := g.rest(http.MethodDelete, "/api/oauth/config/"+b.Config, "", &revoked); status != http.StatusOK || revoked.Status != "success" || revoked.Revoked == 0 {
		t.Errorf("DELETE of the configuration: %d %+v", status, revoked)
	}
	for _, token := range mcp.tokens() {
		if p.Introspect(t, token)["active"] == true {
			t.Error("a token lives on after its revocation")
		}
	}
	if status := g.rest(http.MethodGet, b.StatusURL, "", nil); status != http.StatusNotFound {
		t.Errorf("the status of what is gone: %d", status)
	}
	var one struct {
		AuthType string `json:"auth_type"`
	}
	if status := g.rest(http.MethodGet, "/api/mcp/client/tracker", "", &one); status != http.StatusOK || one.AuthType != "none" {
		t.Errorf("the server, which stays: %d %+v", status, one)
	}
	g.begin(guideJSON("tracker", mcp.URL)) // as the guide says: revoke, then create again
	if status := g.rest(http.MethodDelete, "/api/mcp/client/tracker", "", nil); status != http.StatusOK {
		t.Errorf("DELETE: %d", status)
	}
	if _, err := os.Stat(g.path("made/tracker.hcl")); !os.IsNotExist(err) {
		t.Errorf("the file: %v", err)
	}
	if got := g.ok("secret", "list"); strings.Contains(got, "tracker") {
		t.Errorf("secrets are left: %s", got)
	}
}
