package proxy

import (
	"context"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"

	"bearerd/config"
)

func TestLocalKey(t *testing.T) {
	f := newFixture(t)
	up := upstream(t, say("ok"))
	f.serve(f.server("Search", up.URL), f.server("other", up.URL))
	key := func(server, client string) string { return f.keys.Issue(server, client).Reveal() }
	for _, value := range []string{
		"Bearer " + key("Search", "a"), "bearer " + key("Search", "b-c"), "Bearer " + key("SEARCH", "a"),
		"Bearer " + key("Search", strings.Repeat("c", 32)), "Bearer  " + key("Search", "a"),
	} {
		req := f.request(http.MethodPost, "Search", call)
		req.Header.Set("Authorization", value)
		if a := f.do(req); a.StatusCode != 200 {
			t.Errorf("a good key: %d %s", a.StatusCode, a.body)
		}
	}
	for name, value := range map[string]string{
		"none": "", "other server": "Bearer " + key("other", "a"), "no scheme": key("Search", "a"),
		"other scheme": "Basic " + key("Search", "a"), "cut": strings.TrimRight("Bearer "+key("Search", "a"), "AQgw")[:40],
		"longer": "Bearer " + key("Search", "a") + "A", "no prefix": "Bearer " + strings.TrimPrefix(key("Search", "a"), "brd_"),
		"other client": strings.Replace("Bearer "+key("Search", "a"), "brd_a.", "brd_b.", 1), "empty": "Bearer ",
		"another root": "Bearer " + NewKeys().Issue("Search", "a").Reveal(), "a tab": "Bearer\t" + key("Search", "a"),
		"long": "Bearer brd_" + strings.Repeat("x", 65) + ".x",
	} {
		req := f.request(http.MethodPost, "Search", call)
		req.Header.Del("Authorization")
		if value != "" {
			req.Header.Set("Authorization", value)
		}
		a := f.do(req)
		wantRefused(t, a, 403, "local key", "bearerd client-config Search")
		if value != "" && strings.Contains(a.body, strings.TrimPrefix(value, "Bearer ")) && name != "empty" {
			t.Errorf("%s: the answer shows what was sent: %s", name, a.body)
		}
	}
}

func TestLocalAuthNone(t *testing.T) {
	f := newFixture(t)
	up := upstream(t, say("ok"))
	open := f.server("open", up.URL)
	open.LocalAuth = "none"
	f.serve(open, f.server("shut", up.URL))
	for name, want := range map[string]int{"open": 200, "shut": 403} {
		req := f.request(http.MethodPost, name, call)
		req.Header.Del("Authorization")
		if a := f.do(req); a.StatusCode != want {
			t.Errorf("%s: %d", name, a.StatusCode)
		}
	}
	req := f.request(http.MethodPost, "open", call)
	req.Host = "evil.example" // a page of another site needs no key here, so this check must stay
	wantRefused(t, f.do(req), 403, "Host")
}

