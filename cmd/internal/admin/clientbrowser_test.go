package admin

import (
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"
)

// browser is one with cookies that follows no redirect.
func browser(t testing.TB) *http.Client {
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// seen is a page that a browser shows.
type seen struct {
	status   int
	header   http.Header
	body, to string
}

func (h *house) visit(b *http.Client, address string, header ...string) seen {
	h.t.Helper()
	req, err := http.NewRequestWithContext(h.t.Context(), http.MethodGet, address, http.NoBody)
	if err != nil {
		h.t.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := b.Do(req)
	if err != nil {
		h.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(resp.Body)
	_, _ = h.answers.Write(append(body, '\n'))
	for _, c := range resp.Cookies() {
		h.hide(c.Value)
	}
	return seen{resp.StatusCode, resp.Header, string(body), resp.Header.Get("Location")}
}

// goTo opens a start address and has the provider's person decide. It gives the address that the browser is sent back to.
func (h *house) goTo(b *http.Client, in Initiation) (back string) {
	h.t.Helper()
	_, ticket, _ := strings.Cut(in.AuthorizeURL, in.MCPClientID+".")
	h.hide(ticket)
	page := h.visit(b, in.AuthorizeURL)
	if page.status != http.StatusSeeOther {
		h.t.Fatalf("the start address: %+v", page)
	}
	back, err := h.as.Visit(h.t.Context(), page.to)
	if err != nil {
		h.t.Fatal(err)
	}
	u, err := url.Parse(back)
	if err != nil {
		h.t.Fatal(err)
	}
	h.hide(u.Query().Get("code"), u.Query().Get("state"))
	return back
}

// signIn is a whole sign-in.
func (h *house) signIn(in Initiation) {
	h.t.Helper()
	b := browser(h.t)
	if page := h.visit(b, h.goTo(b, in)); page.status != http.StatusSeeOther || page.to != donePath {
		h.t.Fatalf("the callback: %+v", page)
	}
	h.token(in.MCPClientID)
}
