package oauth

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"bearerd/config"
)

const (
	mcp   = "mcp.example.com"
	auth  = "auth.example.com"
	prm   = "/.well-known/oauth-protected-resource"
	asm   = "/.well-known/oauth-authorization-server"
	oidc  = "/.well-known/openid-configuration"
	aPage = `<!doctype html><title>sign in</title>`
)

// pages are what the hosts under example.com answer, by host and path: an int is a status, a string a body, a
// http.HandlerFunc itself. All else is 404.
type pages map[string]any

// web is the hosts under example.com.
type web struct {
	pages pages
	at    string // the address and port where they seem to be
	mu    sync.Mutex
	asked []string // in order
}

func (w *web) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	at := r.Host + r.URL.RequestURI()
	w.mu.Lock()
	w.asked = append(w.asked, at)
	w.mu.Unlock()
	switch page := w.pages[at].(type) {
	case int:
		rw.WriteHeader(page)
	case string:
		_, _ = io.WriteString(rw, page)
	case http.HandlerFunc:
		page(rw, r)
	default:
		http.NotFound(rw, r)
	}
}

// finderOf is one of a public server at mcp.example.com/mcp, whose network is pages. Addresses are dialled as ever.
func finderOf(t *testing.T, p pages) (*finder, *web) {
	t.Helper()
	w := &web{pages: p, at: "203.0.113.5:443"}
	h := httptest.NewTLSServer(w)
	t.Cleanup(h.Close)
	roots := x509.NewCertPool()
	roots.AddCert(h.Certificate())
	s := &config.Server{URL: "https://" + mcp + "/mcp", OAuth: &config.OAuth{
		Version: "2.1", EnforceHTTPS: true, GrantType: "authorization_code",
	}}
	f := &finder{server: s, id: "id-1", log: slog.New(slog.DiscardHandler), reach: NewReach(s)}
	base := newTransport(f.reach, nil)
	base.Proxy, base.TLSClientConfig = nil, h.Client().Transport.(*http.Transport).TLSClientConfig
	base.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		if strings.HasSuffix(address, ".example.com:443") {
			conn, err := (&net.Dialer{}).DialContext(ctx, network, h.Listener.Addr().String())
			return seenAt{conn, w.at}, err
		}
		return f.reach.Dial(ctx, network, address)
	}
	f.base = base
	return f, w
}

// seenAt is a connection to a server that seems to be elsewhere.
type seenAt struct {
	net.Conn
	at string
}

func (c seenAt) RemoteAddr() net.Addr { return net.TCPAddrFromAddrPort(netip.MustParseAddrPort(c.at)) }

func resourceJSON(resource string, issuers ...string) string {
	return fmt.Sprintf(`{"resource":%q,"authorization_servers":["%s"],"scopes_supported":["read","write"]}`,
		resource, strings.Join(issuers, `","`))
}

func issuerJSON(issuer string) string {
	return fmt.Sprintf(`{"issuer":%q,"authorization_endpoint":"https://`+auth+`/authorize?owner=user","token_endpoint":"https://`+
		auth+`/token"}`, issuer)
}

// wantError checks the text of a failure, and whether it is final.
func wantError(t *testing.T, err error, final bool, want string) {
	t.Helper()
	e, ok := errors.AsType[*Error](err)
	if !ok || e.Op != opDiscover || e.CorrelationID != "id-1" || e.Final != final || !strings.Contains(e.Error(), want) {
		t.Errorf("error\n got %v (%+v)\nwant %s, final %v", err, e, want, final)
	}
}

func wantAsked(t *testing.T, w *web, want ...string) {
	t.Helper()
	if !slices.Equal(w.asked, want) {
		t.Errorf("asked\n got %s\nwant %s", strings.Join(w.asked, "\n     "), strings.Join(want, "\n     "))
	}
}

