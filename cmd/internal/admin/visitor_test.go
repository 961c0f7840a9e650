package admin

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"bearerd/cmd/internal/audit"
)

// Cookies that another program of this host has set hide none of ours, and no store is read for them.
func TestForeignCookiesHideNoSignIn(t *testing.T) {
	h := newHouse(t)
	b := browser(t)
	back := h.goTo(b, h.begin(nil))
	at, err := url.Parse(h.Redirect)
	if err != nil {
		t.Fatal(err)
	}
	var junk []*http.Cookie
	for i := range 300 {
		junk = append(junk, &http.Cookie{Name: fmt.Sprintf("%sx%d", cookiePrefix, i), Value: "x", Path: callbackPath})
	}
	mine := b.Jar.Cookies(at)
	tossed := &http.Cookie{Name: cookiePrefix + "tracker", Value: "x"}
	r := httptest.NewRequest(http.MethodGet, back, http.NoBody)
	for _, c := range slices.Concat(junk, []*http.Cookie{tossed}, mine) {
		r.AddCookie(c)
	}
	if names := h.bound(r); !slices.Equal(names, []string{"tracker"}) {
		t.Errorf("bound are %q", names)
	}
	b.Jar.SetCookies(at, junk)
	if p := h.visit(b, back); p.status != http.StatusSeeOther {
		t.Errorf("%d %s", p.status, p.body)
	}
}

// One browser may have many sign-ins under way.
func TestManySignInsInOneBrowser(t *testing.T) {
	h := newHouse(t)
	b := browser(t)
	var last string
	for i := range 20 {
		last = h.goTo(b, h.begin(map[string]any{"name": fmt.Sprintf("tracker%02d", i)}))
	}
	if p := h.visit(b, last); p.status != http.StatusSeeOther {
		t.Fatalf("%d %s", p.status, p.body)
	}
	h.token("tracker19")
}

// While the audit log takes no line, a sign-in neither begins nor ends, and can be gone on with later.
func TestASignInThatCannotBeWrittenDown(t *testing.T) {
	h := newHouse(t)
	in, b := h.begin(nil), browser(t)
	h.Audit = audit.New(t.TempDir()) // a folder: as if its disk had become full after it was looked at
	refused := func(handler http.HandlerFunc, address string, cookies ...*http.Cookie) {
		t.Helper()
		r := httptest.NewRequest(http.MethodGet, address, http.NoBody)
		r = r.WithContext(context.WithValue(t.Context(), lineKey{}, audit.Entry{Event: "request"}))
		r.SetPathValue("ticket", strings.TrimPrefix(r.URL.Path, startPath))
		for _, c := range cookies {
			r.AddCookie(c)
		}
		w := httptest.NewRecorder()
		handler(w, r)
		if w.Code != http.StatusServiceUnavailable || !strings.Contains(w.Body.String(), "could not be written down") || w.Header().Get("Set-Cookie") != "" {
			t.Errorf("%d %s", w.Code, w.Body)
		}
	}
	refused(h.start, in.AuthorizeURL)
	back := h.goTo(b, in)
	at, _ := url.Parse(h.Redirect)
	refused(h.callback, back, b.Jar.Cookies(at)...)
	h.status("tracker", "pending")
	if n := len(h.as.RequestsTo("/token")); n != 0 {
		t.Errorf("the code was spent by %d requests", n)
	}
	h.Audit = nil
	if p := h.visit(b, back); p.status != http.StatusSeeOther {
		t.Fatalf("%d %s", p.status, p.body)
	}
	h.token("tracker")
}

// A visitor who proves that a sign-in is theirs is written down before anything is done, and who does not only after.
func TestASignInIsWrittenDown(t *testing.T) {
	h := newHouse(t)
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	in, b := h.begin(nil), browser(t)
	h.Audit = audit.New(path)
	logged := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.Handler().ServeHTTP(w, r.WithContext(audit.WithActor(r.Context(), "browser")))
	}))
	defer logged.Close()
	here := strings.NewReplacer(h.http.URL, logged.URL)
	h.page(browser(t), logged.URL+callbackPath+"?state=x", http.StatusForbidden, "")
	in.AuthorizeURL = here.Replace(originOf(in.AuthorizeURL)) + strings.TrimPrefix(in.AuthorizeURL, originOf(in.AuthorizeURL))
	back := h.goTo(b, in)
	if p := h.visit(b, here.Replace(back)); p.status != http.StatusSeeOther {
		t.Fatalf("%d %s", p.status, p.body)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	ids := map[string]int{}
	for line := range strings.Lines(string(text)) {
		var e audit.Entry
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatal(err)
		}
		got = append(got, strings.Join([]string{e.Event, e.Actor, e.Action, e.Server, e.Outcome}, "|"))
		ids[e.ID]++
	}
	want := []string{
		"answer|browser|GET /api/oauth/callback||403",
		"request|browser|GET /oauth/start/{ticket}|tracker|", "answer|browser|GET /oauth/start/{ticket}|tracker|303",
		"request|browser|GET /api/oauth/callback|tracker|", "answer|browser|GET /api/oauth/callback|tracker|303",
	}
	if !slices.Equal(got, want) || len(ids) != 3 {
		t.Errorf("%s", text)
	}
}
