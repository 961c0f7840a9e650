package main_test

import (
	"crypto/tls"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
)

// provider is oidc-provider for people: authorization codes, registration, devices.
type provider struct {
	*oidcPeer
	DeviceURL string `json:"device_url"`
}

// startProvider starts one whose scopes are read and write. interactive is true for pages that a browser shows, or "auto" for
// a person who approves everything.
func startProvider(t testing.TB, interactive any, ttl int, clients ...map[string]any) *provider {
	t.Helper()
	p := &provider{oidcPeer: &oidcPeer{pki: newPKI(t)}}
	p.node = startNode(t, "oidc.mjs", map[string]any{
		"clients": append(clients, oidcClient(introspector, "client_secret_post")), "scopes": []string{"read", "write"}, "ttl": ttl,
		"tls":         map[string]string{"cert": p.ServerCert, "key": p.ServerKey, "ca": p.CAFile},
		"interactive": interactive, "registration": true, "device": true,
	})
	p.node.answer(p)
	p.client = p.httpClient(t, false)
	return p
}

// registered are the clients that registered, by id.
func (p *provider) registered() (ids []string) {
	p.node.t.Helper()
	var answer struct {
		Registered []struct {
			ID string `json:"client_id"`
		} `json:"registered"`
	}
	p.ask(map[string]bool{"registered": true}, &answer)
	for _, c := range answer.Registered {
		ids = append(ids, c.ID)
	}
	return ids
}

// onlyClient is the one that has registered.
func (p *provider) onlyClient() string {
	p.node.t.Helper()
	ids := p.registered()
	if len(ids) != 1 {
		p.node.t.Fatalf("%d clients are registered", len(ids))
	}
	return ids[0]
}

func (p *provider) forget(client string) {
	p.node.t.Helper()
	var answer struct{ Forgotten bool }
	if p.ask(map[string]string{"forget": client}, &answer); !answer.Forgotten {
		p.node.t.Fatalf("client %s was not there to be forgotten", client)
	}
}

// person is a browser without a window, for a provider that asks nobody: it keeps cookies and follows redirects.
func (p *provider) person(t testing.TB) *http.Client {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &http.Client{Transport: p.httpClient(t, false).Transport, Jar: jar}
}

// visit opens an address and gives the page at its end.
func visit(t testing.TB, person *http.Client, address string) (status int, page string, end *url.URL) {
	t.Helper()
	resp, err := person.Get(address)
	if err != nil {
		t.Errorf("the browser: %v", err)
		return 0, "", &url.URL{}
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Error(err)
	}
	return resp.StatusCode, string(body), resp.Request.URL
}

// guarded is an MCP server with TLS that says who gives its tokens (RFC 9728), and asks there about each one that comes.
type guarded struct {
	*httptest.Server
	URL string // of its MCP endpoint, and the resource of its tokens

	mu   sync.Mutex
	seen []string // guarded by mu: the tokens that were good
}

// startGuarded puts it before the MCP server at upstream; "" is one that answers every request with an empty result.
func startGuarded(t testing.TB, p *provider, upstream string) *guarded {
	t.Helper()
	certificate, err := tls.LoadX509KeyPair(p.ServerCert, p.ServerKey)
	if err != nil {
		t.Fatal(err)
	}
	g := &guarded{}
	mcp := http.Handler(http.HandlerFunc(emptyResult))
	if upstream != "" {
		target, err := url.Parse(upstream)
		if err != nil {
			t.Fatal(err)
		}
		mcp = &httputil.ReverseProxy{
			FlushInterval: -1,
			Rewrite:       func(r *httputil.ProxyRequest) { r.Out.URL.Scheme, r.Out.URL.Host = target.Scheme, target.Host },
		}
	}
	g.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/.well-known/") {
			g.document(w, r, p.Issuer)
		} else if token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); token != "" && g.good(p.Introspect(t, token)) {
			g.note(token)
			mcp.ServeHTTP(w, r)
		} else {
			w.Header().Set("WWW-Authenticate", `Bearer resource_metadata="`+g.Server.URL+`/.well-known/oauth-protected-resource/mcp"`)
			http.Error(w, "a token is needed", http.StatusUnauthorized)
		}
	}))
	g.TLS = &tls.Config{Certificates: []tls.Certificate{certificate}}
	g.StartTLS()
	t.Cleanup(func() {
		g.CloseClientConnections() // an SSE stream has no end of its own
		g.Close()
	})
	g.URL = g.Server.URL + "/mcp"
	p.ask(map[string]any{"resource": g.URL, "scope": "read write"}, &struct{}{})
	return g
}

