package oauth_test

import (
	"bytes"
	"encoding/pem"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"bearerd/config"
	"bearerd/engine/oauth"
	"bearerd/secrets"
)

// resource is a protected resource that is real: TLS on loopback.
type resource struct {
	*config.Server
	mu    sync.Mutex
	asked []*http.Request
	sent  []string // bodies
}

func newResource(t *testing.T, handle http.HandlerFunc) *resource {
	t.Helper()
	p := &resource{}
	h := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		p.mu.Lock()
		p.asked, p.sent = append(p.asked, r), append(p.sent, string(body))
		p.mu.Unlock()
		handle(w, r)
	}))
	t.Cleanup(h.Close)
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: h.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	p.Server = &config.Server{
		URL: h.URL + "/mcp", Headers: map[string]secrets.Ref{"Authorization": secrets.LiteralRef("canary")},
		OAuth: &config.OAuth{Version: "2.1", EnforceHTTPS: true, GrantType: "authorization_code", CABundlePath: fileRef(ca)},
	}
	return p
}

func (p *resource) methods() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var list []string
	for _, r := range p.asked {
		list = append(list, r.Method)
	}
	return list
}

func probe(t *testing.T, p *resource) (oauth.Challenge, error) {
	t.Helper()
	return oauth.Probe(t.Context(), slog.New(slog.DiscardHandler), p.Server, &secrets.Resolver{}, testID)
}

func TestProbe(t *testing.T) {
	type heads map[string][]string // by method: status line and challenges
	bearer := []string{"401", `Basic realm="x"`, `Bearer scope="a"`}
	found := oauth.Challenge{Bearer: true, Scope: "a"}
	for name, test := range map[string]struct {
		answers heads
		want    oauth.Challenge
		methods []string
	}{
		"at once":          {heads{"GET": bearer}, found, []string{"GET"}},
		"by POST":          {heads{"GET": {"405"}, "POST": bearer}, found, []string{"GET", "POST"}},
		"401 without":      {heads{"GET": {"401"}, "POST": bearer}, found, []string{"GET", "POST"}},
		"other scheme":     {heads{"GET": {"401", "Basic realm=x"}, "POST": {"401", "Basic realm=x"}}, oauth.Challenge{}, []string{"GET", "POST"}},
		"none asked for":   {heads{"GET": {"405"}, "POST": {"200"}}, oauth.Challenge{}, []string{"GET", "POST"}},
		"not with 403":     {heads{"GET": {"403", `Bearer scope="a"`}, "POST": {"200", `Bearer scope="a"`}}, oauth.Challenge{}, []string{"GET", "POST"}},
		"redirect":         {heads{"GET": {"307"}, "POST": {"307"}}, oauth.Challenge{}, []string{"GET", "POST"}},
		"a failing server": {heads{"GET": {"500"}, "POST": {"503"}}, oauth.Challenge{}, []string{"GET", "POST"}},
		"a session":        {heads{"GET": {"405"}, "POST": {"200 session"}}, oauth.Challenge{}, []string{"GET", "POST", "DELETE"}},
	} {
		t.Run(name, func(t *testing.T) {
			p := newResource(t, func(w http.ResponseWriter, r *http.Request) {
				answer := test.answers[r.Method]
				if len(answer) == 0 { // DELETE
					return
				}
				status, session, _ := strings.Cut(answer[0], " ")
				if session != "" {
					w.Header().Set("Mcp-Session-Id", session)
				}
				w.Header()["Www-Authenticate"] = answer[1:]
				w.Header().Set("Set-Cookie", "a=canary")
				w.Header().Set("Location", "/elsewhere")
				w.WriteHeader(int(status[0]-'0')*100 + int(status[1]-'0')*10 + int(status[2]-'0'))
			})
			got, err := probe(t, p)
			last := test.answers[test.methods[len(test.methods)-1]]
			if test.methods[len(test.methods)-1] == "DELETE" {
				last = test.answers["POST"]
			}
			test.want.Status, _ = strconv.Atoi(last[0][:3])
			if err != nil || got != test.want {
				t.Errorf("%+v, error %v, want %+v", got, err, test.want)
			}
			if got := p.methods(); !slices.Equal(got, test.methods) {
				t.Errorf("asked %q, want %q", got, test.methods)
			}
			checkProbes(t, p)
		})
	}
}

