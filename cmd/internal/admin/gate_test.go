package admin

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"bearerd/cmd/internal/audit"
	"bearerd/config"
	"bearerd/inject/proxy"
	"bearerd/secrets"
)

const theKey = "brk_canary-of-the-admin-key"

// noSecrets is a store with nothing in it.
type noSecrets struct{ secrets.Store }

func (noSecrets) List(context.Context, string) ([]string, error) { return nil, nil }

// gated is an API that needs no engine for what is asked of it here, and counts what it was told to do.
type gated struct {
	*API
	reloads int
	log     string // the path of the audit log
}

func newGated(t testing.TB) *gated {
	t.Helper()
	g := &gated{log: filepath.Join(t.TempDir(), "audit.jsonl")}
	cfg := &config.Config{
		Admin:   config.Admin{Listen: "127.0.0.1:7412", PublicURL: "https://bearerd.example.com"},
		Servers: []*config.Server{{Name: "s", URL: "https://mcp.example.com/mcp"}},
	}
	g.API = &API{
		Config: func() *config.Config { return cfg }, Key: secrets.New(theKey), Keys: proxy.NewKeys(), Store: noSecrets{},
		Registry: prometheus.NewRegistry(), Audit: audit.New(g.log),
		Reload: func(context.Context, string) (config.Changes, error) {
			g.reloads++
			return nil, nil
		},
	}
	return g
}

// ask is a request of a program of this host, with a right key.
func (g *gated) ask(method, path string, header ...string) *http.Request {
	r := httptest.NewRequest(method, path, http.NoBody)
	r.Host = "127.0.0.1:7412"
	r.Header.Set("Authorization", "Bearer "+theKey)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	return r
}

func answerTo(h http.Handler, r *http.Request) *http.Response {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result()
}

// says is what a Problem says.
func says(t testing.TB, resp *http.Response) string {
	t.Helper()
	var p Problem
	if err := json.NewDecoder(resp.Body).Decode(&p); err != nil || p.Error == "" {
		t.Errorf("%d without a Problem: %+v %v", resp.StatusCode, p, err)
	}
	return p.Error
}

func TestWhoIsLetIn(t *testing.T) {
	host := func(h string) func(*http.Request) { return func(r *http.Request) { r.Host = h } }
	set := func(header ...string) func(*http.Request) {
		return func(r *http.Request) {
			for i := 0; i < len(header); i += 2 {
				r.Header.Set(header[i], header[i+1])
			}
		}
	}
	for name, c := range map[string]struct {
		change    func(*http.Request)
		get, post int
		why       string
	}{
		"a program with the key":        {set(), 200, 200, ""},
		"the page":                      {set("Sec-Fetch-Site", "same-origin", "Origin", "http://127.0.0.1:7412"), 200, 200, ""},
		"the page at localhost":         {func(r *http.Request) { r.Host = "localhost:7412"; r.Header.Set("Origin", "http://localhost:7412") }, 200, 200, ""},
		"typed into a browser":          {set("Sec-Fetch-Site", "none"), 200, 200, ""},
		"the key in other letters":      {set("Authorization", "bearer  "+theKey), 200, 200, ""},
		"a rebound name":                {host("evil.example:7412"), 403, 403, "Host"},
		"no Host":                       {host(""), 403, 403, "Host"},
		"a forwarded Host":              {func(r *http.Request) { r.Host = "evil.example"; r.Header.Set("X-Forwarded-Host", "127.0.0.1:7412") }, 403, 403, "Host"},
		"a forwarded Host of ours":      {set("X-Forwarded-Host", "bearerd.example.com", "Forwarded", "host=bearerd.example.com"), 200, 200, ""},
		"public_url with another port":  {host("bearerd.example.com:8443"), 403, 403, "Host"},
		"another site":                  {set("Origin", "https://evil.example"), 403, 403, "another site"},
		"another site, with its header": {set("Sec-Fetch-Site", "cross-site"), 403, 403, "another site"},
		"another port of this host":     {set("Sec-Fetch-Site", "same-site", "Origin", "http://127.0.0.1:8080"), 403, 403, "another site"},
		"another port, an old header":   {set("Sec-Fetch-Site", "same-site"), 403, 403, "another site"},
		"another name of this host":     {set("Origin", "http://localhost:7412"), 403, 403, "another site"},
		"a sandbox":                     {set("Origin", "null"), 403, 403, "another site"},
		"a liar about its site":         {set("Sec-Fetch-Site", "same-origin", "Origin", "https://evil.example"), 403, 403, "another site"},
		"no key":                        {func(r *http.Request) { r.Header.Del("Authorization") }, 401, 401, "a key is needed"},
		"a key of another kind":         {set("Authorization", "Basic "+theKey), 401, 401, "a key is needed"},
	} {
		g := newGated(t)
		for method, want := range map[string]int{http.MethodGet: c.get, http.MethodPost: c.post} {
			path := map[string]string{http.MethodGet: "/api/secrets", http.MethodPost: "/api/reload"}[method]
			r := g.ask(method, path)
			c.change(r)
			resp := answerTo(g.Public(), r)
			if resp.StatusCode != want {
				t.Errorf("%s: %s is %d, not %d", name, method, resp.StatusCode, want)
			}
			if challenge := resp.Header.Get("WWW-Authenticate"); (want == 401) != (challenge == `Bearer realm="bearerd"`) {
				t.Errorf("%s: %d with the challenge %q", name, resp.StatusCode, challenge)
			}
			if want != 200 && !strings.Contains(says(t, resp), c.why) {
				t.Errorf("%s: does not say %q", name, c.why)
			}
		}
		if done := g.reloads == 1; done != (c.post == 200) {
			t.Errorf("%s: %d reloads", name, g.reloads)
		}
	}
}

