package main_test

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/target"
	"github.com/chromedp/chromedp"
)

// console is the page in a browser.
type console struct {
	*tab
	g   *governed
	axe string // the script that looks for what keeps people out
}

// openConsole shows the page of g's daemon and gives it the admin key.
func openConsole(t *testing.T, browser *tab, g *governed) *console {
	t.Helper()
	script, err := os.ReadFile(filepath.Join(peersDir(t), "node_modules/axe-core/axe.min.js"))
	if err != nil {
		t.Fatal(err)
	}
	c := &console{browser, g, string(script)}
	c.do("opening the page", chromedp.EmulateViewport(1200, 800), chromedp.Navigate("http://"+g.admin+"/"), chromedp.WaitVisible(chromedp.ID("key-input")))
	c.accessible("the form for the key")
	c.type_("key-input", "brk_of-somebody-else")
	c.press("key-submit")
	c.shows("key-error", "This is not the admin key")
	c.clear("key-input")
	c.type_("key-input", g.key)
	c.press("key-submit")
	c.do("waiting for the servers", chromedp.WaitVisible(chromedp.ID("servers-title")))
	return c
}

func (c *console) press(id string) {
	c.t.Helper()
	c.do("pressing "+id, chromedp.WaitVisible(chromedp.ID(id)), chromedp.Click(chromedp.ID(id)))
}

func (c *console) type_(id, text string) {
	c.t.Helper()
	c.do("typing into "+id, chromedp.SendKeys(chromedp.ID(id), text))
}

// clear empties fields.
func (c *console) clear(ids ...string) {
	c.t.Helper()
	for _, id := range ids {
		_ = reads(c.tab, chromedp.Evaluate[string](fmt.Sprintf("document.getElementById(%q).value = ''", id)))
	}
}

// shows waits until an element says text.
func (c *console) shows(id, text string) {
	c.t.Helper()
	c.within(peerPatience, id+" says "+text, func() bool { return strings.Contains(c.text(id), text) })
}

// text is what can be read in an element; "" if it is not there or hidden.
func (c *console) text(id string) string {
	c.t.Helper()
	return reads(c.tab, chromedp.Evaluate[string](fmt.Sprintf(
		"((e) => e?.checkVisibility() ? e.innerText : '')(document.getElementById(%q))", id)))
}

// within is eventually with a deadline that is part of what is promised.
func (c *console) within(limit time.Duration, what string, is func() bool) {
	c.t.Helper()
	for start := time.Now(); !is(); time.Sleep(50 * time.Millisecond) {
		if time.Since(start) > limit {
			c.t.Fatalf("not within %v: %s; the page shows\n%s", limit, what, reads(c.tab, chromedp.Text(chromedp.CSS("body"))))
		}
	}
}

// accessible fails for what axe-core finds on the page as it is shown now, light and dark.
func (c *console) accessible(view string) {
	c.t.Helper()
	const run = `axe.run(document).then((r) => r.violations.map((v) => v.id + ": " + v.help + " " + v.nodes.map((n) => n.target.join(" ")).join(", ")).join("\n"))`
	for _, scheme := range []string{"light", "dark"} {
		c.scheme(scheme)
		found := reads(c.tab, chromedp.Evaluate[string](c.axe+";"+run, chromedp.EvalAwaitPromise))
		if found != "" {
			c.t.Errorf("axe, %s, %s:\n%s", view, scheme, found)
		}
	}
	c.scheme("light")
}

// scheme is what the person prefers: light or dark.
func (c *console) scheme(name string) {
	c.t.Helper()
	c.do("choosing "+name, chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: name}, {Name: "prefers-reduced-motion", Value: "reduce"}},
		})
		return err
	}))
}