func TestResourceMetadataIsLookedForInOrder(t *testing.T) {
	here, issuer := resourceJSON("https://"+mcp+"/mcp", "https://"+auth), issuerJSON("https://"+auth)
	custom := Challenge{Bearer: true, ResourceMetadata: "https://" + mcp + "/custom"}
	for name, test := range map[string]struct {
		c     Challenge
		pages pages
		asked []string
	}{
		"the challenge's": {custom, pages{mcp + "/custom": here}, []string{mcp + "/custom"}},
		"for the path":    {Challenge{}, pages{mcp + prm + "/mcp": here}, []string{mcp + prm + "/mcp"}},
		"at the root":     {Challenge{}, pages{mcp + prm: here}, []string{mcp + prm + "/mcp", mcp + prm}},
		"the challenge's fails": {custom, pages{mcp + prm + "/mcp": here},
			[]string{mcp + "/custom", mcp + prm + "/mcp"}},
		"the challenge's is well-known and fails": {Challenge{ResourceMetadata: "https://" + mcp + prm + "/mcp"}, pages{mcp + prm: here},
			[]string{mcp + prm + "/mcp", mcp + prm}},
		"HTML":       {Challenge{}, pages{mcp + prm + "/mcp": aPage, mcp + prm: here}, []string{mcp + prm + "/mcp", mcp + prm}},
		"no issuers": {Challenge{}, pages{mcp + prm + "/mcp": `{"resource":"x"}`, mcp + prm: here}, []string{mcp + prm + "/mcp", mcp + prm}},
		"a failing server at one place": {Challenge{}, pages{mcp + prm + "/mcp": 500, mcp + prm: here},
			[]string{mcp + prm + "/mcp", mcp + prm}},
	} {
		t.Run(name, func(t *testing.T) {
			test.pages[auth+asm] = issuer
			f, w := finderOf(t, test.pages)
			m, err := f.discover(t.Context(), test.c, "")
			if err != nil {
				t.Fatal(err)
			}
			if m.Resource != "https://"+mcp+"/mcp" || m.Scopes != "read write" || m.Issuer != "https://"+auth ||
				m.TokenURL != "https://"+auth+"/token" || m.AuthorizationURL != "https://"+auth+"/authorize?owner=user" || m.DefaultEndpoints {
				t.Errorf("%+v", *m)
			}
			wantAsked(t, w, append(test.asked, auth+asm)...)
		})
	}
}

func TestChallengedMetadataThatFails(t *testing.T) {
	f, w := finderOf(t, pages{mcp + asm: issuerJSON("https://" + mcp)})
	_, err := f.discover(t.Context(), Challenge{ResourceMetadata: "https://" + auth + "/custom"}, "")
	wantError(t, err, true, auth+" has no protected resource metadata where the challenge says: HTTP 404")
	wantAsked(t, w, auth+"/custom", mcp+prm+"/mcp", mcp+prm)

	f, _ = finderOf(t, pages{auth + "/custom": 503})
	_, err = f.discover(t.Context(), Challenge{ResourceMetadata: "https://" + auth + "/custom"}, "")
	wantError(t, err, false, auth+" answered HTTP 503 Service Unavailable (HTTP 503, ")

	f, w = finderOf(t, pages{})
	_, err = f.discover(t.Context(), Challenge{ResourceMetadata: "file:///etc/passwd?canary"}, "")
	wantError(t, err, true, "resource_metadata in the challenge is no https URL")
	wantAsked(t, w, mcp+prm+"/mcp", mcp+prm)
}