// What shows a token or reads a path is refused over TCP even to the right key, and what needs nothing to whoever asks.
func TestEachRouteOverTCP(t *testing.T) {
	g := newGated(t)
	public := g.Public()
	segment := regexp.MustCompile(`\{\w+\.*\}`)
	visitors := 0
	for _, route := range g.routes() {
		method, path, _ := strings.Cut(segment.ReplaceAllString(route.pattern, "x"), " ")
		bare := g.ask(method, path)
		bare.Header.Del("Authorization")
		switch route.who {
		case keyed, scraper:
			if got := answerTo(public, bare).StatusCode; got != http.StatusUnauthorized {
				t.Errorf("%s without a key: %d", route.pattern, got)
			}
		case local:
			if resp := answerTo(public, g.ask(method, path)); resp.StatusCode != http.StatusForbidden || !strings.Contains(says(t, resp), "unix socket") {
				t.Errorf("%s with the key: %d", route.pattern, resp.StatusCode)
			}
		case visitor:
			visitors++
		case asset:
			continue // TestAssetsAreAtBothHosts
		}
		outside := g.ask(method, path)
		outside.Host = "bearerd.example.com"
		if route.who == visitor {
			outside.Header.Del("Authorization")
			outside.Header.Set("Sec-Fetch-Site", "cross-site")
			outside.Header.Set("Sec-Fetch-Mode", "no-cors")
			if resp := answerTo(public, outside); resp.StatusCode != http.StatusForbidden {
				t.Errorf("%s embedded in another page: %d", route.pattern, resp.StatusCode)
			}
			continue
		}
		resp := answerTo(public, outside)
		if body, err := io.ReadAll(resp.Body); err != nil || resp.StatusCode != http.StatusNotFound || len(body) != 0 {
			t.Errorf("%s under the public host: %d %q %v", route.pattern, resp.StatusCode, body, err)
		}
	}
	if visitors == 0 {
		t.Error("a browser can visit nothing")
	}
}

func TestAssetsAreAtBothHosts(t *testing.T) {
	g := newGated(t)
	for _, host := range []string{"127.0.0.1:7412", "bearerd.example.com"} {
		r := g.ask(http.MethodGet, "/assets/done.js", "Authorization", "")
		r.Host = host
		if got := answerTo(g.Public(), r).StatusCode; got != http.StatusOK {
			t.Errorf("%s: %d", host, got)
		}
	}
	if lines := g.lines(t); len(lines) != 0 {
		t.Errorf("%+v", lines)
	}
}

