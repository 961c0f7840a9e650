// Package proxy delivers tokens over HTTP: a loopback reverse proxy that adds the token to each request and keeps
// upstream's 401 from the client. It knows the MCP wire only as far as a transparent intermediary must, and asks the
// engine for every token; it never talks to an authorization server.
package proxy

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"reflect"
	"sync"
	"sync/atomic"
	"time"

	"bearerd/config"
	"bearerd/engine"
	"bearerd/secrets"
)

// Proxy owns the listeners. They are kept by address; a plan swaps what is behind them.
type Proxy struct {
	keys    Keys
	resolve *secrets.Resolver
	log     *slog.Logger
	budget  budget
	conns   *conns
	fronts  map[string]*front // by configured address; touched by those who reload, one at a time
	closing sync.WaitGroup    // the listeners that a plan has ended

	mu     sync.Mutex
	ending map[*front]bool // guarded by mu: those that still have requests

	delivered func(Delivery)                    // nil: nobody wants to know
	servers   atomic.Pointer[map[string]*route] // by name, as of the last Commit
}

// table finds a route by its exact path, or by an address for messages below it. Everything else is 404, above all
// /.well-known/*, which would make a client start an OAuth of its own.
type table map[string]*route

func (f *front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.ProtoMajor == 2 {
		to := windowed{w, f.limits.Load().WriteTimeout}
		defer to.end()
		w = to
	}
	if r.ContentLength != 0 { // net/http drains what nobody reads, if need be for ever
		_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(f.limits.Load().BodyTimeout))
	}
	if c := connOf(r.Context()); c != nil {
		if c.base != f.base.Load() { // other limits hold by now
			w.Header().Set("Connection", "close")
		}
		if e := c.takeEarly(); e != nil && e.route != nil {
			defer e.close()
			e.route.ServeHTTP(w, r.WithContext(e.in(r.Context())))
			return
		}
	}
	if rt := f.routes.Load().find(r.URL.EscapedPath()); rt != nil {
		rt.ServeHTTP(w, r)
		return
	}
	w.Header().Set(ReasonHeader, "http_404")
	http.Error(w, "no server has this path: `bearerd status` lists the paths", http.StatusNotFound)
}

// New makes a proxy without listeners.
func New(keys Keys, resolve *secrets.Resolver, log *slog.Logger) *Proxy {
	p := &Proxy{keys: keys, resolve: resolve, log: log, fronts: map[string]*front{}, ending: map[*front]bool{},
		conns: &conns{keys: keys, open: map[*conn]struct{}{}}}
	p.budget.left.Store(replayBudget)
	p.servers.Store(&map[string]*route{})
	return p
}

// Plan is what a configuration asks of the proxy, with its new listeners bound.
type Plan struct {
	proxy  *Proxy
	limits config.Limits
	tables map[string]*table
	bound  map[string]*front // new ones
}

// Prepare builds the routes of cfg's url servers and then binds the addresses that are not bound yet. An error leaves
// everything as it was.
func (p *Proxy) Prepare(cfg *config.Config, source func(server string) *engine.Source) (*Plan, error) {
	plan := &Plan{proxy: p, limits: cfg.Proxy.Limits, tables: map[string]*table{}, bound: map[string]*front{}}
	for _, s := range cfg.Servers {
		if s.URL == "" {
			continue
		}
		address, _ := Local(cfg, s)
		rt := p.unchanged(&cfg.Proxy, address, s, source(s.Name))
		if rt == nil {
			var err error
			if rt, err = p.newRoute(&cfg.Proxy, address, s, source(s.Name)); err != nil {
				return nil, fmt.Errorf("server %q: %w", s.Name, err)
			}
		}
		plan.add(address, rt)
	}
	for address, t := range plan.tables {
		if err := adjustable(address, t.socket()); err != nil {
			plan.Discard()
			return nil, err
		}
		if _, ok := p.fronts[address]; ok {
			continue
		}
		f, err := p.bind(address)
		if err != nil {
			plan.Discard()
			return nil, err
		}
		plan.bound[address] = f
	}
	return plan, nil
}

// unchanged finds the present route of a server that is served as before: it keeps its connections, but no secret. Nil: there
// is none.
func (p *Proxy) unchanged(of *config.Proxy, address string, s *config.Server, source *engine.Source) *route {
	f, ok := p.fronts[address]
	if !ok {
		return nil
	}
	path := localPath(s)
	if rt := (*f.routes.Load())[path]; rt != nil && rt.source == source && rt.limits == of.Limits && rt.fast == of.FastPath && reflect.DeepEqual(rt.server, s) {
		rt.headers.reread()
		return rt
	}
	return nil
}