// pictures writes the page as it is shown now, wide and narrow, light and dark, to the folder of BEARERD_SCREENSHOTS.
func (c *console) pictures(name string) {
	c.t.Helper()
	dir := os.Getenv("BEARERD_SCREENSHOTS")
	if dir == "" {
		return
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		c.t.Fatal(err)
	}
	for _, width := range []int64{1200, 360} {
		for _, scheme := range []string{"light", "dark"} {
			c.scheme(scheme)
			c.do("resizing", chromedp.EmulateViewport(width, 800))
			shot := chromedp.FullScreenshot(100)
			if reads(c.tab, chromedp.Evaluate[bool](`document.querySelector("dialog[open]") !== null`)) {
				shot = chromedp.CaptureScreenshot() // what is behind a dialog is dimmed as far as the window shows it
			}
			picture := reads(c.tab, shot)
			path := filepath.Join(dir, fmt.Sprintf("%s-%d-%s.png", name, width, scheme))
			if err := os.WriteFile(path, picture, 0o600); err != nil {
				c.t.Fatal(err)
			}
		}
	}
	c.scheme("light")
	c.do("resizing", chromedp.EmulateViewport(1200, 800))
}

// narrow fails if the page is wider than a telephone's 360 pixels.
func (c *console) narrow(view string) {
	c.t.Helper()
	c.do("resizing", chromedp.EmulateViewport(360, 800))
	if wide := reads(c.tab, chromedp.Evaluate[int]("document.documentElement.scrollWidth")); wide > 360 {
		c.t.Errorf("%s is %d pixels wide", view, wide)
	}
	c.do("resizing", chromedp.EmulateViewport(1200, 800))
}

// consent lets a person approve in the window that act opens, and waits until it has closed itself.
func (c *console) consent(act func()) {
	c.t.Helper()
	opened := chromedp.WaitNewTarget(c.ctx, func(i *target.Info) bool { return i.Type == "page" })
	act()
	var id target.ID
	select {
	case id = <-opened:
	case <-time.After(peerPatience):
		c.t.Fatalf("no window was opened; the page shows\n%s", reads(c.tab, chromedp.Text(chromedp.CSS("body"))))
	}
	c.within(peerPatience, "the provider's page has loaded", func() bool { // the library has a race with a page that loads as it is joined
		all, err := chromedp.Targets(c.ctx)
		return err == nil && slices.ContainsFunc(all, func(i *target.Info) bool {
			return i.TargetID == id && (strings.HasPrefix(i.Title, "Sign in for ") || strings.HasSuffix(i.Title, " asks"))
		})
	})
	ctx, stop := chromedp.NewContext(c.ctx, chromedp.WithTargetID(id))
	defer stop()
	popup := &tab{c.t, ctx}
	if err := chromedp.Do(ctx); err != nil {
		c.t.Fatal(err)
	}
	popup.signInAndApprove()
	c.within(peerPatience, "the window closes itself", func() bool {
		all, err := chromedp.Targets(c.ctx)
		if err != nil {
			c.t.Fatal(err)
		}
		for _, one := range all {
			if one.TargetID == id {
				return false
			}
		}
		return true
	})
}

// signInAndApprove does what the provider asks for: who is signed in there already only approves.
func (b *tab) signInAndApprove() {
	b.t.Helper()
	waiting, cancel := context.WithTimeout(b.ctx, peerPatience)
	defer cancel()
	if err := chromedp.Do(waiting, chromedp.WaitVisible(chromedp.CSS("#login, #approve"))); err != nil {
		at, _ := chromedp.Run(b.ctx, chromedp.Location())
		if u, err := url.Parse(at); err == nil {
			at = u.Host + u.Path
		}
		b.t.Fatalf("the provider's page is not shown, but that at %s: %v", at, err)
	}
	if there := reads(b, chromedp.Evaluate[bool](`document.getElementById("login") !== null`)); there {
		b.do("signing in", chromedp.SendKeys(chromedp.ID("user"), "person"), chromedp.Click(chromedp.ID("login")), chromedp.WaitVisible(chromedp.ID("approve")))
	}
	b.do("approving", chromedp.Click(chromedp.ID("approve")))
}
