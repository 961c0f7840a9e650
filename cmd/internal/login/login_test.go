package login

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"

	"bearerd/inject/proxy"
)

// The listener is there before anybody could answer, at the port of the redirect.
func TestAcceptance48_TheListenerIsBoundBeforeTheBrowserOpens(t *testing.T) {
	var began string
	var atOpen int
	err := Run(t.Context(), Flow{
		Server: "tickets", Redirect: "http://localhost:0/oauth/callback",
		Begin: func(_ context.Context, redirect string) (string, error) {
			began = redirect
			u, err := url.Parse(redirect)
			if err != nil {
				return "", err
			}
			c, err := net.Dial("tcp", "127.0.0.1:"+u.Port())
			if err == nil {
				err = c.Close()
			}
			return "https://auth.example.com/authorize", err
		},
		Open: func(context.Context, string) error {
			tr := &trial{t: t, browser: browser(nil)}
			atOpen = tr.get(began + "?" + right).status
			return nil
		},
		Finish: func(context.Context, string) error { return nil },
	})
	if err != nil || atOpen != http.StatusOK {
		t.Errorf("a browser that was faster than anything got status %d; Run: %v", atOpen, err)
	}
}

// taken holds a port, and the one behind it is free.
func taken(t *testing.T) int {
	t.Helper()
	for range 50 {
		l, err := proxy.Listen("127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		port := l[0].Addr().(*net.TCPAddr).Port
		next, err := proxy.Listen(fmt.Sprintf("127.0.0.1:%d", port+1))
		for _, s := range next {
			_ = s.Close()
		}
		if err == nil {
			t.Cleanup(func() {
				for _, s := range l {
					_ = s.Close()
				}
			})
			return port
		}
		for _, s := range l {
			_ = s.Close()
		}
	}
	t.Fatal("no two free ports in a row")
	return 0
}

func TestAcceptance48_ATakenPortMovesWhereItMay(t *testing.T) {
	port := taken(t)
	tr := begin(t, Flow{Redirect: fmt.Sprintf("http://127.0.0.1:%d/callback", port), Movable: true})
	if want := fmt.Sprintf("http://127.0.0.1:%d/callback", port+1); tr.redirect != want {
		t.Errorf("Begin got %s, want %s", tr.redirect, want)
	}
	if p := tr.answer(); p.status != http.StatusOK {
		t.Errorf("at the moved port: %d %s", p.status, p.body)
	}
	if err := tr.ends(); err != nil {
		t.Error(err)
	}
}

func TestAcceptance48_ATakenPortIsAnErrorWhereItIsWritten(t *testing.T) {
	port := taken(t)
	err := Run(t.Context(), Flow{
		Server: "tickets", Redirect: fmt.Sprintf("http://127.0.0.1:%d/callback", port),
		Begin: func(context.Context, string) (string, error) {
			t.Error("the flow has begun")
			return "", errors.New("begun")
		},
	})
	if err == nil {
		t.Fatal("no error")
	}
	contains(t, err.Error(), "tickets", fmt.Sprint(port), "OAUTH_REDIRECT_URI")
	if runtime.GOOS == "linux" {
		contains(t, err.Error(), fmt.Sprintf("(pid %d)", os.Getpid()))
	}
}

func TestRedirectsThatCannotBeListenedOn(t *testing.T) {
	for _, redirect := range []string{"https://bearerd.example.com/cb", "http://192.0.2.1:80/cb", "http://localhost/cb", "http://127.0.0.1:99999/cb", "::", ""} {
		err := Run(t.Context(), Flow{Server: "tickets", Redirect: redirect})
		if err == nil || !strings.Contains(err.Error(), "OAUTH_REDIRECT_URI") {
			t.Errorf("%q: %v", redirect, err)
		}
	}
}

// Neither a browser's habits nor another page can end the wait, or have a code spent.
func TestAcceptance49_StrayRequestsDoNotEndTheWait(t *testing.T) {
	tr := begin(t, Flow{})
	u, err := url.Parse(tr.redirect)
	if err != nil {
		t.Fatal(err)
	}
	root := "http://" + u.Host
	for _, c := range []struct {
		method, address, host string
		status                int
	}{
		{"GET", root + "/favicon.ico", "", 404},
		{"GET", root + "/", "", 404},
		{"GET", root + "/callback/", "", 404},
		{"GET", root + "/callback/done", "", 404},
		{"GET", root + "/Callback?" + right, "", 404},
		{"HEAD", tr.redirect + "?" + right, "", 405},
		{"POST", tr.redirect + "?" + right, "", 405},
		{"OPTIONS", tr.redirect + "?" + right, "", 405},
		{"GET", tr.redirect + "?" + right, "evil.example.com", 403},
		{"GET", tr.redirect + "?" + right, "evil.example.com:" + u.Port(), 403},
		{"GET", tr.redirect + "?" + right, "localhost:" + u.Port(), 403},
		{"GET", tr.redirect + "?" + right, "127.0.0.1", 403},
		{"GET", tr.redirect + "?code=x&state=wrong", "", 400},
		{"GET", tr.redirect + "?error=access_denied&state=wrong", "", 400},
		{"GET", tr.redirect, "", 400},
		{"GET", tr.redirect + "?" + strings.Repeat("x", maxQuery+1), "", 414},
	} {
		if p := tr.ask(c.method, c.address, c.host); p.status != c.status {
			t.Errorf("%s %.100s (Host: %s): %d, want %d", c.method, c.address, c.host, p.status, c.status)
		} else if p.status == 400 {
			contains(t, p.body, "not the sign-in that is under way")
		}
	}
	if want := []string{"code=x&state=wrong", "error=access_denied&state=wrong", ""}; !slices.Equal(tr.asked(), want) {
		t.Errorf("Finish got %q, want %q", tr.asked(), want)
	}
	p := tr.answer()
	contains(t, p.body, "Signed in", "tickets")
	if err := tr.ends(); err != nil || p.status != http.StatusOK {
		t.Errorf("the right answer: %d, %v", p.status, err)
	}
}

// The last page's address holds no code, and the page loads and runs nothing.
func TestTheLastPageKeepsNothing(t *testing.T) {
	tr := begin(t, Flow{})
	p := tr.answer()
	if err := tr.ends(); err != nil {
		t.Fatal(err)
	}
	if p.at.RawQuery != "" || p.at.Path != "/callback/done" || strings.Contains(p.body, "canary") {
		t.Errorf("the browser ends at %s with %s", p.at, p.body)
	}
	for name, want := range map[string]string{
		"Content-Security-Policy": "default-src 'none'; style-src 'sha256-", "Referrer-Policy": "no-referrer", "Cache-Control": "no-store",
		"X-Frame-Options": "DENY", "X-Content-Type-Options": "nosniff", "Content-Type": "text/html; charset=utf-8",
	} {
		if got := p.header.Get(name); !strings.HasPrefix(got, want) {
			t.Errorf("%s is %q", name, got)
		}
	}
	_, shown, _ := strings.Cut(p.body, "<style>")
	shown, _, _ = strings.Cut(shown, "</style>")
	sum := sha256.Sum256([]byte(shown))
	contains(t, p.header.Get("Content-Security-Policy"), "'sha256-"+base64.StdEncoding.EncodeToString(sum[:])+"'")
}

func TestAcceptance53_TheErrorPageEscapesWhatItShows(t *testing.T) {
	const hostile = `<script>alert(1)</script><img src=x onerror="alert(2)">`
	tr := begin(t, Flow{Finish: func(context.Context, string) error { return errors.New(hostile) }})
	p := tr.answer()
	if err := tr.ends(); err == nil || err.Error() != hostile {
		t.Errorf("Run: %v", err)
	}
	if p.status != http.StatusBadRequest || p.at.RawQuery != "" {
		t.Errorf("the page at %s has status %d", p.at, p.status)
	}
	for _, raw := range []string{"<script", "<img", `"alert`} {
		if strings.Contains(p.body, raw) {
			t.Errorf("the page has %s raw: %s", raw, p.body)
		}
	}
	contains(t, p.body, "&lt;script&gt;alert(1)", "bearerd login tickets")
}

// stdout belongs to MCP where a request opens the browser: nothing of a flow gets there, nor what a browser says.
func TestAcceptance54_NothingOnStdout(t *testing.T) {
	stdout, err := os.Create(t.TempDir() + "/stdout")
	if err != nil {
		t.Fatal(err)
	}
	defer stdout.Close()
	before := os.Stdout
	os.Stdout = stdout
	defer func() { os.Stdout = before }()
	open, found := Browser(environment("BROWSER", script(t, "chatty", `echo noise; echo noise >&2; exit 3`)))
	if !found {
		t.Fatal("no browser")
	}
	tr := begin(t, Flow{Open: open, Out: &buffer{}})
	tr.answer()
	if err := tr.ends(); err != nil {
		t.Error(err)
	}
	if info, err := stdout.Stat(); err != nil || info.Size() != 0 {
		t.Errorf("%d bytes on stdout, %v", info.Size(), err)
	}
}

func TestThePrintedAddressAndAPastedAnswer(t *testing.T) {
	for _, line := range []string{
		"http://127.0.0.1:1234/callback?" + right, "  http://127.0.0.1:1234/callback?" + right + "#_=_ ", "?" + right, right,
	} {
		var out buffer
		r, w := io.Pipe()
		tr := begin(t, Flow{Out: &out, Paste: r})
		if _, err := io.WriteString(w, "\nhttp://127.0.0.1:1/callback?code=x&state=wrong\n"+line+"\n"); err != nil {
			t.Fatal(err)
		}
		if err := tr.ends(); err != nil {
			t.Errorf("%q: %v", line, err)
		}
		contains(t, out.String(), "\nhttps://auth.example.com/authorize?state=right\n", "tickets", "does not answer the sign-in")
		if got := tr.asked(); !slices.Equal(got, []string{"code=x&state=wrong", right}) {
			t.Errorf("%q: Finish got %q", line, got)
		}
	}
}

// Where the browser fails, the answer may be pasted like where there is none; before, nothing is read.
func TestAFailedBrowserMakesWayForAPaste(t *testing.T) {
	var out buffer
	r, w := io.Pipe()
	fail := make(chan struct{})
	tr := begin(t, Flow{Out: &out, Paste: r, Open: func(context.Context, string) error {
		<-fail
		return errors.New("no browser could be opened (xdg-open: exit status 3)")
	}})
	typed := make(chan error, 1)
	go func() {
		_, err := io.WriteString(w, right+"\n")
		typed <- err
	}()
	tr.get(tr.redirect)
	select {
	case <-typed:
		t.Error("something was read while the browser was opened")
	default:
	}
	close(fail)
	if err := tr.ends(); err != nil {
		t.Error(err)
	}
	if err := <-typed; err != nil {
		t.Error(err)
	}
	contains(t, out.String(), "(--no-browser prints the address)", "exit status 3", "\nhttps://auth.example.com/authorize?state=right\n",
		"\nIf that runs on another machine, its last page will not load: paste that page's address here.\n")
}

// The page says once what to do, whoever says it.
func TestTheErrorPageHasOneRemedy(t *testing.T) {
	for _, says := range []string{"it failed", `server "tickets": the code has expired: run ` + "`bearerd login tickets`"} {
		tr := begin(t, Flow{Finish: func(context.Context, string) error { return errors.New(says) }})
		p := tr.answer()
		if err := tr.ends(); err == nil {
			t.Error("no error")
		}
		if n := strings.Count(p.body, "bearerd login tickets"); n != 1 {
			t.Errorf("%s: %d remedies: %s", says, n, p.body)
		}
	}
}

// Without an answer on stdin, and at its end, the wait goes on: the browser may run here.
func TestTheEndOfThePasteDoesNotEndTheWait(t *testing.T) {
	r, w := io.Pipe()
	tr := begin(t, Flow{Out: &buffer{}, Paste: r})
	_ = w.Close()
	tr.answer()
	if err := tr.ends(); err != nil {
		t.Error(err)
	}
}

func TestABrowserThatCannotBeOpenedIsNamedAndTheAddressPrinted(t *testing.T) {
	var out buffer
	failed := make(chan struct{})
	tr := begin(t, Flow{Out: &out, Open: func(context.Context, string) error {
		defer close(failed)
		return errors.New("no browser could be opened (xdg-open: exit status 3)")
	}})
	<-failed
	tr.get(tr.redirect) // the words about the browser are no later than those about anything behind it
	tr.answer()
	if err := tr.ends(); err != nil {
		t.Error(err)
	}
	contains(t, out.String(), "Opening the browser to sign in for tickets", "exit status 3", "\nhttps://auth.example.com/authorize?state=right\n")
}

// An address that is none for a browser is neither opened nor printed, and the port is free again.
func TestOnlyWebAddressesAreShown(t *testing.T) {
	for _, address := range []string{"javascript:alert(1)", "file:///etc/passwd", "https:///x", "-h", "", "https://x.example/\x1b[31m", "https://x.example/\u202e", "https://x.example/a b"} {
		var out buffer
		var redirect string
		err := Run(t.Context(), Flow{
			Server: "tickets", Redirect: "http://127.0.0.1:0/cb", Out: &out,
			Begin: func(_ context.Context, r string) (string, error) { redirect = r; return address, nil },
			Open:  func(context.Context, string) error { t.Errorf("%q was opened", address); return nil },
		})
		if err == nil || out.String() != "" {
			t.Errorf("%q: %v, printed %q", address, err, out.String())
		}
		u, _ := url.Parse(redirect)
		if c, err := net.Dial("tcp", u.Host); err == nil {
			_ = c.Close()
			t.Errorf("%q: the listener stayed", address)
		}
	}
}
