package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"bearerd/config"
	"bearerd/engine"
	"bearerd/engine/oauth/oauthtest"
	"bearerd/inject/proxy"
	"bearerd/secrets"
	"bearerd/secrets/sealed"
)

// watched is an API whose configuration and upstream a test changes.
type watched struct {
	*API
	t        testing.TB
	cfg      atomic.Pointer[config.Config]
	upstream sync.Map // server: error text
	reloads  atomic.Pointer[Reload]
}

// watch makes an API over a real engine and a real store.
func watch(t testing.TB, servers ...*config.Server) *watched {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	store, err := sealed.Open(filepath.Join(t.TempDir(), "state"), nil, log)
	if err != nil {
		t.Fatal(err)
	}
	local := engine.Local{Store: store, Lock: store.Lock, Place: store.Place(), Network: store.Network(),
		Reserve: func(ctx context.Context, key string) (func(context.Context, []byte) error, func(), error) {
			space, err := store.Reserve(ctx, key)
			if err != nil {
				return nil, nil, err
			}
			return space.Put, space.Release, nil
		}}
	w := &watched{t: t}
	w.API = &API{
		Config: w.cfg.Load, Engine: engine.New(context.Background(), store, local, &secrets.Resolver{Store: store}, log),
		Store: store, Local: store, Version: "1.2.3", PID: 1, Live: NewLive(), LastReload: func() Reload { return *w.reloads.Load() },
		Edit: func(context.Context, string, *config.Server) (config.Changes, error) { return nil, nil },
		Upstream: func(server string) (proxy.Outcome, bool) {
			text, known := w.upstream.Load(server)
			if !known {
				return proxy.Outcome{}, false
			}
			return proxy.Outcome{At: time.Now(), Error: text.(string)}, true
		},
		Outdated: func(context.Context) ([]Outdated, error) { return nil, nil },
		Troubled: func(context.Context) ([]Trouble, error) { return nil, nil },
	}
	w.Engine.Observe(w.Live.Observe)
	w.reloads.Store(&Reload{At: time.Now(), Success: time.Now(), Digest: "d1"})
	w.cfg.Store(&config.Config{})
	w.reload(servers...)
	t.Cleanup(w.Engine.Close)
	return w
}

// reload puts other servers in force, and tells nobody.
func (w *watched) reload(servers ...*config.Server) config.Changes {
	slices.SortFunc(servers, func(a, b *config.Server) int { return strings.Compare(a.Name, b.Name) })
	next := *w.cfg.Load()
	next.Servers = servers
	changes := config.Compare(w.cfg.Load(), &next)
	w.Engine.Prepare(&next).Commit()
	w.cfg.Store(&next)
	return changes
}

// page is a client that reads in memory: it takes what is written, or hangs, or fails.
type page struct {
	header http.Header

	mu       sync.Mutex
	status   int
	text     bytes.Buffer
	hang     chan struct{} // nil: it reads
	err      error
	deadline time.Time
	cancel   context.CancelFunc
	ended    chan struct{}
}

func (p *page) Header() http.Header { return p.header }

func (p *page) WriteHeader(status int) { p.status = status }

func (p *page) Write(b []byte) (int, error) {
	p.mu.Lock()
	hang, err := p.hang, p.err
	p.mu.Unlock()
	if hang != nil {
		<-hang
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if err == nil {
		p.text.Write(b)
	}
	return len(b), err
}

func (p *page) FlushError() error { return nil }

func (p *page) SetWriteDeadline(at time.Time) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.deadline = at
	return nil
}

// told is one event.
type told struct {
	name string
	data map[string]any
}

// events takes what has come since the last call, without comments.
func (p *page) events(t testing.TB) (list []told) {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	for block := range strings.SplitSeq(strings.TrimSuffix(p.text.String(), "\n\n"), "\n\n") {
		if block == "" || block == ": alive" {
			continue
		}
		event, data, ok := strings.Cut(block, "\ndata: ")
		e := told{name: strings.TrimPrefix(event, "event: ")}
		if err := json.Unmarshal([]byte(data), &e.data); !ok || err != nil {
			t.Fatalf("%q: %v", block, err)
		}
		checkSchema(t, "event "+e.name, e.data)
		list = append(list, e)
	}
	p.text.Reset()
	return list
}

// names says of events what each was and of which server.
func names(list []told) (s []string) {
	for _, e := range list {
		one := e.name
		if name, ok := e.data["name"].(string); ok {
			one += " " + name
		}
		s = append(s, one)
	}
	return s
}

// open begins a stream, inside a synctest bubble.
func (w *watched) open() *page {
	ctx, cancel := context.WithCancel(w.t.Context())
	p := &page{header: http.Header{}, cancel: cancel, ended: make(chan struct{})}
	r := httptest.NewRequestWithContext(ctx, http.MethodGet, "/api/events", http.NoBody)
	go func() {
		defer close(p.ended)
		w.API.events(p, r)
	}()
	synctest.Wait()
	return p
}

// close ends the stream and waits for its handler.
func (p *page) close() {
	p.cancel()
	<-p.ended
}

func (w *watched) expect(p *page, want ...string) []told {
	w.t.Helper()
	synctest.Wait()
	list := p.events(w.t)
	if got := names(list); !slices.Equal(got, want) {
		w.t.Errorf("the stream says %v, want %v", got, want)
	}
	return list
}

func plain(name string) *config.Server {
	return &config.Server{Name: name, URL: "https://mcp.example.com/" + name}
}

func plainServer(t *testing.T) *oauthtest.Server {
	t.Helper()
	as, err := oauthtest.NewPlain()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(as.Close)
	as.Register(oauthtest.Client{ID: "id", Secret: "s3cret"})
	return as
}

// granted is a server with client credentials at as.
func granted(as *oauthtest.Server, name string) *config.Server {
	s := plain(name)
	s.OAuth = &config.OAuth{
		Enabled: true, Version: "2.0", GrantType: "client_credentials", ClientID: "id", ClientSecret: secrets.LiteralRef("s3cret"),
		TokenURL: as.TokenURL(), RevocationURL: as.RevocationURL(), ValidateScopes: true, TokenInHeaderOnly: true, TokenExpiryBuffer: 300,
	}
	return s
}