func TestServerThatFailsGetsNoDefaultEndpoints(t *testing.T) {
	for _, status := range []int{500, 502, 503, 429, 408} {
		f, _ := finderOf(t, pages{mcp + prm: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "7")
			w.WriteHeader(status)
		})})
		_, err := f.discover(t.Context(), Challenge{}, "")
		wantError(t, err, false, fmt.Sprintf("%s answered HTTP %d", mcp, status))
		if e, ok := errors.AsType[*Error](err); !ok || e.RetryAfter.Seconds() != 7 || e.Status != status {
			t.Errorf("%+v", e)
		}
		f, _ = finderOf(t, pages{mcp + asm: status})
		_, err = f.discover(t.Context(), Challenge{}, "")
		wantError(t, err, false, fmt.Sprintf("%s answered HTTP %d", mcp, status))
	}
	f, _ := finderOf(t, pages{})
	asked := 0
	f.base = roundTripper(func(*http.Request) (*http.Response, error) {
		asked++
		return nil, io.EOF
	})
	_, err := f.discover(t.Context(), Challenge{}, "")
	wantError(t, err, false, mcp+": the connection was closed")
	if asked != 1 {
		t.Errorf("a host out of reach was asked %d times", asked)
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestMetadataOfAnotherResourceIsRefused(t *testing.T) {
	for _, resource := range []string{
		"https://evil.example.com/mcp", "https://" + mcp + ":8443/mcp", "https://" + mcp + "/mc", "https://" + mcp + "/mcp/deeper",
		"https://" + mcp + "/mcp?tenant=1", "https://" + mcp + ".evil.example.com/mcp", "https://" + mcp + "/MCP",
		"http://" + mcp + "/mcp", "https://u@" + mcp + "/mcp", "https://" + mcp + "/mcp#f", "urn:mcp", "", "/mcp",
	} {
		for _, c := range []Challenge{{}, {ResourceMetadata: "https://" + mcp + "/custom"}} {
			document := resourceJSON(resource, "https://"+auth)
			f, w := finderOf(t, pages{mcp + prm + "/mcp": document, mcp + "/custom": document, auth + asm: issuerJSON("https://" + auth)})
			_, err := f.discover(t.Context(), c, "")
			wantError(t, err, true, "")
			if len(w.asked) != 1 {
				t.Errorf("%s: asked %q", resource, w.asked)
			}
		}
	}
}

func TestCovers(t *testing.T) {
	for _, test := range []struct {
		resource, server string
		want             bool
	}{
		{"https://h/mcp", "https://h/mcp", true}, {"https://h", "https://h/mcp", true}, {"https://h/", "https://h/a/b", true},
		{"https://h/a", "https://h/a/b", true}, {"https://h/a/", "https://h/a", true}, {"https://H:443/a", "https://h/a", true},
		{"https://h/a?x=1", "https://h/a?x=1", true}, {"https://h/a", "https://h/a?x=1", true}, {"https://h/a", "https://h/ab", false},
		{"https://h/a/b", "https://h/a", false}, {"https://h:444", "https://h", false}, {"http://h", "https://h", false},
		{"https://h/a%2Fb", "https://h/a/b", false}, {"https://[::1]/a", "https://[::1]:443/a/b", true},
	} {
		resource, _ := url.Parse(test.resource)
		server, _ := url.Parse(test.server)
		if got := covers(resource, server); got != test.want {
			t.Errorf("%s covers %s: %v", test.resource, test.server, got)
		}
	}
}

func TestResourceIsKeptByteForByte(t *testing.T) {
	for _, resource := range []string{"https://" + mcp, "https://" + mcp + "/", "HTTPS://MCP.example.com:443/mcp/"} {
		f, _ := finderOf(t, pages{mcp + prm + "/mcp": resourceJSON(resource, "https://"+auth), auth + asm: issuerJSON("https://" + auth)})
		m, err := f.discover(t.Context(), Challenge{}, "")
		if err != nil || m.Resource != resource {
			t.Errorf("resource %+v, error %v, want %s", m, err, resource)
		}
	}
}

func TestFirstUsableIssuerWins(t *testing.T) {
	const one, two, three = "https://one.example.com", "https://two.example.com/t", "https://" + auth
	place := mcp + prm + "/mcp"
	all := func() pages {
		return pages{place: resourceJSON("https://"+mcp+"/mcp", one, two, three),
			"one.example.com" + asm: issuerJSON(one), "two.example.com" + asm + "/t": issuerJSON(two), auth + asm: issuerJSON(three)}
	}
	for _, test := range []struct {
		preferred, broken, want string
	}{
		{"", "", one}, {two, "", two}, {three + "/", "", three}, {"https://other.example.com", "", one},
		{"", "one.example.com" + asm, two},
	} {
		p := all()
		delete(p, test.broken)
		f, _ := finderOf(t, p)
		m, err := f.discover(t.Context(), Challenge{}, test.preferred)
		if err != nil || m.Issuer != test.want {
			t.Errorf("%+v: got %+v, error %v", test, m, err)
		}
	}

	// The preferred one is the one that the grant is at. What goes wrong there for a moment must not send it elsewhere.
	const there = "two.example.com" + asm + "/t"
	for _, test := range []struct {
		page  any
		final bool
		want  string
	}{
		{503, false, "two.example.com answered HTTP 503"}, {404, true, "two.example.com has no authorization server metadata"},
		{issuerJSON(one), true, "the metadata at two.example.com names another issuer"}, {"{", true, "it is no valid JSON"},
		{http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }), false, "two.example.com: "},
	} {
		p := all()
		p[there] = test.page
		f, w := finderOf(t, p)
		_, err := f.discover(t.Context(), Challenge{}, two)
		wantError(t, err, test.final, test.want)
		if slices.ContainsFunc(w.asked, func(at string) bool { return !strings.HasPrefix(at, "two.") && at != place }) {
			t.Errorf("asked %q", w.asked)
		}
	}

	p := all()
	maps.DeleteFunc(p, func(at string, _ any) bool { return at != place })
	f, _ := finderOf(t, p)
	_, err := f.discover(t.Context(), Challenge{}, "")
	wantError(t, err, true, "one.example.com has no authorization server metadata (oauth-authorization-server: HTTP 404, "+
		"openid-configuration: HTTP 404); two.example.com has no authorization server metadata")
	p["two.example.com"+asm+"/t"] = 503
	f, _ = finderOf(t, p)
	_, err = f.discover(t.Context(), Challenge{}, "")
	wantError(t, err, false, "; two.example.com answered HTTP 503 Service Unavailable; "+auth+" has no")
}