func (g *guarded) document(w http.ResponseWriter, r *http.Request, issuer string) {
	if r.URL.Path != "/.well-known/oauth-protected-resource/mcp" {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]any{
		"resource": g.URL, "authorization_servers": []string{issuer}, "scopes_supported": []string{"read"},
	})
}

func (g *guarded) good(told map[string]any) bool {
	return told["active"] == true && told["aud"] == g.URL
}

func (g *guarded) note(token string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.seen = append(g.seen, token)
}

// tokens are those that were good, each once.
func (g *guarded) tokens() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	tokens := slices.Clone(g.seen)
	slices.Sort(tokens)
	return slices.Compact(tokens)
}

func emptyResult(w http.ResponseWriter, r *http.Request) {
	var request struct {
		ID any `json:"id"`
	}
	_ = json.NewDecoder(r.Body).Decode(&request)
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]any{"jsonrpc": "2.0", "id": request.ID, "result": map[string]any{}})
}

// signInGrant is an oauth_config for people that leaves to discovery and registration what can be left to them.
func signInGrant(t testing.TB, caFile string, lines ...string) string {
	t.Helper()
	return "oauth_config {\n" + strings.Join(append([]string{
		"enabled = true", `OAUTH_VERSION = "2.1"`, `OAUTH_GRANT_TYPE = "authorization_code"`, attribute("OAUTH_CA_BUNDLE_PATH", caFile),
		attribute("OAUTH_REDIRECT_URI", "http://"+freeAddress(t)+"/callback"),
	}, lines...), "\n") + "\n}"
}

// newVisitHome is a home whose browser notes which addresses it was to open.
func newVisitHome(t testing.TB, env ...string) *home {
	t.Helper()
	h := newHome(t, env...)
	h.write("visit", "#!/bin/sh\necho \"$1\" >>"+h.path("visits")+"\n")
	if err := os.Chmod(h.path("visit"), 0o700); err != nil {
		t.Fatal(err)
	}
	h.env = append(h.env, "BROWSER="+h.path("visit"))
	return h
}

// visits are the addresses that were to be opened so far.
func (h *home) visits() []string {
	h.t.Helper()
	text, err := os.ReadFile(h.path("visits"))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		h.t.Error(err)
	}
	return strings.Fields(string(text))
}

// visited waits for the nth address. What it holds of the flow is private.
func (h *home) visited(n int) string {
	h.t.Helper()
	eventually(h.t, "a browser is opened", func() bool { return len(h.visits()) >= n })
	address := h.visits()[n-1]
	if u, err := url.Parse(address); err == nil && u.Query().Get("state") != "" {
		h.private(u.Query().Get("state"))
	}
	return address
}

// signIn runs `bearerd login` and lets a person approve.
func (h *home) signIn(name string, person *http.Client, args ...string) {
	h.t.Helper()
	n := len(h.visits())
	login := h.start(append([]string{"login", name}, args...)...)
	status, page, end := visit(h.t, person, h.visited(n+1))
	if status != http.StatusOK || !strings.Contains(page, "Signed in") || end.RawQuery != "" {
		h.t.Errorf("the last page is at %s: %d %s", end.Path, status, page)
	}
	if code := login.wait(); code != 0 || !strings.HasPrefix(login.stdout.String(), name+": signed in") {
		h.t.Fatalf("login: exit code %d, stdout %q, stderr %q", code, login.stdout, login.stderr)
	}
}
