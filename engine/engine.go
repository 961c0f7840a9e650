// Package engine owns the life of tokens: it gets them, keeps them in records, renews them before they expire, and
// hands them to deliveries through a Source. It knows nothing of deliveries; the wire itself is engine/oauth.
package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"bearerd/config"
	"bearerd/secrets"
)

// Lock takes the right to acquire for one server among all processes of this host.
type Lock func(ctx context.Context, name string) (unlock func(), err error)

// Engine holds one Source for each server with an enabled oauth_config.
type Engine struct {
	store   secrets.Store
	shared  bool // other hosts use the store too
	local   Local
	resolve *secrets.Resolver
	log     *slog.Logger
	limits  *limits
	ask     Ask         // nil: no person is asked here
	observe func(Event) // nil: nobody wants to know

	mu      sync.Mutex         // guards what follows
	origins map[string]*Source // whose chain began with this supplied refresh token, by fingerprint

	sources   atomic.Pointer[map[string]*Source]
	eager     atomic.Bool // acquire without being asked
	following atomic.Bool

	spawn func(func(context.Context)) bool // runs a flight on the engine's context; false: the engine is closed
	close func()                           // cancels the flights and waits for them
}

// New makes an engine without sources; Prepare gives it some. A store other than local.Store is shared by hosts. Its
// flights end with ctx or with Close.
func New(ctx context.Context, store secrets.Store, local Local, resolve *secrets.Resolver, log *slog.Logger) *Engine {
	e := &Engine{store: store, shared: store != local.Store, local: local, resolve: resolve, log: log, limits: newLimits(),
		origins: map[string]*Source{}}
	e.sources.Store(&map[string]*Source{})
	e.spawn, e.close = spawner(ctx)
	return e
}

// spawner owns the goroutines of flights: they run on one context, and close waits for all of them.
func spawner(ctx context.Context) (spawn func(func(context.Context)) bool, close func()) {
	ctx, cancel := context.WithCancel(ctx)
	var mu sync.Mutex // orders wg.Add before wg.Wait
	var wg sync.WaitGroup
	spawn = func(f func(context.Context)) bool {
		mu.Lock()
		defer mu.Unlock()
		if ctx.Err() != nil {
			return false
		}
		wg.Go(func() { f(ctx) })
		return true
	}
	close = func() {
		mu.Lock()
		cancel()
		mu.Unlock()
		wg.Wait()
	}
	return spawn, close
}

// Plan is a set of sources that is not yet in force.
type Plan struct {
	engine  *Engine
	sources map[string]*Source
	live    []func()
	moved   map[string]bool // old names of servers
}

// Prepare builds the sources of cfg; those whose credential is unchanged keep their tokens. Without Commit nothing has
// happened.
func (e *Engine) Prepare(cfg *config.Config) *Plan {
	old := *e.sources.Load()
	p := &Plan{engine: e, sources: map[string]*Source{}, moved: map[string]bool{}}
	for _, server := range cfg.Servers {
		if server.OAuth == nil || !server.OAuth.Enabled {
			continue
		}
		if old[server.Name] == nil {
			p.moved[server.MovedFrom] = true
		}
		fp := fingerprint(server)
		if s, ok := old[server.Name]; ok && s.fingerprint == fp {
			p.sources[server.Name] = s
			p.live = append(p.live, func() { s.use(server) })
			continue
		}
		p.sources[server.Name] = newSource(e, server, fp)
	}
	return p
}

// Source finds a source of the plan; nil: the server is delivered without a token.
func (p *Plan) Source(server string) *Source { return p.sources[server] }

// use swaps settings that the token does not depend on. They may be what a failure was waiting for.
func (s *Source) use(server *config.Server) {
	old := s.server.Swap(server)
	if reflect.DeepEqual(old, server) {
		return
	}
	s.usePair(server)
	s.mu.Lock()
	defer s.unlock()
	s.retryAt, s.rejected = time.Time{}, refused{}
}

// Commit puts the plan in force. It cannot fail.
func (p *Plan) Commit() {
	for _, apply := range p.live {
		apply()
	}
	old := p.engine.sources.Swap(&p.sources)
	for name, s := range *old {
		if p.sources[name] == s {
			continue
		}
		upTo := generation(s.current.Load())
		s.retire()
		if p.sources[name] == nil && !p.moved[name] {
			p.engine.spawn(func(ctx context.Context) { s.dropRemoved(ctx, upTo) })
		}
		p.engine.tell(Event{Server: name, Kind: Changed})
	}
	for name := range p.sources {
		if (*old)[name] == nil {
			p.engine.tell(Event{Server: name, Kind: Changed})
		}
	}
	if p.engine.eager.Load() {
		p.engine.wakeAll()
	}
}

