package main_test

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

// The last step of the guide's flow works for servers of each wire, and not for what is no MCP server.
func TestCompleteOAuthOnEachWire(t *testing.T) {
	t.Parallel()
	p := startProvider(t, "auto", 60)
	g := startGoverned(t, p, server("hand", nothing))
	lost := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(lost.Close)
	for name, c := range map[string]struct {
		upstream string
		status   int
	}{
		"sessions": {startEverythingHTTP(t), http.StatusOK},
		"modern":   {startModernHTTP(t), http.StatusOK},
		"nothing":  {lost.URL, http.StatusBadGateway},
	} {
		mcp := startGuarded(t, p, c.upstream)
		b := g.begin(guideJSON(name, mcp.URL))
		if status, page, _ := visit(t, p.person(t), b.AuthorizeURL); status != http.StatusOK {
			t.Fatalf("%s: %d %s", name, status, page)
		}
		if status := g.rest(http.MethodPost, b.CompleteURL, "", nil); status != c.status {
			t.Errorf("%s: %d", name, status)
		}
		g.private(mcp.tokens()...)
	}
}