func TestMCP20250326(t *testing.T) {
	legacy := func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("MCP-Protocol-Version") == "" {
			http.NotFound(w, r)
			return
		}
		_, _ = io.WriteString(w, issuerJSON("https://"+mcp))
	}
	for _, at := range []string{asm, oidc} {
		f, _ := finderOf(t, pages{mcp + at: http.HandlerFunc(legacy)})
		m, err := f.discover(t.Context(), Challenge{}, "")
		if err != nil || m.Issuer != "https://"+mcp || m.TokenURL != "https://"+auth+"/token" || m.DefaultEndpoints || m.Resource != "" {
			t.Errorf("%s: %+v, error %v", at, m, err)
		}
	}
	for _, page := range []any{404, 403, aPage} {
		f, w := finderOf(t, pages{mcp + asm: page})
		m, err := f.discover(t.Context(), Challenge{}, "")
		if err != nil {
			t.Fatal(err)
		}
		origin := "https://" + mcp
		if m.Issuer != origin || m.AuthorizationURL != origin+"/authorize" || m.TokenURL != origin+"/token" ||
			m.RegistrationURL != origin+"/register" || !m.DefaultEndpoints {
			t.Errorf("%+v", *m)
		}
		wantAsked(t, w, mcp+prm+"/mcp", mcp+prm, mcp+asm, mcp+oidc)
	}
	f, _ := finderOf(t, pages{mcp + asm: issuerJSON("https://evil.example.com")})
	_, err := f.discover(t.Context(), Challenge{}, "")
	wantError(t, err, true, "the metadata at "+mcp+" names another issuer")
}

func TestDiscoveryStartsAtServerURL(t *testing.T) {
	f, w := finderOf(t, pages{})
	f.server.OAuth.ServerURL = "https://start.example.com/"
	m, err := f.discover(t.Context(), Challenge{}, "")
	if err != nil || m.TokenURL != "https://start.example.com/token" {
		t.Errorf("%+v, error %v", m, err)
	}
	wantAsked(t, w, "start.example.com"+prm, "start.example.com"+asm, "start.example.com"+oidc)

	f.server.OAuth.ServerURL, f.server.URL = "", ""
	_, err = f.discover(t.Context(), Challenge{}, "")
	wantError(t, err, true, "OAuth discovery not sent: there is no address to start from: set OAUTH_SERVER_URL")
}
