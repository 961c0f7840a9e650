package admin

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"

	"bearerd/engine/oauth/oauthtest"
)

func (h *house) page(b *http.Client, address string, status int, says string) seen {
	h.t.Helper()
	p := h.visit(b, address)
	if p.status != status || !strings.Contains(p.body, says) {
		h.t.Errorf("%d %s, want %d and %q", p.status, p.body, status, says)
	}
	return p
}

func TestAStartAddressWorksOnceAndBindsTheBrowser(t *testing.T) {
	h := newHouse(t)
	in := h.begin(nil)
	b := browser(t)
	if p := h.visit(b, in.AuthorizeURL, "Sec-Purpose", "prefetch;prerender"); p.status != http.StatusServiceUnavailable {
		t.Errorf("loaded ahead: %d", p.status)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodHead, in.AuthorizeURL, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := b.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	if _ = resp.Body.Close(); resp.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("HEAD: %d", resp.StatusCode)
	}
	p := h.visit(b, in.AuthorizeURL)
	if p.status != http.StatusSeeOther || !strings.HasPrefix(p.to, h.as.AuthorizationURL()) {
		t.Fatalf("%+v", p)
	}
	u, _ := url.Parse(p.to)
	if u.Query().Get("redirect_uri") != h.Redirect || u.Query().Get("code_challenge_method") != "S256" {
		t.Errorf("the provider is asked %v", u.Query())
	}
	cookie := p.header.Get("Set-Cookie")
	for _, part := range []string{"bearerd_flow_tracker=", "Path=/api/oauth/callback", "HttpOnly", "SameSite=Lax", "Max-Age="} {
		if !strings.Contains(cookie, part) {
			t.Errorf("the cookie has no %s", part)
		}
	}
	if strings.Contains(cookie, "Secure") {
		t.Error("a cookie over http is Secure")
	}
	h.page(b, in.AuthorizeURL, http.StatusGone, "used already")
	h.page(browser(t), in.AuthorizeURL, http.StatusGone, "used already")
	h.page(b, in.AuthorizeURL+"x", http.StatusNotFound, "not valid")
	h.page(b, h.http.URL+startPath+"tracker", http.StatusNotFound, "not valid")
	h.page(b, h.http.URL+startPath+"nobody.x", http.StatusNotFound, "not valid")
	h.status("tracker", "pending")
}

// A second one takes the place of the first, whose address and cookie are worth nothing then.
func TestASignInThatIsBegunAnewEndsTheOneBefore(t *testing.T) {
	h := newHouse(t)
	first := h.begin(nil)
	b := browser(t)
	back := h.goTo(b, first)
	second := want[Initiation](h, http.StatusOK, http.MethodPost, "/api/mcp/client/tracker/reauthorize", nil)
	h.page(b, first.AuthorizeURL, http.StatusNotFound, "another one has taken its place")
	h.page(b, back, http.StatusForbidden, "another browser")
	h.status("tracker", "pending")
	h.signIn(second)
	h.status("tracker", "authorized")
}

// Each of these changes nothing: the sign-in goes on.
func TestTheCallbackRefusesWhatItsBrowserHasNotBegun(t *testing.T) {
	h := newHouse(t)
	b := browser(t)
	back := h.goTo(b, h.begin(nil))
	u, err := url.Parse(back)
	if err != nil {
		t.Fatal(err)
	}
	with := func(change func(url.Values)) string {
		q := u.Query()
		change(q)
		return h.Redirect + "?" + q.Encode()
	}
	h.page(browser(t), back, http.StatusForbidden, "another browser")
	h.page(browser(t), h.Redirect+"?error=access_denied&state="+u.Query().Get("state"), http.StatusForbidden, "another browser")
	h.page(b, with(func(q url.Values) { q.Del("state") }), http.StatusBadRequest, "no state")
	h.page(b, h.Redirect+"?error=access_denied", http.StatusBadRequest, "no state")
	h.page(b, with(func(q url.Values) { q.Add("state", "x") }), http.StatusBadRequest, "no state")
	h.page(b, with(func(q url.Values) { q.Set("state", "wrong") }), http.StatusConflict, "changed nothing")
	h.page(b, h.Redirect+"?state=x&error=access_denied&error_description="+url.QueryEscape(canaryWords), http.StatusConflict, "changed nothing")
	h.page(b, with(func(q url.Values) { q.Set("x", strings.Repeat("y", 17<<10)) }), http.StatusBadRequest, "no state")
	forged := browser(t)
	at, _ := url.Parse(h.Redirect)
	forged.Jar.SetCookies(at, []*http.Cookie{
		{Name: "bearerd_flow_tracker", Value: "x", Path: callbackPath}, {Name: "bearerd_flow_../x", Value: "x", Path: callbackPath},
		{Name: "bearerd_flow_nobody", Value: "", Path: callbackPath},
	})
	h.page(forged, back, http.StatusForbidden, "another browser")
	h.status("tracker", "pending")
	if p := h.visit(b, back); p.status != http.StatusSeeOther || p.to != donePath || !strings.Contains(p.header.Get("Set-Cookie"), "Max-Age=0") {
		t.Errorf("%+v", p)
	}
	done := h.page(b, h.http.URL+donePath, http.StatusOK, "You can close this page.")
	if csp := done.header.Get("Content-Security-Policy"); !strings.Contains(csp, "script-src 'self'") || !strings.Contains(csp, "default-src 'none'") {
		t.Errorf("the policy is %q", csp)
	}
	h.token("tracker")
	h.page(b, back, http.StatusForbidden, "it is over")
	h.status("tracker", "authorized")
}