// A browser that is on its way goes through under both names, whichever site has sent it.
func TestVisitors(t *testing.T) {
	for _, host := range []string{"127.0.0.1:7412", "bearerd.example.com", "BEARERD.example.com"} {
		for name, header := range map[string][]string{
			"from the provider": {"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate", "Sec-Fetch-Dest", "document"},
			"an old browser":    nil, "from a reverse proxy": {"X-Forwarded-Host", "evil.example", "X-Forwarded-Proto", "gopher"},
		} {
			g := newGated(t)
			r := g.ask(http.MethodGet, "/api/oauth/callback", header...)
			r.Host = host
			r.Header.Del("Authorization")
			called := ""
			h := g.guarded(route{"GET /x", visitor, func(_ http.ResponseWriter, r *http.Request) { called = audit.Actor(r.Context()) }})
			resp := answerTo(h, r)
			if called != "browser" || resp.Header.Get("Cross-Origin-Opener-Policy") != "unsafe-none" {
				t.Errorf("%s, %s: %d %q", host, name, resp.StatusCode, called)
			}
			if resp := answerTo(g.Public(), r); resp.StatusCode != http.StatusBadRequest { // it brings no state
				t.Errorf("%s, %s: %d", host, name, resp.StatusCode)
			}
		}
	}
}

func TestEveryAnswerIsForNoOtherSite(t *testing.T) {
	g := newGated(t)
	for _, path := range []string{"/livez", "/api/secrets", "/nowhere", "/api/plan"} {
		h := answerTo(g.Public(), g.ask(http.MethodGet, path)).Header
		for name, want := range map[string]string{
			"Content-Security-Policy": "default-src 'none'; script-src 'self'", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer",
			"Cross-Origin-Resource-Policy": "same-origin", "Cross-Origin-Opener-Policy": "same-origin-allow-popups", "Cache-Control": "no-store",
		} {
			if !strings.HasPrefix(h.Get(name), want) {
				t.Errorf("%s: %s is %q", path, name, h.Get(name))
			}
		}
		for name := range h {
			if strings.HasPrefix(name, "Access-Control-") {
				t.Errorf("%s: %s", path, name)
			}
		}
	}
}

func TestLongRequests(t *testing.T) {
	for name, c := range map[string]struct {
		body  io.Reader
		query string
		want  int
	}{
		"the longest body":         {strings.NewReader(strings.Repeat("x", maxRequest)), "", 200},
		"a longer one":             {strings.NewReader(strings.Repeat("x", maxRequest+1)), "", 413},
		"a longer one in chunks":   {io.MultiReader(strings.NewReader(strings.Repeat("x", maxRequest+1))), "", 413},
		"a body that breaks off":   {io.MultiReader(strings.NewReader("x"), failing{}), "", 400},
		"the longest query":        {http.NoBody, strings.Repeat("x", maxAnswer), 200},
		"a query longer than that": {http.NoBody, strings.Repeat("x", maxAnswer+1), 414},
	} {
		g := newGated(t)
		r := g.ask(http.MethodPost, "/api/reload")
		r.Body, r.URL.RawQuery = io.NopCloser(c.body), c.query
		resp := answerTo(g.Public(), r)
		if resp.StatusCode != c.want || (g.reloads == 1) != (c.want == 200) {
			t.Errorf("%s: %d, %d reloads", name, resp.StatusCode, g.reloads)
		}
	}
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, errors.New("gone") }

