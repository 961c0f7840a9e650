package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"bearerd/config"
	"bearerd/engine"
	"bearerd/engine/oauth/oauthtest"
	"bearerd/inject/proxy"
	"bearerd/secrets"
	"bearerd/secrets/sealed"
)

// The secrets of these tests, none of which may come out anywhere.
const (
	canarySecret = "canary-client-secret"
	canaryWords  = "canary words of a provider"
)

// house is an API with a real engine, store and proxy, and what makes servers in memory. All that it has answered and logged is
// looked through for secrets at the end.
type house struct {
	*API
	t     *testing.T
	as    *oauthtest.Server
	rs    *oauthtest.Resource
	http  *httptest.Server
	store *sealed.Store

	cfg     atomic.Pointer[config.Config]
	log     *record
	files   map[string]string // guarded by edits: the texts of made servers
	edits   sync.Mutex
	refuse  atomic.Pointer[error]
	secret  []string // guarded by edits: what must be nowhere
	answers *record
}

// record is what was written, by several goroutines.
type record struct {
	mu sync.Mutex
	b  bytes.Buffer // guarded by mu
}

func (r *record) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.b.Write(p)
}

func (r *record) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.b.String()
}

// newHouse is one with an authorization server that has a client and registers others, and an MCP server that takes its tokens.
func newHouse(t *testing.T, servers ...*config.Server) *house {
	t.Helper()
	h := &house{t: t, log: &record{}, answers: &record{}, files: map[string]string{}, secret: []string{canarySecret, canaryWords}}
	var err error
	if h.as, err = oauthtest.NewPlain(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.as.Close)
	h.as.Delegate()
	if h.rs, err = oauthtest.NewPlainResource(h.as); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.rs.Close)
	logger := slog.New(slog.NewTextHandler(h.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	if h.store, err = sealed.Open(filepath.Join(t.TempDir(), "state"), nil, logger); err != nil {
		t.Fatal(err)
	}
	sockets, err := os.MkdirTemp("", "bearerd") // the path of a socket must be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(sockets) })
	listener := config.DefaultProxy()
	listener.Listen = "unix:" + filepath.Join(sockets, "p")
	h.cfg.Store(&config.Config{
		Proxy: listener,
		Admin: config.Admin{Listen: "127.0.0.1:7412", AllowPrivate: []string{"127.0.0.1"}}, Servers: servers,
	})
	resolve := &secrets.Resolver{Store: h.store}
	e := engine.New(context.Background(), h.store, sealedFolder(h.store), resolve, logger)
	keys := proxy.NewKeys()
	p := proxy.New(keys, resolve, logger)
	h.API = &API{
		Config: h.cfg.Load, Engine: e, Store: h.store, Local: h.store, Keys: keys, PID: 1, Upstream: p.Last,
		Outdated: func(context.Context) ([]Outdated, error) { return nil, nil },
		Troubled: func(context.Context) ([]Trouble, error) { return nil, nil },
	}
	h.Edit = func(_ context.Context, name string, s *config.Server) (config.Changes, error) {
		return h.edit(p, name, s)
	}
	h.http = httptest.NewServer(h.Handler())
	h.Redirect = h.http.URL + callbackPath
	h.as.Register(oauthtest.Client{ID: "id", Secret: canarySecret, RedirectURIs: []string{h.Redirect}})
	t.Cleanup(func() {
		h.http.Close()
		p.Close(context.Background())
		e.Close()
		h.wantNoSecret()
	})
	plan := e.Prepare(h.cfg.Load())
	if _, err := p.Prepare(h.cfg.Load(), plan.Source); err != nil {
		t.Fatal(err)
	}
	plan.Commit()
	return h
}

func sealedFolder(s *sealed.Store) engine.Local {
	return engine.Local{
		Store: s, Lock: s.Lock, Place: s.Place(), Network: s.Network(),
		Reserve: func(ctx context.Context, key string) (func(context.Context, []byte) error, func(), error) {
			space, err := s.Reserve(ctx, key)
			if err != nil {
				return nil, nil, err
			}
			return space.Put, space.Release, nil
		},
	}
}

// edit is an Edit that keeps its files in memory.
func (h *house) edit(p *proxy.Proxy, name string, s *config.Server) (config.Changes, error) {
	h.edits.Lock()
	defer h.edits.Unlock()
	if err := h.refuse.Load(); err != nil && s != nil {
		return nil, *err
	}
	old := h.cfg.Load()
	next := *old
	next.Servers = slices.DeleteFunc(slices.Clone(old.Servers), func(x *config.Server) bool { return x.Name == name })
	delete(h.files, name)
	if s != nil {
		text, diagnostics := config.Make(s, old.Admin)
		if diagnostics.HasErrors() {
			return nil, diagnostics
		}
		h.files[name] = string(text)
		next.Servers = append(next.Servers, s)
	}
	plan := h.Engine.Prepare(&next)
	front, err := p.Prepare(&next, plan.Source)
	if err != nil {
		return nil, err
	}
	front.Commit(context.Background())
	plan.Commit()
	h.cfg.Store(&next)
	return config.Compare(old, &next), nil
}

// hide has a value looked for at the end.
func (h *house) hide(values ...string) {
	h.edits.Lock()
	defer h.edits.Unlock()
	h.secret = append(h.secret, values...)
}

func (h *house) wantNoSecret() {
	all := map[string]string{"the log": h.log.String(), "an answer": h.answers.String()}
	for name, text := range h.files {
		all["the file of "+name] = text
	}
	for where, text := range all {
		for _, secret := range h.secret {
			told := where == "the log" && secret == canaryWords // the engine logs what a provider says of a failure
			if secret != "" && !told && strings.Contains(text, secret) {
				h.t.Errorf("%s holds %q", where, secret)
			}
		}
	}
}

// wants is the JSON of a server that needs a person, changed by what is given: a nil removes a field.
func (h *house) wants(changes map[string]any) map[string]any {
	body := map[string]any{
		"name": "tracker", "connection_type": "http", "connection_string": h.rs.URL(), "auth_type": "oauth",
		"oauth_config": map[string]any{
			"client_id": "id", "client_secret": canarySecret, "oauth_version": "2.0", "enforce_https": false, "scopes": []string{"mcp:read"},
		},
		"tools_to_execute": []string{"*"},
	}
	for name, value := range changes {
		into := body
		if field, ok := strings.CutPrefix(name, "oauth_config."); ok {
			into, name = body["oauth_config"].(map[string]any), field
		}
		if into[name] = value; value == nil {
			delete(into, name)
		}
	}
	return body
}

// unattended is the same without a person.
func (h *house) unattended(changes map[string]any) map[string]any {
	all := map[string]any{"oauth_config.grant_type": "client_credentials", "oauth_config.token_url": h.as.TokenURL()}
	maps.Copy(all, changes)
	return h.wants(all)
}

// oneTime is the address that only who has asked may have.
var oneTime = regexp.MustCompile(`"authorize_url":"[^"]*/oauth/start/[^"]*"`)

// send sends a request; body is JSON, or what will be.
func (h *house) send(method, path string, body any) (status int, answer []byte) {
	h.t.Helper()
	text, ok := body.(string)
	if !ok && body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			h.t.Fatal(err)
		}
		text = string(b)
	}
	req, err := http.NewRequestWithContext(h.t.Context(), method, h.http.URL+path, strings.NewReader(text))
	if err != nil {
		h.t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		h.t.Error(err)
		return 0, nil
	}
	defer resp.Body.Close()
	answer, _ = io.ReadAll(resp.Body)
	if resp.StatusCode >= 500 && resp.StatusCode != http.StatusBadGateway {
		h.t.Errorf("%s %s: %d %s", method, path, resp.StatusCode, answer)
	}
	_, _ = h.answers.Write(append(oneTime.ReplaceAll(answer, nil), '\n'))
	return resp.StatusCode, answer
}

