package main_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"
)

// What is not for the caller is refused by the running daemon, and changes nothing.
func TestWhoMayNotCallTheAPI(t *testing.T) {
	t.Parallel()
	p := startProvider(t, "auto", 60)
	g := startGoverned(t, p, server("hand", nothing))
	for name, change := range map[string]func(*http.Request){
		"no key":            func(r *http.Request) { r.Header.Del("Authorization") },
		"a wrong key":       func(r *http.Request) { r.Header.Set("Authorization", "Bearer brk_wrong") },
		"another site":      func(r *http.Request) { r.Header.Set("Origin", "https://evil.example") },
		"another port":      func(r *http.Request) { r.Header.Set("Origin", "http://127.0.0.1:1") },
		"a sandboxed page":  func(r *http.Request) { r.Header.Set("Origin", "null") },
		"a fetch of a site": func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") },
		"a rebound name":    func(r *http.Request) { r.Host = "evil.example" },
		"a forwarded name":  func(r *http.Request) { r.Host = "evil.example"; r.Header.Set("X-Forwarded-Host", g.admin) },
	} {
		for _, method := range []string{http.MethodPost, http.MethodGet} {
			path := map[string]string{http.MethodPost: "/api/mcp/client", http.MethodGet: "/api/mcp/clients"}[method]
			r, err := http.NewRequestWithContext(t.Context(), method, "http://"+g.admin+path, strings.NewReader(guideJSON("evil", "https://evil.example/mcp")))
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Authorization", "Bearer "+g.key)
			change(r)
			resp, err := g.client.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			_ = resp.Body.Close()
			if resp.StatusCode != http.StatusUnauthorized && resp.StatusCode != http.StatusForbidden {
				t.Errorf("%s, %s: %d", name, method, resp.StatusCode)
			}
		}
	}
	if entries, _ := os.ReadDir(g.path("made")); len(entries) != 0 {
		t.Errorf("something was made: %v", entries)
	}
	start := time.Now()
	if status := g.rest(http.MethodGet, "/api/mcp/clients", "", nil); status != http.StatusOK || time.Since(start) > time.Second {
		t.Errorf("the right key among wrong ones: %d after %v", status, time.Since(start))
	}
}

// An answer counts in the browser that began, once: with its state and its cookie.
func TestASignInBelongsToABrowser(t *testing.T) {
	t.Parallel()
	p := startProvider(t, "auto", 60)
	mcp := startGuarded(t, p, "")
	g := startGoverned(t, p, server("hand", nothing))
	b := g.begin(guideJSON("tracker", mcp.URL))
	person, answer := p.person(t), ""
	person.CheckRedirect = func(r *http.Request, _ []*http.Request) error {
		if strings.HasPrefix(r.URL.Path, "/api/oauth/callback") {
			answer = r.URL.String()
			return http.ErrUseLastResponse
		}
		return nil
	}
	visit(t, person, b.AuthorizeURL)
	u, err := url.Parse(answer)
	if err != nil || u.Query().Get("code") == "" {
		t.Fatal("no code came")
	}
	g.private(u.Query().Get("code"), u.Query().Get("state"))
	pending := func(when string) {
		t.Helper()
		var st grantStatus
		if g.rest(http.MethodGet, b.StatusURL, "", &st); st.Status != "pending" {
			t.Fatalf("after %s: %+v", when, st)
		}
	}
	if status, _, _ := visit(t, p.person(t), answer); status != http.StatusForbidden {
		t.Errorf("another browser with the answer: %d", status)
	}
	pending("another browser")
	if status, _, _ := visit(t, p.person(t), strings.Split(answer, "?")[0]+"?error=access_denied&state="+u.Query().Get("state")); status != http.StatusForbidden {
		t.Errorf("another browser with an error: %d", status)
	}
	pending("an error from another browser")
	if status, _, _ := visit(t, p.person(t), b.AuthorizeURL); status == http.StatusOK {
		t.Errorf("the start address worked twice: %d", status)
	}
	forged := u.Query()
	forged.Set("state", "forged")
	if status, _, _ := visit(t, person, strings.Split(answer, "?")[0]+"?"+forged.Encode()); status == http.StatusOK {
		t.Errorf("another state: %d", status)
	}
	pending("another state")
	person.CheckRedirect = nil
	if status, page, _ := visit(t, person, answer); status != http.StatusOK || !strings.Contains(page, "Signed in") {
		t.Errorf("the right browser: %d %s", status, page)
	}
	if status, _, _ := visit(t, person, answer); status == http.StatusOK {
		t.Errorf("the same answer again: %d", status)
	}
	var st grantStatus
	if g.rest(http.MethodGet, b.StatusURL, "", &st); st.Status != "authorized" {
		t.Errorf("at the end: %+v", st)
	}
	g.private(p.secretsOf(p.onlyClient())...)
}