func TestMetricsListener(t *testing.T) {
	key := secrets.New("canary-of-the-metrics-key")
	var broken error
	read := func(context.Context) (secrets.Secret, error) { return key, broken }
	for name, c := range map[string]struct {
		listen, host, path, shown string
		key                       func(context.Context) (secrets.Secret, error)
		broken                    error
		want                      int
	}{
		"loopback, no key":               {"127.0.0.1:9090", "localhost:9090", "/metrics", "", nil, nil, 200},
		"loopback, a rebound name":       {"127.0.0.1:9090", "evil.example", "/metrics", "", nil, nil, 403},
		"health":                         {"127.0.0.1:9090", "localhost", "/livez", "", nil, nil, 200},
		"anything else":                  {"127.0.0.1:9090", "localhost", "/api/secrets", theKey, nil, nil, 404},
		"the page":                       {"127.0.0.1:9090", "localhost", "/", theKey, nil, nil, 404},
		"what is open elsewhere":         {"127.0.0.1:9090", "localhost", "/api/openapi.json", theKey, nil, nil, 404},
		"elsewhere, under any name":      {"0.0.0.0:9090", "pod.example", "/metrics", key.Reveal(), read, nil, 200},
		"elsewhere, with the admin key":  {"0.0.0.0:9090", "pod.example", "/metrics", theKey, read, nil, 200},
		"elsewhere, without a key":       {"0.0.0.0:9090", "pod.example", "/metrics", "", read, nil, 401},
		"elsewhere, health":              {"0.0.0.0:9090", "pod.example", "/livez", "", read, nil, 200},
		"the key cannot be read":         {"0.0.0.0:9090", "pod.example", "/metrics", "wrong", read, errors.New("no Vault"), 503},
		"nor is it needed for the admin": {"0.0.0.0:9090", "pod.example", "/metrics", theKey, read, errors.New("no Vault"), 200},
	} {
		g := newGated(t)
		broken = c.broken
		g.Config().Admin.MetricsListen, g.MetricsKey = c.listen, c.key
		r := g.ask(http.MethodGet, c.path)
		r.Host = c.host
		r.Header.Del("Authorization")
		if c.shown != "" {
			r.Header.Set("Authorization", "Bearer "+c.shown)
		}
		resp := answerTo(g.Metrics(), r)
		if body, err := io.ReadAll(resp.Body); err != nil || resp.StatusCode != c.want || strings.Contains(string(body), "no Vault") {
			t.Errorf("%s: %d, not %d: %s %v", name, resp.StatusCode, c.want, body, err)
		}
	}
}

// The metrics key opens nothing else, and is not read for whoever asks.
func TestTheMetricsKeyOpensMetricsAlone(t *testing.T) {
	g := newGated(t)
	reads := 0
	g.MetricsKey = func(context.Context) (secrets.Secret, error) {
		reads++
		return secrets.New("canary-of-the-metrics-key"), nil
	}
	for range 3 {
		if got := answerTo(g.Public(), g.ask(http.MethodGet, "/metrics", "Authorization", "Bearer canary-of-the-metrics-key")).StatusCode; got != 200 {
			t.Errorf("/metrics: %d", got)
		}
	}
	if reads != 1 {
		t.Errorf("it was read %d times at once", reads)
	}
	if got := answerTo(g.Public(), g.ask(http.MethodGet, "/api/secrets", "Authorization", "Bearer canary-of-the-metrics-key")).StatusCode; got != 401 {
		t.Errorf("/api/secrets: %d", got)
	}
}

// Nothing that might be there one day takes an unsafe request of another site.
func TestOtherSitesChangeNothingAnywhere(t *testing.T) {
	g := newGated(t)
	for _, path := range []string{"/livez", "/", "/nowhere"} {
		r := g.ask(http.MethodPost, path, "Sec-Fetch-Site", "cross-site")
		for name, h := range map[string]http.Handler{"public": g.Public(), "metrics": g.Metrics()} {
			if resp := answerTo(h, r); resp.StatusCode != http.StatusForbidden || says(t, resp) != otherSite {
				t.Errorf("%s, %s: %d", name, path, resp.StatusCode)
			}
		}
	}
}

// Over the unix socket nobody shows a key.
func TestTheSocketNeedsNoKey(t *testing.T) {
	g := newGated(t)
	r := g.ask(http.MethodPost, "/api/reload")
	r.Header.Del("Authorization")
	r.Host = "bearerd"
	if got := answerTo(g.Handler(), r).StatusCode; got != 200 || g.reloads != 1 {
		t.Errorf("%d, %d reloads", got, g.reloads)
	}
}

func TestPublicHost(t *testing.T) {
	g := newGated(t)
	for _, c := range []struct {
		url, host string
		want      bool
	}{
		{"https://a.example", "a.example", true}, {"https://a.example:443", "a.example", true}, {"https://a.example:8443", "a.example:8443", true},
		{"https://a.example:8443", "a.example", false}, {"https://a.example", "b.example", false}, {"", "", false}, {"", "a.example", false},
	} {
		g.Config().Admin.PublicURL = c.url
		if got := g.publicHost(c.host); got != c.want {
			t.Errorf("%q at %q: %v", c.host, c.url, got)
		}
	}
}

func TestRevealingRoutesAreThere(t *testing.T) {
	g := newGated(t)
	for _, pattern := range append(slices.Clone(revealing), health...) {
		if !slices.ContainsFunc(g.routes(), func(r route) bool { return r.pattern == pattern }) {
			t.Errorf("%s is no route", pattern)
		}
	}
}