func checkProbes(t *testing.T, p *resource) {
	t.Helper()
	const initialize = `{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25",` +
		`"capabilities":{},"clientInfo":{"name":"bearerd","version":"1"}}}`
	for i, r := range p.asked {
		want := map[string]string{
			"Authorization": "", "Cookie": "", "Mcp-Protocol-Version": "2025-11-25", "X-Correlation-Id": testID, "X-Request-Id": testID,
			"User-Agent": "bearerd",
		}
		switch r.Method {
		case "GET":
			want["Accept"] = "text/event-stream, application/json"
		case "POST":
			want["Accept"], want["Content-Type"] = "application/json, text/event-stream", "application/json"
			if p.sent[i] != initialize {
				t.Errorf("body %s", p.sent[i])
			}
		case "DELETE":
			want["Mcp-Session-Id"] = "session"
		}
		for name, value := range want {
			if got := r.Header.Get(name); got != value {
				t.Errorf("%s: %s %q, want %q", r.Method, name, got, value)
			}
		}
		if r.RequestURI != "/mcp" {
			t.Errorf("%s %s", r.Method, r.RequestURI)
		}
	}
}

// A stream that is open for ever is left alone as soon as its head is there.
func TestProbeReadsNoBody(t *testing.T) {
	p := newResource(t, func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(200)
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	})
	if got, err := probe(t, p); err != nil || got != (oauth.Challenge{Status: 200}) {
		t.Errorf("%+v, error %v", got, err)
	}
}

func TestProbeOfAServerThatIsNotThere(t *testing.T) {
	p := newResource(t, func(http.ResponseWriter, *http.Request) {})
	at := freePort(t)
	p.URL = "https://" + at + "/mcp"
	_, err := probe(t, p)
	e, ok := errors.AsType[*oauth.Error](err)
	if want := "OAuth discovery failed: " + at + ": connection refused (correlation_id=" + testID + ")"; !ok || e.Final || e.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}
	p.OAuth.CABundlePath = fileRef("/absent.pem")
	_, err = probe(t, p)
	if e, ok := errors.AsType[*oauth.Error](err); !ok || !e.Unsent || e.Error() != "OAuth discovery not sent: CA bundle not found: /absent.pem" {
		t.Errorf("error %v", err)
	}
}

func TestDiscoverOverTLS(t *testing.T) {
	var issuer string
	p := newResource(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/.well-known/oauth-protected-resource/mcp":
			_, _ = io.WriteString(w, `{"resource":"`+issuer+`","authorization_servers":["`+issuer+`/t"]}`)
		case "/.well-known/openid-configuration/t":
			_, _ = io.WriteString(w, `{"issuer":"`+issuer+`/t","token_endpoint":"`+issuer+`/token","authorization_endpoint":"`+issuer+`/a"}`)
		default:
			http.NotFound(w, r)
		}
	})
	issuer = strings.TrimSuffix(p.URL, "/mcp")
	discover := func() (*oauth.Metadata, error) {
		return oauth.Discover(t.Context(), slog.New(slog.DiscardHandler), p.Server, &secrets.Resolver{}, oauth.Challenge{}, "", testID)
	}
	m, err := discover()
	if err != nil || m.Issuer != issuer+"/t" || m.TokenURL != issuer+"/token" || m.Resource != issuer {
		t.Errorf("%+v, error %v", m, err)
	}
	p.OAuth.CABundlePath = secrets.Ref{}
	if _, err := discover(); err == nil || !strings.Contains(err.Error(), "set OAUTH_CA_BUNDLE_PATH") {
		t.Errorf("error %v", err)
	}
}

func TestTokenRequestKeepsTheRefusalOfAnAddress(t *testing.T) {
	_, c := newServer(t)
	var log bytes.Buffer
	strict := &oauth.Target{OAuth: c} // its Reach is the zero one
	_, err := oauth.ClientCredentials(t.Context(), slog.New(slog.NewTextHandler(&log, nil)), strict, &secrets.Resolver{}, testID)
	want := "OAuth token request failed: 127.0.0.1 is a loopback address, and metadata named it: add it to allow_private " +
		"if that is right (correlation_id=" + testID + ")"
	if err == nil || err.Error() != want {
		t.Errorf("error\n got %v\nwant %s", err, want)
	}
}