// localPath is the path that local callers use.
func localPath(s *config.Server) string {
	if s.Listen != "" {
		return upstreamPath(s.URL)
	}
	return "/" + s.Name
}

// Local tells where a url server is served, as configured, and the URL that a local client asks for.
func Local(cfg *config.Config, s *config.Server) (address, url string) {
	address, path := cfg.Proxy.Listen, localPath(s)
	if s.Listen != "" {
		address = s.Listen
	}
	if isUnix(address) {
		return address, "http://localhost" + path
	}
	return address, "http://" + address + path
}

func (plan *Plan) add(address string, rt *route) {
	t, ok := plan.tables[address]
	if !ok {
		t = &table{}
		plan.tables[address] = t
	}
	(*t)[rt.path] = rt
}

// Discard unbinds what Prepare bound.
func (plan *Plan) Discard() {
	for _, f := range plan.bound {
		for _, s := range f.sockets {
			_ = s.Close()
		}
	}
}

// drain is how long the requests of a listener that is not wanted any more may go on.
const drain = 30 * time.Second

// Commit puts the plan in force and waits for nobody: requests in flight finish on the old settings. A listener without
// servers takes no new connection; what is open there is cut after half a minute, or when ctx ends.
func (plan *Plan) Commit(ctx context.Context) {
	p, servers := plan.proxy, map[string]*route{}
	for address, t := range plan.tables {
		f := p.fronts[address]
		if f == nil {
			f = plan.bound[address]
		}
		for _, rt := range *t {
			servers[rt.name] = rt
			if rt.front == nil { // a new one: nobody has seen it yet
				rt.front = f
			}
		}
	}
	p.servers.Store(&servers)
	for address, t := range plan.tables {
		if err := adjust(address, t.socket()); err != nil {
			p.log.Error("a unix socket keeps the mode and the group that it has", "address", address, "error", err)
		}
	}
	for address, f := range plan.bound {
		f.routes.Store(plan.tables[address])
		f.serve(&plan.limits)
		p.fronts[address] = f
		for _, bound := range p.Bound(address) {
			p.log.Info("listening", "address", bound)
		}
	}
	for address, f := range p.fronts {
		if t, ok := plan.tables[address]; ok {
			if old := f.routes.Swap(t); old != t {
				old.rest(t)
			}
			f.serve(&plan.limits)
			continue
		}
		delete(p.fronts, address)
		p.end(ctx, f)
	}
}

// end closes a listener and owns it until it is closed.
func (p *Proxy) end(ctx context.Context, f *front) {
	mark := func(ending bool) {
		p.mu.Lock()
		defer p.mu.Unlock()
		if ending {
			p.ending[f] = true
		} else {
			delete(p.ending, f)
		}
	}
	mark(true)
	for _, s := range f.sockets {
		_ = s.Close() // at once: the next reload may want the address
	}
	p.closing.Go(func() {
		defer mark(false)
		ctx, cancel := context.WithTimeout(ctx, drain)
		defer cancel()
		f.close(ctx)
	})
}

// Renew lets the routes that trust one of these CA bundles read it again.
func (p *Proxy) Renew(ctx context.Context, paths []string) {
	for _, f := range p.fronts {
		for _, rt := range *f.routes.Load() {
			rt.follow(ctx, paths)
		}
	}
}

// Reread has every route read the secrets in its headers again, at its next request. It may be called at any time.
func (p *Proxy) Reread() {
	for _, rt := range *p.servers.Load() {
		rt.headers.reread()
	}
}

// rest closes the connections to upstream of the routes that are not in next: the idle ones now, those in use once they
// are.
func (t *table) rest(next *table) {
	for path, rt := range *t {
		if (*next)[path] == rt {
			continue
		}
		rt.closeIdle()
		if rt.quick != nil {
			rt.quick.pool.close()
		}
	}
}

// Close closes every listener; requests in flight may finish until ctx ends.
func (p *Proxy) Close(ctx context.Context) {
	var wg sync.WaitGroup
	for _, f := range p.fronts {
		wg.Go(func() { f.close(ctx) })
	}
	p.mu.Lock()
	for f := range p.ending {
		wg.Go(func() { f.close(ctx) })
	}
	p.mu.Unlock()
	wg.Wait()
	p.closing.Wait()
}

// Bound tells the addresses that a configured address is really bound to: with port 0 the port is known only then.
func (p *Proxy) Bound(address string) []string {
	f, ok := p.fronts[address]
	if !ok {
		return nil
	}
	var list []string
	for _, s := range f.sockets {
		list = append(list, s.Addr().String())
	}
	return list
}