// While the audit log cannot be written nothing is changed, over the API or by a command; what is served stays.
func TestNothingIsDoneThatIsNotWrittenDown(t *testing.T) {
	t.Parallel()
	p := startProvider(t, "auto", 60, oidcClient("app", "client_secret_basic"))
	mcp := startGuarded(t, p, startEverythingHTTP(t))
	h := startGoverned(t, p, "")
	h.settle(server("web", attribute("url", mcp.URL), h.oidcGrant(p.oidcPeer, "app", attribute("OAUTH_RESOURCE", mcp.URL))))
	h.ok("reload")
	client := h.home.client(h.clientConfig("web", legacyWire))
	echo(t, client)
	h.private(mcp.tokens()...)
	checkAudit(t, h.audit())
	if err := os.Rename(h.path("state/audit.jsonl"), h.path("kept.jsonl")); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(h.path("state/audit.jsonl"), 0o700); err != nil {
		t.Fatal(err)
	}
	before := h.tokenInfo("web")["fingerprint"]
	if status := h.rest(http.MethodPost, "/api/servers/web/refresh", "", nil); status != http.StatusServiceUnavailable {
		t.Errorf("refresh over the API: %d", status)
	}
	if status := h.rest(http.MethodPost, "/api/mcp/client", guideJSON("more", mcp.URL), nil); status != http.StatusServiceUnavailable {
		t.Errorf("a new server: %d", status)
	}
	for _, args := range [][]string{{"refresh", "web"}, {"revoke", "web"}, {"store", "rekey"}, {"secret", "rm", "x"}} {
		if said := h.fails(1, args...); !strings.Contains(said, "audit log") {
			t.Errorf("%v: %s", args, said)
		}
	}
	echo(t, client)
	if now := h.tokenInfo("web")["fingerprint"]; now != before {
		t.Errorf("the token was %v and is %v", before, now)
	}
	if err := os.Remove(h.path("state/audit.jsonl")); err != nil {
		t.Fatal(err)
	}
	if status := h.rest(http.MethodPost, "/api/servers/web/refresh", "", nil); status != http.StatusOK {
		t.Errorf("refresh once it can be written: %d", status)
	}
	echo(t, client)
	h.private(mcp.tokens()...)
}

// checkAudit sees that the log tells of an acquisition, of a command with its user, and of one delivery to one client.
func checkAudit(t *testing.T, text string) {
	t.Helper()
	found := map[string]int{}
	for line := range strings.Lines(text) {
		var e struct{ Event, Actor, Action, Server, Token string }
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		switch {
		case e.Event == "acquired" && e.Server == "web" && len(e.Token) == 12 && e.Actor == "bearerd",
			e.Event == "delivered" && e.Server == "web" && len(e.Token) == 12 && e.Actor == "client default",
			e.Event == "request" && e.Action == "POST /api/reload" && strings.HasPrefix(e.Actor, "uid "):
			found[e.Event]++
		}
	}
	if found["acquired"] != 1 || found["delivered"] != 1 || found["request"] != 1 {
		t.Errorf("found %v in\n%s", found, text)
	}
}

// A new admin key takes the place of the one before, once bearerd is started again.
func TestANewAdminKey(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	h.write("bearerd.hcl", "store \"file\" { path = \"state\" }\nadmin { listen = \""+h.admin+"\" }\nproxy { listen = \""+h.proxy+"\" }\n"+server("hand", nothing))
	d := h.daemon()
	g := &governed{home: h, client: http.DefaultClient}
	old := strings.TrimSpace(h.ok("admin-key"))
	g.key = strings.TrimSpace(h.ok("admin-key", "--new"))
	h.private(old, g.key)
	if old == g.key || strings.TrimSpace(h.ok("admin-key")) != g.key {
		t.Fatal("the key is not a new one that stays")
	}
	d.stop()
	h.daemon()
	if status := g.rest(http.MethodGet, "/api/mcp/clients", "", nil); status != http.StatusOK {
		t.Errorf("the new key: %d", status)
	}
	if status, _ := g.send("Bearer "+old, http.MethodGet, "/api/mcp/clients", ""); status != http.StatusUnauthorized {
		t.Errorf("the key before: %d", status)
	}
}