// KeepFresh acquires a token for every source now and from here on before it expires, asked or not. Where hosts share the
// store, it also takes over what they do to the stored tokens.
func (e *Engine) KeepFresh() {
	if e.eager.CompareAndSwap(false, true) {
		e.spawn(e.watchClock)
		e.spawn(e.watchCertificates)
	}
	e.wakeAll()
	if e.shared {
		e.follow()
	}
}

// Follow is KeepFresh for a process beside others: it also takes over, within seconds, what they do to the stored tokens.
func (e *Engine) Follow() {
	e.KeepFresh()
	e.follow()
}

func (e *Engine) follow() {
	if !e.following.CompareAndSwap(false, true) {
		return
	}
	e.spawn(func(ctx context.Context) {
		last := map[*Source]time.Time{}
		for sleep(ctx, followPause) {
			for _, s := range *e.sources.Load() {
				if time.Since(last[s]) < s.syncPause() {
					continue
				}
				if err := s.Sync(ctx); errors.Is(err, secrets.ErrUnavailable) {
					break // each of the others would wait as long
				}
				last[s] = time.Now()
			}
			maps.DeleteFunc(last, func(s *Source, _ time.Time) bool { return (*e.sources.Load())[s.name] != s }) // retired ones
		}
	})
}

func (e *Engine) wakeAll() {
	for _, s := range *e.sources.Load() {
		s.wake()
	}
}

// Source finds the source of a server; ErrUnknown when it has none.
func (e *Engine) Source(server string) (*Source, error) {
	if s, ok := (*e.sources.Load())[server]; ok {
		return s, nil
	}
	return nil, fmt.Errorf("server %q: %w", server, ErrUnknown)
}

// Sources lists the sources by name.
func (e *Engine) Sources() []*Source {
	m := *e.sources.Load()
	list := make([]*Source, 0, len(m))
	for _, s := range m {
		list = append(list, s)
	}
	slices.SortFunc(list, func(a, b *Source) int { return strings.Compare(a.name, b.name) })
	return list
}

// lockPatience is longer than a token request may take: whoever holds the lock for longer is stopped or stuck.
const lockPatience = 15 * time.Second

// lockOrGoOn takes the lock of a server, but does without it when the state folder is not writable or its holder is
// stuck: then two processes may both ask, which is better than none that can. What may be done once only needs a lease.
func (e *Engine) lockOrGoOn(ctx context.Context, name string) (unlock func(), locked bool) {
	ctx, cancel := context.WithTimeout(ctx, lockPatience)
	defer cancel()
	unlock, err := e.local.Lock(ctx, name)
	if err != nil {
		e.log.Warn("going on without the lock that keeps the processes of this host from asking twice", "server", name, "error", err)
		return func() {}, false
	}
	return unlock, true
}

// Close stops the timers, cancels what is in flight and waits for it.
func (e *Engine) Close() {
	for _, s := range *e.sources.Load() {
		s.stopTimer()
	}
	e.close()
}

// limits keeps a herd of sources from falling upon one authorization server.
type limits struct {
	all    chan struct{}
	mu     sync.Mutex
	issuer map[string]chan struct{} // guarded by mu
}

const (
	maxInFlight  = 32
	maxForIssuer = 8
)

func newLimits() *limits {
	return &limits{all: make(chan struct{}, maxInFlight), issuer: map[string]chan struct{}{}}
}

// take waits for a place for a request to tokenURL's host.
func (l *limits) take(ctx context.Context, tokenURL string) (release func(), err error) {
	host := tokenURL
	if u, err := url.Parse(tokenURL); err == nil {
		host = u.Host
	}
	l.mu.Lock()
	one, ok := l.issuer[host]
	if !ok {
		one = make(chan struct{}, maxForIssuer)
		l.issuer[host] = one
	}
	l.mu.Unlock()
	select {
	case one <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	select {
	case l.all <- struct{}{}:
	case <-ctx.Done():
		<-one
		return nil, ctx.Err()
	}
	return func() { <-l.all; <-one }, nil
}
