package main_test

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// A person makes a server in the page, approves, uses its tools, renews, revokes and approves again; a broken file is shown
// until it is mended. With BEARERD_SCREENSHOTS=FOLDER it takes the pictures.
func TestPageInChromium(t *testing.T) {
	t.Parallel()
	browser := chromium(t)
	p := startProvider(t, true, 3600, oidcClient("app", "client_secret_basic"))
	mcp := startGuarded(t, p, startEverythingHTTP(t))
	g := startGoverned(t, p, "")
	c := openConsole(t, browser, g)
	c.do("seeing that there is nothing", chromedp.WaitVisible(chromedp.ID("empty")))
	c.accessible("no server")
	servers := server("tickets", attribute("url", mcp.URL), g.oidcGrant(p.oidcPeer, "app")) +
		server("search", `command = "acme-search"`, "oauth_config {\nenabled = true\nOAUTH_CLIENT_ID = \"search\"\nOAUTH_CLIENT_SECRET = env(\"SEARCH_SECRET\")\n"+attribute("OAUTH_TOKEN_URL", p.TokenURL)+"\n}")
	g.settle(servers)
	c.shows("server-tickets", "Authorized")
	c.shows("server-search", "SEARCH_SECRET")

	c.makeServer(mcp.URL)
	client := g.home.client(g.clientConfig("tracker", legacyWire))
	echo(t, client)
	g.private(mcp.tokens()...)
	c.pictures("servers")
	c.narrow("the list")
	c.accessible("the list")

	c.press("server-tracker-refresh")
	c.within(peerPatience, "the token is another one", func() bool {
		echo(t, client)
		return len(mcp.tokens()) >= 2
	})
	g.private(mcp.tokens()...)
	c.press("server-tracker-snippet")
	c.shows("snippet-text", `"mcpServers"`)
	c.accessible("the snippet")
	c.press("snippet-close")
	c.within(peerPatience, "the local key has left the page", func() bool {
		return !strings.Contains(reads(c.tab, chromedp.Evaluate[string]("document.documentElement.outerHTML")), "Bearer brd_")
	})
	c.revoke(mcp, p)
	c.consent(func() { c.press("server-tracker-authorize") })
	c.shows("flow-says", "connected")
	c.press("flow-close")
	echo(t, client)
	g.private(mcp.tokens()...)
	c.breakAndMend()
	g.private(p.secretsOf(p.onlyClient())...)
	page := reads(c.tab, chromedp.Evaluate[string]("document.documentElement.outerHTML"))
	for _, leak := range findLeaks(map[string]string{"the page": page, "the stream": g.stream()}, g.privates()) {
		t.Error(leak)
	}
}

// makeServer fills in the form, first wrongly.
func (c *console) makeServer(upstream string) {
	c.t.Helper()
	c.press("new-server")
	c.type_("new-name", "not a name")
	c.type_("new-url", "ftp://mcp.example.com")
	c.press("new-submit")
	c.within(peerPatience, "a field is wrong", func() bool {
		return reads(c.tab, chromedp.Evaluate[bool](`document.querySelector("#new-form [aria-invalid=true]") !== null`))
	})
	c.accessible("the form with an error")
	c.pictures("new")
	c.clear("new-name", "new-url")
	c.type_("new-name", "tracker")
	c.type_("new-url", upstream)
	c.type_("new-scopes", "read, write")
	c.consent(func() { c.press("new-submit") })
	c.shows("flow-says", "connected")
	c.accessible("the sign-in that is done")
	c.pictures("done")
	c.press("flow-close")
	c.shows("server-tracker", "Authorized")
	c.shows("server-tracker", "expires in")
}

// revoke revokes the tokens of tracker, after it was asked.
func (c *console) revoke(mcp *guarded, p *provider) {
	c.t.Helper()
	c.press("server-tracker-revoke")
	c.press("revoke-tokens")
	c.accessible("the question before a revocation")
	c.pictures("revoke")
	c.press("revoke-submit")
	c.shows("server-tracker", "Revoked")
	for _, token := range mcp.tokens() {
		if p.Introspect(c.t, token)["active"] == true {
			c.t.Error("a token lives on after its revocation")
		}
	}
}

// breakAndMend sees a broken file on the page within 3 s, and gone once it is mended.
func (c *console) breakAndMend() {
	c.t.Helper()
	const limit = 3 * time.Second
	path := c.g.path("bearerd.hcl")
	good, err := os.ReadFile(path)
	if err != nil {
		c.t.Fatal(err)
	}
	c.g.write("bearerd.hcl", string(good)+"\nserver \"broken\" {\n  url = \"https://mcp.example.com/mcp\"\n  urk = 1\n}\n")
	c.within(limit, "the broken file is shown", func() bool {
		text := c.text("config-error")
		return strings.Contains(text, "bearerd.hcl:") && strings.Contains(text, "urk")
	})
	c.accessible("a broken configuration")
	c.pictures("broken")
	c.g.write("bearerd.hcl", string(good))
	c.within(limit, "the error is gone", func() bool { return c.text("config-error") == "" })
}
