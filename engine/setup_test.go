package engine

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"bearerd/config"
	"bearerd/engine/oauth/oauthtest"
	"bearerd/secrets"
)

// memory is a Store for tests: the sealed one has its own. broken makes its writes fail, as a full disk does.
type memory struct {
	mu     sync.Mutex
	values map[string][]byte
	revs   map[string]secrets.Revision
	writes int
	broken error // of writes
	down   error // of everything
	lose   int   // writes that are applied, and answered with an outage
}

func newMemory() *memory {
	return &memory{values: map[string][]byte{}, revs: map[string]secrets.Revision{}}
}

func (m *memory) Get(_ context.Context, key string) ([]byte, secrets.Revision, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.down != nil {
		return nil, "", m.down
	}
	v, ok := m.values[key]
	if !ok {
		return nil, "", secrets.ErrNotFound
	}
	return slices.Clone(v), m.revs[key], nil
}

func (m *memory) Put(_ context.Context, key string, value []byte, ifRev secrets.Revision) (secrets.Revision, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := cmp.Or(m.down, m.broken); err != nil {
		return "", err
	}
	if m.revs[key] != ifRev {
		return "", secrets.ErrConflict
	}
	m.writes++
	m.values[key], m.revs[key] = slices.Clone(value), secrets.Revision(strings.Repeat("x", m.writes))
	if m.lose > 0 {
		m.lose--
		return "", secrets.ErrUnavailable
	}
	return m.revs[key], nil
}

func (m *memory) set(change func(*memory)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	change(m)
}

func (m *memory) Delete(_ context.Context, key string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.down != nil {
		return m.down
	}
	delete(m.values, key)
	delete(m.revs, key)
	return nil
}

func (m *memory) List(context.Context, string) ([]string, error) {
	return nil, errors.New("not used here")
}

// hooked is a store that asks before each operation whether it may be done.
type hooked struct {
	secrets.Store
	before func(ctx context.Context, op, key string) error
}

func (h *hooked) Get(ctx context.Context, key string) ([]byte, secrets.Revision, error) {
	if err := h.before(ctx, "get", key); err != nil {
		return nil, "", err
	}
	return h.Store.Get(ctx, key)
}

func (h *hooked) Put(ctx context.Context, key string, value []byte, ifRev secrets.Revision) (secrets.Revision, error) {
	if err := cmp.Or(ctx.Err(), h.before(ctx, "put", key)); err != nil {
		return "", err
	}
	return h.Store.Put(ctx, key, value, ifRev)
}

func (h *hooked) Delete(ctx context.Context, key string) error {
	if err := h.before(ctx, "delete", key); err != nil {
		return err
	}
	return h.Store.Delete(ctx, key)
}

// hostOn is host on any store.
func hostOn(t testing.TB, shared secrets.Store, folder *memory, place string, servers ...*config.Server) *bench {
	b := host(t, newMemory(), folder, place)
	b.Engine.store = shared
	b.Prepare(&config.Config{Servers: servers}).Commit()
	return b
}

// beside makes the state folder of a process; its store is the engine's own, or lies beside a shared one.
func beside(store *memory, lock Lock, place string) Local {
	return Local{Store: store, Lock: lock, Place: place,
		Reserve: func(_ context.Context, key string) (func(context.Context, []byte) error, func(), error) {
			put := func(ctx context.Context, value []byte) error {
				_, rev, _ := store.Get(ctx, key)
				_, err := store.Put(ctx, key, value, rev)
				return err
			}
			return put, func() {}, nil
		}}
}

// locks makes a Lock for the engines that share a store. Channels, so that synctest sees the waiting.
func locks() Lock {
	var mu sync.Mutex
	held := map[string]chan struct{}{}
	return func(ctx context.Context, name string) (func(), error) {
		mu.Lock()
		c, ok := held[name]
		if !ok {
			c = make(chan struct{}, 1)
			held[name] = c
		}
		mu.Unlock()
		select {
		case c <- struct{}{}:
			return func() { <-c }, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// authorizationServer starts one outside any synctest bubble, so that its own goroutines do not hold up the clock.
func authorizationServer(t testing.TB) *oauthtest.Server {
	as, err := oauthtest.NewPlain()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(as.Close)
	as.Register(oauthtest.Client{ID: "id", Secret: "s3cret"})
	return as
}

func server(as *oauthtest.Server, name string) *config.Server {
	return &config.Server{Name: name, URL: "http://127.0.0.1:1/mcp", OAuth: &config.OAuth{
		Enabled: true, Version: "2.0", GrantType: "client_credentials", ClientID: "id",
		ClientSecret: secrets.LiteralRef("s3cret"), TokenURL: as.TokenURL(), RevocationURL: as.RevocationURL(),
		ValidateScopes: true, TokenInHeaderOnly: true, TokenExpiryBuffer: 300,
	}}
}

// bench is an engine with what a test looks at.
type bench struct {
	*Engine
	store *memory
	lock  Lock
	log   *lines
}

// lines is a log that may be read while it is written.
type lines struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(b)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

func start(t testing.TB, servers ...*config.Server) *bench {
	return startWith(t, newMemory(), locks(), servers...)
}

func startWith(t testing.TB, store *memory, lock Lock, servers ...*config.Server) *bench {
	b := &bench{store: store, lock: lock, log: &lines{}}
	log := slog.New(slog.NewTextHandler(b.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	b.Engine = New(t.Context(), store, beside(store, lock, "here"), &secrets.Resolver{Store: store}, log)
	t.Cleanup(b.Close)
	b.Prepare(&config.Config{Servers: servers}).Commit()
	return b
}

func (b *bench) source(t testing.TB, name string) *Source {
	t.Helper()
	s, err := b.Source(name)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func (b *bench) token(t testing.TB, name string) *Token {
	t.Helper()
	tok, err := b.source(t, name).Token(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return tok
}

// asked counts the requests to an endpoint.
func asked(as *oauthtest.Server, path string) (n int) {
	for _, r := range as.Requests() {
		if r.Path == path {
			n++
		}
	}
	return n
}

func wantAsked(t testing.TB, as *oauthtest.Server, n int) {
	t.Helper()
	if got := asked(as, "/token"); got != n {
		t.Fatalf("%d token requests, want %d", got, n)
	}
}

func wantState(t testing.TB, s *Source, want State) {
	t.Helper()
	if got := s.Status().State; got != want {
		t.Fatalf("state %s, want %s", got, want)
	}
}

// took measures on the bubble's clock, to the tenth of a second.
func took(f func()) time.Duration {
	start := time.Now()
	f()
	return time.Since(start).Round(100 * time.Millisecond)
}
