package main_test

import (
	"context"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// chromium starts a browser with an empty profile; it ends with the test. Without one the test is skipped, unless
// BEARERD_BROWSER_TESTS=1 says that there must be one.
func chromium(t *testing.T) *tab {
	t.Helper()
	if testing.Short() {
		t.Skip("starts a browser")
	}
	program := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil && program == "" {
			program = path
		}
	}
	switch {
	case program == "" && os.Getenv("BEARERD_BROWSER_TESTS") == "1":
		t.Fatal("BEARERD_BROWSER_TESTS=1 wants Chromium, and none is on the PATH")
	case program == "":
		t.Skip("Chromium is not installed")
	}
	profile, err := os.MkdirTemp("", "chromium")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(profile) })
	allocator, stop := chromedp.NewExecAllocator(context.Background(), append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(program), chromedp.UserDataDir(profile), chromedp.NoSandbox, chromedp.Flag("headless", "new"),
		chromedp.IgnoreCertErrors, chromedp.Env("TMPDIR="+profile))...)
	t.Cleanup(stop)
	ctx, end := chromedp.NewContext(allocator)
	t.Cleanup(end)
	if err := chromedp.Do(ctx); err != nil { // the browser lives as long as this first context
		t.Fatalf("starting %s: %v", program, err)
	}
	return &tab{t, ctx}
}

// tab is a page of a browser.
type tab struct {
	t   *testing.T
	ctx context.Context // chromedp keeps the browser in it
}

func (b *tab) do(what string, steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, peerPatience)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		text, _ := chromedp.Run(b.ctx, chromedp.Text(chromedp.CSS("body")))
		b.t.Fatalf("the browser, %s: %v; it shows %q", what, err, text)
	}
}

// reads is what an action gives.
func reads[T any](b *tab, a chromedp.Action[T]) T {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, peerPatience)
	defer cancel()
	v, err := chromedp.Run(ctx, a)
	if err != nil {
		b.t.Fatalf("the browser: %v", err)
	}
	return v
}

// open shows an address and signs in; then the page asks whether to approve.
func (b *tab) open(address string) {
	b.t.Helper()
	b.do("signing in", chromedp.Navigate(address), chromedp.SendKeys(chromedp.ID("user"), "person"), chromedp.Click(chromedp.ID("login")),
		chromedp.WaitVisible(chromedp.ID("approve")))
}

// decide presses a button, and gives the text and the address of bearerd's page.
func (b *tab) decide(button string) (text string, address *url.URL) {
	b.t.Helper()
	b.do("pressing "+button, chromedp.Click(chromedp.ID(button)), chromedp.WaitReady(chromedp.CSS(`meta[name="viewport"]`)))
	address, err := url.Parse(reads(b, chromedp.Location()))
	if err != nil {
		b.t.Fatal(err)
	}
	return reads(b, chromedp.Text(chromedp.CSS("body"))), address
}

// A person signs in once, in a browser, for an MCP server that says itself whom to ask. Its clients know nothing of it.
func TestLoginInChromium(t *testing.T) {
	t.Parallel()
	browser := chromium(t)
	p := startProvider(t, true, 60)
	mcp := startGuarded(t, p, startEverythingHTTP(t))
	h := newVisitHome(t)
	h.configure(server("web", attribute("url", mcp.URL), signInGrant(t, p.CAFile)))
	h.daemon()
	if st := h.tokenInfo("web"); st["state"] != "needs_reauth" {
		t.Errorf("before: %v", st)
	}

	login := h.start("login", "web")
	browser.open(h.visited(1))
	text, at := browser.decide("approve")
	if !strings.Contains(text, "Signed in") || at.RawQuery != "" || !strings.HasPrefix(at.Host, "127.0.0.1:") {
		t.Errorf("the page at %s: %s", at, text)
	}
	for _, entry := range reads(browser, chromedp.NavigationEntries()).Entries { // one may go back to each
		if strings.Contains(entry.URL+entry.UserTypedURL, "code=") {
			t.Error("the browser's history holds the code")
		}
	}
	if code := login.wait(); code != 0 || !strings.HasPrefix(login.stdout.String(), "web: signed in; token expires in ") {
		t.Fatalf("exit code %d, stdout %q", code, login.stdout)
	}
	if st := h.tokenInfo("web"); st["state"] != "authorized" || st["renewable"] != true {
		t.Errorf("after: %v", st)
	}
	client := h.client(h.clientConfig("web", legacyWire))
	echo(t, client)
	h.private(mcp.tokens()...)
	h.private(p.secretsOf(p.onlyClient())...)
	if s := p.chainState(p.onlyClient()); !s.Alive || s.Requests[200] != 1 {
		t.Errorf("the provider's view: %+v", s)
	}
	if asked := p.Requests(t, p.Issuer+"/favicon.ico", ""); len(asked) == 0 {
		t.Error("this browser asked for no icon: nothing is proved about stray requests")
	}
}

// Who presses the other button is told so here too, and nobody is asked again by bearerd itself.
func TestLoginDeniedInChromium(t *testing.T) {
	t.Parallel()
	browser := chromium(t)
	p := startProvider(t, true, 60)
	mcp := startGuarded(t, p, "")
	h := newVisitHome(t)
	h.configure(server("web", attribute("url", mcp.URL), signInGrant(t, p.CAFile)))
	h.daemon()
	login := h.start("login", "web")
	browser.open(h.visited(1))
	text, _ := browser.decide("deny")
	if strings.Contains(text, "Signed in") || !strings.Contains(text, "access_denied") {
		t.Errorf("the page: %s", text)
	}
	if code := login.wait(); code != 1 || login.stdout.String() != "" || !strings.Contains(login.stderr.String(), "access_denied") {
		t.Errorf("exit code %d, stdout %q, stderr %q", code, login.stdout, login.stderr)
	}
	if st := h.tokenInfo("web"); st["state"] != "needs_reauth" {
		t.Errorf("after: %v", st)
	}
	if n := len(h.visits()); n != 1 {
		t.Errorf("%d tabs were opened", n)
	}
}

// enterCode is what a person does on the other device.
func (b *tab) enterCode(address, code string) {
	b.t.Helper()
	field := chromedp.CSS("input[name=user_code]")
	b.do("entering the code", chromedp.Navigate(address), chromedp.SendKeys(field, code), chromedp.Click(chromedp.ID("continue")),
		chromedp.WaitVisible(chromedp.ID("approve")), chromedp.Click(chromedp.ID("approve")))
	b.do("signing in", chromedp.SendKeys(chromedp.ID("user"), "person"), chromedp.Click(chromedp.ID("login")),
		chromedp.WaitVisible(chromedp.CSS(`button[value="approve"]`)), chromedp.Click(chromedp.ID("approve")),
		chromedp.WaitVisible(chromedp.ID("done")))
}