func TestHostAndOrigin(t *testing.T) {
	f := newFixture(t)
	up := upstream(t, say("ok"))
	listed := f.server("listed", up.URL)
	listed.AllowHosts = []string{"mcp.internal", "Gate.example:8080"}
	listed.AllowOrigins = []string{"https://app.example.com"}
	remote := f.server("remote", up.URL)
	remote.AllowRemote = true
	f.serve(f.server("plain", up.URL), listed, remote)
	for _, test := range []struct {
		server, host, origin string
		want                 int
	}{
		{"plain", "localhost", "", 200},
		{"plain", "LocalHost:7411", "http://localhost:6274", 200},
		{"plain", "127.0.0.1", "https://127.0.0.1", 200},
		{"plain", "127.0.0.1:1", "http://[::1]:3000", 200},
		{"plain", "[::1]:7411", "", 200},
		{"plain", "[::1]", "", 200},
		{"plain", "127.0.0.53:7411", "", 200},
		{"plain", "evil.example", "", 403},
		{"plain", "evil.example:7411", "", 403},
		{"plain", "localhost.evil.example", "", 403},
		{"plain", "127.0.0.1.evil.example", "", 403},
		{"plain", "127.0.0.1.", "", 403},
		{"plain", "127.0.0.1:7611.evil.example", "", 403},
		{"plain", "localhost:evil.example", "", 403},
		{"plain", "[::1]:7411.evil.example", "", 403},
		{"plain", "localhost", "http://127.0.0.1:1.evil.example", 403},
		{"plain", "localhost:", "", 200}, // RFC 3986: a port may be empty
		{"plain", "192.0.2.1:7411", "", 403},
		{"plain", "0.0.0.0:7411", "", 403},
		{"plain", "mcp.internal", "", 403},
		{"plain", "localhost", "http://evil.example", 403},
		{"plain", "localhost", "http://localhost.evil.example", 403},
		{"plain", "localhost", "http://evil.example#localhost", 403},
		{"plain", "localhost", "null", 403},
		{"plain", "localhost", "https://app.example.com", 403},
		{"plain", "localhost", "localhost", 403},
		{"listed", "mcp.internal", "https://app.example.com", 200},
		{"listed", "MCP.internal:9", "HTTPS://APP.example.com", 200},
		{"listed", "gate.example:8080", "", 200},
		{"listed", "gate.example:8081", "", 403},
		{"listed", "mcp.internal:9.evil.example", "", 403},
		{"listed", "localhost", "http://app.example.com", 403},
		{"listed", "localhost", "https://app.example.com.evil.example", 403},
		{"listed", "localhost", "http://localhost", 200},
		{"remote", "192.0.2.1:7411", "", 200},
		{"remote", "evil.example", "", 403},
		{"remote", "192.0.2.1:7411.evil.example", "", 403},
	} {
		req := f.request(http.MethodPost, test.server, call)
		req.Host = test.host
		if test.origin != "" {
			req.Header.Set("Origin", test.origin)
		}
		a := f.do(req)
		if a.StatusCode != test.want {
			t.Errorf("%+v: %d %s", test, a.StatusCode, a.body)
		}
		if a.StatusCode == 403 {
			wantRefused(t, a, 403, "allow_")
		}
	}
}

// TestHostInTheRequestLine has precedence over the header (RFC 9112 §3.2.2).
func TestHostInTheRequestLine(t *testing.T) {
	f := newFixture(t)
	up := upstream(t, func(http.ResponseWriter, *http.Request) { t.Error("it reached upstream") })
	f.serve(f.server("search", up.URL))
	got := f.raw("POST http://evil.example/search HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 0\r\n" +
		"Authorization: Bearer " + f.keys.Issue("search", "t").Reveal() + "\r\n\r\n")
	if !strings.HasPrefix(got, "HTTP/1.1 403 ") {
		t.Errorf("%q", got)
	}
}

func TestUnixSocket(t *testing.T) {
	f := newFixture(t)
	up := upstream(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write([]byte(r.URL.Path + " " + r.Header.Get("Authorization")[:7]))
	})
	path := socketPath(t)
	s := f.server("search", up.URL+"/v1/mcp")
	s.Listen = "unix:" + path
	f.serve(s)
	if info := must(os.Stat(path))(t); info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v", info.Mode())
	}
	var d net.Dialer
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return d.DialContext(ctx, "unix", path)
	}}
	defer transport.CloseIdleConnections()
	ask := func(path, origin string) answer {
		req := must(http.NewRequestWithContext(t.Context(), http.MethodPost, "http://any.name"+path, strings.NewReader(call)))(t)
		if origin != "" {
			req.Header.Set("Origin", origin)
		}
		g := *f
		g.client = &http.Client{Transport: transport}
		return g.do(req)
	}
	if a := ask("/v1/mcp", ""); a.StatusCode != 200 || a.body != "/v1/mcp Bearer " {
		t.Errorf("%d %s", a.StatusCode, a.body)
	}
	if a := ask("/search", ""); a.StatusCode != 404 {
		t.Errorf("/search: %d", a.StatusCode)
	}
	wantRefused(t, ask("/v1/mcp", "http://evil.example"), 403, "Origin")
	f.serve()
	f.proxy.closing.Wait()
	if _, err := os.Stat(path); !os.IsNotExist(err) {
		t.Errorf("the socket stays: %v", err)
	}
}

