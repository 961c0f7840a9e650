package proxy

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"bearerd/config"
	"bearerd/engine"
	"bearerd/engine/oauth/oauthtest"
	"bearerd/secrets"
	"bearerd/secrets/sealed"
)

func TestMain(m *testing.M) {
	for _, name := range []string{"HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"} {
		os.Unsetenv(name)
		os.Unsetenv(strings.ToLower(name))
	}
	goleak.VerifyTestMain(m)
}

const (
	clientID     = "client-123"
	clientSecret = "canary-client-secret"
	patient      = 20 * time.Second // for what must happen: far longer than it takes
	replayLimit  = 4 << 20          // bytes: the default of replay_bytes
)

// fastPath is what new fixtures are for.
var fastPath = true

// fixture is a proxy on a free port with a real engine and an authorization server behind it.
type fixture struct {
	t       *testing.T
	as      *oauthtest.Server
	ca      secrets.Ref // zero: the authorization server has no TLS
	engine  *engine.Engine
	resolve *secrets.Resolver
	keys    Keys
	proxy   *Proxy
	cfg     *config.Config
	log     *logBuffer
	client  *http.Client // follows no redirect, adds no Accept-Encoding
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	return withServer(t, oauthtest.NewPlain)
}

func withServer(t *testing.T, start func() (*oauthtest.Server, error)) *fixture {
	t.Helper()
	as := must(start())(t)
	as.Register(oauthtest.Client{ID: clientID, Secret: clientSecret})
	out := &logBuffer{}
	log := slog.New(slog.NewJSONHandler(out, &slog.HandlerOptions{Level: slog.LevelDebug}))
	store := must(sealed.Open(filepath.Join(t.TempDir(), "state"), nil, log))(t)
	f := &fixture{t: t, as: as, log: out, keys: NewKeys(), resolve: &secrets.Resolver{Store: store}}
	f.engine = engine.New(context.Background(), store, engine.Local{Store: store, Lock: store.Lock}, f.resolve, log)
	f.proxy = New(f.keys, f.resolve, log)
	f.cfg = &config.Config{Proxy: config.DefaultProxy()}
	f.cfg.Proxy.Listen = "127.0.0.1:0"
	f.cfg.Proxy.FastPath = fastPath
	f.client = &http.Client{
		Transport:     &http.Transport{DisableCompression: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	t.Cleanup(func() {
		f.client.CloseIdleConnections()
		ctx, cancel := context.WithTimeout(context.Background(), patient)
		defer cancel()
		f.proxy.Close(ctx)
		f.engine.Close()
		as.Close()
	})
	return f
}

// must is for calls that fail only when the test itself is at fault.
func must[T any](v T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// server is a url server with a token and the defaults of the configuration.
func (f *fixture) server(name, url string) *config.Server {
	return &config.Server{
		Name: name, URL: url, Local: config.Local{LocalAuth: "key"},
		OAuth: &config.OAuth{
			Enabled: true, Version: "2.0", GrantType: "client_credentials", TokenInHeaderOnly: true,
			ValidateScopes: true, TokenExpiryBuffer: 300, CABundlePath: f.ca, TokenURL: f.as.TokenURL(), ClientID: clientID,
			ClientSecret: secrets.LiteralRef(clientSecret),
		},
	}
}

// serve puts servers in force, in place of those before.
func (f *fixture) serve(servers ...*config.Server) {
	f.t.Helper()
	if err := f.try(servers...); err != nil {
		f.t.Fatal(err)
	}
}

func (f *fixture) try(servers ...*config.Server) error {
	cfg := *f.cfg
	cfg.Servers = servers
	plan := f.engine.Prepare(&cfg)
	front, err := f.proxy.Prepare(&cfg, plan.Source)
	if err != nil {
		return err
	}
	f.cfg = &cfg
	front.Commit(f.t.Context())
	plan.Commit() // after the routes, as the daemon does: who finds its source gone asks the next route
	return nil
}

// url is where a server of the shared listener is reached.
func (f *fixture) url(path string) string {
	return "http://" + f.proxy.Bound(f.cfg.Proxy.Listen)[0] + "/" + path
}

// request is one with the local key of its path.
func (f *fixture) request(method, path, body string) *http.Request {
	f.t.Helper()
	var r io.Reader
	if body != "" {
		r = strings.NewReader(body)
	}
	req := must(http.NewRequestWithContext(f.t.Context(), method, f.url(path), r))(f.t)
	name, _, _ := strings.Cut(path, "?")
	req.Header.Set("Authorization", "Bearer "+f.keys.Issue(name, "test").Reveal())
	return req
}

// answer is a response that has been read.
type answer struct {
	*http.Response
	body string
}

func (f *fixture) do(req *http.Request) answer {
	f.t.Helper()
	resp := must(f.client.Do(req))(f.t)
	defer resp.Body.Close()
	return answer{resp, string(must(io.ReadAll(resp.Body))(f.t))}
}

const call = `{"jsonrpc":"2.0","id":"id-7","method":"tools/call"}`

func (f *fixture) post(path string) answer {
	f.t.Helper()
	return f.do(f.request(http.MethodPost, path, call))
}

// wantRefused checks an answer that the proxy gave in upstream's place, to call.
func wantRefused(t *testing.T, a answer, status int, parts ...string) {
	t.Helper()
	var got struct {
		JSONRPC string
		ID      *string
		Error   struct {
			Code    int
			Message string
			Data    struct{ Server string }
		}
	}
	if err := json.Unmarshal([]byte(a.body), &got); err != nil || got.JSONRPC != "2.0" || got.Error.Code != codeProxy {
		t.Errorf("no JSON-RPC error (%v): %d %q", err, a.StatusCode, a.body)
	}
	if a.StatusCode != status || a.Header.Get("Content-Type") != "application/json" {
		t.Errorf("status %d, %s, want %d", a.StatusCode, a.Header.Get("Content-Type"), status)
	}
	if status != http.StatusForbidden && (got.ID == nil || *got.ID != "id-7") {
		t.Errorf("the error does not carry the id of the request: %s", a.body)
	}
	if got.Error.Data.Server == "" {
		t.Errorf("the server is not named: %s", a.body)
	}
	for _, part := range parts {
		if !strings.Contains(got.Error.Message, part) {
			t.Errorf("%q does not say %q", got.Error.Message, part)
		}
	}
	if a.Header.Values("WWW-Authenticate") != nil {
		t.Error("WWW-Authenticate reaches the client")
	}
}

// wantPrefix checks the documented first words of a message.
func wantPrefix(t *testing.T, a answer, prefix string) {
	t.Helper()
	if !strings.Contains(a.body, `"message":"`+prefix) {
		t.Errorf("the message does not begin with %q: %s", prefix, a.body)
	}
}

// upstream starts an MCP server of a test.
func upstream(t *testing.T, h http.HandlerFunc) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s
}

// tlsUpstream has a certificate of the authorization server's CA and speaks HTTP/2.
func tlsUpstream(t *testing.T, f *fixture, h http.HandlerFunc) *httptest.Server {
	t.Helper()
	s := httptest.NewUnstartedServer(h)
	s.TLS, s.EnableHTTP2 = f.as.TLS(), true
	s.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	s.StartTLS()
	t.Cleanup(s.Close)
	return s
}

// wantsToken answers like h to requests with a live token, else with 401 and challenge.
func (f *fixture) wantsToken(challenge string, h http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		if _, ok := f.as.Introspect(token); !ok {
			w.Header().Set("WWW-Authenticate", challenge)
			http.Error(w, "unauthorized", http.StatusUnauthorized)
			return
		}
		h(w, r)
	}
}

func say(text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, text) }
}

// tokenRequests counts what the authorization server was asked.
func (f *fixture) tokenRequests() int { return len(f.as.Requests()) }

// logBuffer keeps what was logged.
type logBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// receive waits for what must come.
func receive[T any](t *testing.T, c <-chan T, what string) (v T) {
	t.Helper()
	select {
	case v = <-c:
	case <-time.After(patient):
		t.Fatalf("%s did not happen", what)
	}
	return v
}

// freePort is a port that was free on both loopback addresses a moment ago.
func freePort(t *testing.T) string {
	t.Helper()
	sockets := must(Listen("127.0.0.1:0"))(t)
	_, port, _ := net.SplitHostPort(sockets[0].Addr().String())
	for _, s := range sockets {
		_ = s.Close()
	}
	return port
}

// socketPath is short enough for a unix socket, whatever TMPDIR is.
func socketPath(t *testing.T) string {
	t.Helper()
	dir := must(os.MkdirTemp("/tmp", "proxy"))(t)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return filepath.Join(dir, "s")
}