// The code is spent once, and the one who comes second learns that it was answered.
func TestTwoCallbacksAtOnce(t *testing.T) {
	h := newHouse(t)
	b := browser(t)
	back := h.goTo(b, h.begin(nil))
	at, _ := url.Parse(h.Redirect)
	cookies := b.Jar.Cookies(at)
	var wg sync.WaitGroup
	codes := make([]int, 4)
	for i := range codes {
		wg.Go(func() {
			one := browser(t)
			one.Jar.SetCookies(at, cookies)
			codes[i] = h.visit(one, back).status
		})
	}
	wg.Wait()
	count := map[int]int{}
	for _, c := range codes {
		count[c]++
	}
	if count[http.StatusSeeOther] != 1 || count[http.StatusConflict] != 3 {
		t.Errorf("answered with %v", codes)
	}
	h.status("tracker", "authorized")
	h.token("tracker")
	late := browser(t)
	late.Jar.SetCookies(at, cookies)
	h.page(late, back, http.StatusConflict, "answered already")
}

// A sign-in that is begun while the code of the one before is exchanged stays open.
func TestASignInThatIsBegunDuringAnExchangeGoesOn(t *testing.T) {
	h := newHouse(t)
	b := browser(t)
	back := h.goTo(b, h.begin(nil))
	var second Initiation
	h.as.FailAt("/token", 1, func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		second = want[Initiation](h, http.StatusOK, http.MethodPost, "/api/mcp/client/tracker/reauthorize", nil)
		next.ServeHTTP(w, r)
	})
	if p := h.visit(b, back); p.status != http.StatusSeeOther {
		t.Errorf("%+v", p)
	}
	h.status("tracker", "pending")
	h.signIn(second)
	h.status("tracker", "authorized")
}

func TestARefusalIsToldInOurWords(t *testing.T) {
	h := newHouse(t)
	h.as.Approve(func(oauthtest.AuthorizeRequest) oauthtest.Decision { return oauthtest.Deny(canaryWords) })
	in := h.begin(nil)
	b := browser(t)
	back := h.goTo(b, in)
	h.page(b, back, http.StatusBadGateway, "the sign-in was refused")
	st := h.status("tracker", "failed")
	if st.Error != "the sign-in was refused" || !strings.Contains(st.Remedy, "/api/mcp/client/tracker/reauthorize") {
		t.Errorf("%+v", st)
	}
	h.problem(http.StatusConflict, "", "Current status: failed", http.MethodPost, in.CompleteURL, nil)
	h.as.Approve(nil)
	h.signIn(want[Initiation](h, http.StatusOK, http.MethodPost, "/api/mcp/client/tracker/reauthorize", nil))
	h.status("tracker", "authorized")
}

// What the exchange fails with is told in words of ours too.
func TestACodeThatIsNotTaken(t *testing.T) {
	h := newHouse(t)
	b := browser(t)
	back := h.goTo(b, h.begin(nil))
	h.as.FailAt("/token", 1, oauthtest.OAuthError(http.StatusBadRequest, "invalid_grant", canaryWords))
	if p := h.page(b, back, http.StatusBadGateway, "invalid_grant"); p.to != "" {
		t.Errorf("sent to %s", p.to)
	}
	h.status("tracker", "failed")
}

// Under https the cookie goes nowhere else.
func TestTheCookieOfAnHTTPSCallbackIsSecure(t *testing.T) {
	a := &API{Redirect: "https://bearerd.example.com" + callbackPath}
	if c := a.cookie("a", "v", 1); !c.Secure || c.Domain != "" {
		t.Errorf("%+v", c)
	}
	if got := originOf(a.Redirect); got != "https://bearerd.example.com" {
		t.Error(got)
	}
}

// The short pages keep their own policy behind the gate.
func TestTheLastPageBehindTheGate(t *testing.T) {
	h := newHouse(t)
	gate := httptest.NewServer(h.Public())
	defer gate.Close()
	p := h.page(browser(t), gate.URL+donePath, http.StatusOK, "Signed in")
	if csp := p.header.Get("Content-Security-Policy"); !strings.Contains(csp, "style-src 'sha256-") || len(p.header.Values("Content-Security-Policy")) != 1 {
		t.Errorf("the policy is %q", csp)
	}
}