// TestOnlyTheExactPath: whatever a client looks for beside its server, above all metadata for an OAuth of its own, is
// not there.
func TestOnlyTheExactPath(t *testing.T) {
	f := newFixture(t)
	reached := make(chan string, 1)
	up := upstream(t, func(_ http.ResponseWriter, r *http.Request) { reached <- r.URL.EscapedPath() })
	own := func(name, path string) *config.Server {
		s := f.server(name, up.URL+path)
		s.Listen = "127.0.0.1:" + freePort(t)
		return s
	}
	deep, root := own("deep", "/v1/a%2Fb"), own("root", "")
	f.serve(f.server("search", up.URL+"/mcp"), deep, root)
	shared := strings.TrimSuffix(f.url(""), "/")
	for _, test := range []struct{ base, name, good, target string }{
		{shared, "search", "/search", "/mcp"},
		{"http://" + deep.Listen, "deep", "/v1/a%2Fb", "/v1/a%2Fb"},
		{"http://" + root.Listen, "root", "/", "/"},
	} {
		ask := func(path string) int {
			req := must(http.NewRequestWithContext(t.Context(), http.MethodPost, test.base+path, strings.NewReader(call)))(t)
			req.Header.Set("Authorization", "Bearer "+f.keys.Issue(test.name, "t").Reveal())
			return f.do(req).StatusCode
		}
		for _, query := range []string{"", "?a=b", "?"} {
			if status := ask(test.good + query); status != 200 {
				t.Fatalf("%s%s: %d", test.name, test.good, status)
			}
			if got := receive(t, reached, "a request"); got != test.target {
				t.Errorf("%s went to %s", test.name, got)
			}
		}
		for _, path := range []string{
			"/", "/.well-known/oauth-protected-resource", "/.well-known/oauth-protected-resource" + test.good,
			"/.well-known/oauth-authorization-server" + test.good, "/.well-known/openid-configuration", "/register", "/authorize",
			"/token", "//", "/favicon.ico", test.good + "/", test.good + "/x", test.good + "x", "/x" + test.good, "/" + test.good,
			strings.ToUpper(test.good), "/%73earch", "/sear", "/search;a", "/v1/a/b", "/v1/a%2fb", "/v1", "/search/../search",
			"/.well-known/../search",
		} {
			if path == test.good {
				continue
			}
			if status := ask(path); status != 404 {
				t.Errorf("%s, %s: %d", test.name, path, status)
			}
		}
	}
	select {
	case path := <-reached:
		t.Errorf("%s reached upstream", path)
	default:
	}
}

func TestEveryOriginMustBeAllowed(t *testing.T) {
	f := newFixture(t)
	up := upstream(t, say("ok"))
	f.serve(f.server("search", up.URL))
	for want, origins := range map[int][]string{
		200: {"http://localhost", "http://127.0.0.1:1"}, 403: {"http://localhost", "http://evil.example"},
	} {
		req := f.request(http.MethodPost, "search", call)
		req.Header["Origin"] = origins
		if a := f.do(req); a.StatusCode != want {
			t.Errorf("%q: %d %s", origins, a.StatusCode, a.body)
		}
	}
}

func TestUnknownPathSaysWhatListsThem(t *testing.T) {
	f := newFixture(t)
	f.serve(f.server("search", "http://127.0.0.1:1/mcp"))
	for _, path := range []string{"serch", ".well-known/oauth-protected-resource/search"} {
		if a := f.post(path); a.StatusCode != 404 || !strings.Contains(a.body, "`bearerd status`") {
			t.Errorf("%s: %d %s", path, a.StatusCode, a.body)
		}
	}
}