// want is send for an answer of a status, read into a T.
func want[T any](h *house, status int, method, path string, body any) (v T) {
	h.t.Helper()
	got, answer := h.send(method, path, body)
	if got != status {
		h.t.Fatalf("%s %s: %d %s, want %d", method, path, got, answer, status)
	}
	d := json.NewDecoder(bytes.NewReader(answer))
	d.DisallowUnknownFields()
	if err := d.Decode(&v); err != nil {
		h.t.Fatalf("%s %s: %v: %s", method, path, err, answer)
	}
	return v
}

// problem wants an error of a status about a field that says something.
func (h *house) problem(status int, field, says, method, path string, body any) {
	h.t.Helper()
	if p := want[Problem](h, status, method, path, body); p.Field != field || !strings.Contains(p.Error, says) {
		h.t.Errorf("%s %s: the field is %q, want %q: %s, want %q", method, path, p.Field, field, p.Error, says)
	}
}

// begin makes the server that needs a person.
func (h *house) begin(changes map[string]any) Initiation {
	h.t.Helper()
	in := want[Initiation](h, http.StatusOK, http.MethodPost, "/api/mcp/client", h.wants(changes))
	if in.Status != "pending_oauth" || in.AuthorizeURL == "" {
		h.t.Fatalf("%+v", in)
	}
	return in
}

// token is the one that is held.
func (h *house) token(name string) string {
	h.t.Helper()
	s, err := h.Engine.Source(name)
	if err != nil {
		h.t.Fatal(err)
	}
	t, err := s.Token(h.t.Context())
	if err != nil {
		h.t.Fatal(err)
	}
	h.hide(t.Access().Reveal())
	return t.Access().Reveal()
}

// status wants the state of a grant.
func (h *house) status(name, want string) OAuthStatus {
	h.t.Helper()
	st := wantStatus(h, name)
	if st.Status != want {
		h.t.Fatalf("the status of %s is %+v, want %s", name, st, want)
	}
	return st
}

func wantStatus(h *house, name string) OAuthStatus {
	h.t.Helper()
	return want[OAuthStatus](h, http.StatusOK, http.MethodGet, "/api/oauth/config/"+name+"/status", nil)
}

// own are the secrets that are kept of a server.
func (h *house) own(name string) []string {
	h.t.Helper()
	keys, err := h.store.List(h.t.Context(), secrets.StoreKey(config.OwnSecret(name, "")))
	if err != nil {
		h.t.Fatal(err)
	}
	return keys
}

// wantNothingOf wants a server to have left nothing.
func (h *house) wantNothingOf(name string) {
	h.t.Helper()
	if h.Config().Server(name) != nil || h.files[name] != "" || len(h.own(name)) > 0 {
		h.t.Errorf("%s is there still: %q, %q", name, h.files[name], h.own(name))
	}
	for _, key := range []string{webKey(name), "flow/" + name} {
		if _, _, err := h.store.Get(h.t.Context(), key); err == nil {
			h.t.Errorf("%s is kept", key)
		}
	}
}
