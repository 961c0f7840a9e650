// Package proxy delivers tokens over HTTP: a loopback reverse proxy that adds the token to each request and keeps
// upstream's 401 from the client. It knows the MCP wire only as far as a transparent intermediary must, and asks the
// engine for every token; it never talks to an authorization server.
package proxy

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
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
	fronts  map[string]*front // by configured address; touched by Prepare and Close only
}

// front is one configured address: one or two sockets and the routes behind them.
type front struct {
	address string
	sockets []net.Listener
	routes  atomic.Pointer[table]
	server  *http.Server
	served  sync.WaitGroup
}

// table finds a route by its exact path. Everything else is 404, above all /.well-known/*, which would make a client
// start an OAuth of its own.
type table map[string]*route

func (f *front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.ContentLength != 0 { // net/http drains what nobody reads, if need be for ever
		_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(bodyPatience))
	}
	if rt, ok := (*f.routes.Load())[r.URL.EscapedPath()]; ok {
		rt.ServeHTTP(w, r)
		return
	}
	http.Error(w, "no server has this path: `bearerd status` lists the paths", http.StatusNotFound)
}

// New makes a proxy without listeners.
func New(keys Keys, resolve *secrets.Resolver, log *slog.Logger) *Proxy {
	p := &Proxy{keys: keys, resolve: resolve, log: log, fronts: map[string]*front{}}
	p.budget.left.Store(replayBudget)
	return p
}

// Plan is what a configuration asks of the proxy, with its new listeners bound.
type Plan struct {
	proxy  *Proxy
	tables map[string]*table
	bound  map[string]*front // new ones
}

// Prepare builds the routes of cfg's url servers and then binds the addresses that are not bound yet. An error leaves
// everything as it was.
func (p *Proxy) Prepare(cfg *config.Config, source func(server string) *engine.Source) (*Plan, error) {
	plan := &Plan{proxy: p, tables: map[string]*table{}, bound: map[string]*front{}}
	for _, s := range cfg.Servers {
		if s.URL == "" {
			continue
		}
		rt, err := p.newRoute(s, source(s.Name))
		if err != nil {
			return nil, fmt.Errorf("server %q: %w", s.Name, err)
		}
		address, _ := Local(cfg, s)
		plan.add(address, rt)
	}
	for address := range plan.tables {
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

// Local tells where a url server is served, as configured, and the URL that a local client asks for.
func Local(cfg *config.Config, s *config.Server) (address, url string) {
	address, path := cfg.Proxy.Listen, "/"+s.Name
	if s.Listen != "" {
		address, path = s.Listen, upstreamPath(s.URL)
	}
	if isUnix(address) {
		return address, "http://localhost" + path
	}
	return address, "http://" + address + path
}

func (plan *Plan) add(address string, rt *route) {
	rt.guard.unix = isUnix(address)
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

// Commit puts the plan in force: requests in flight finish on the old settings, listeners without servers are closed
// once they are idle.
func (plan *Plan) Commit(ctx context.Context) {
	p := plan.proxy
	for address, f := range plan.bound {
		f.routes.Store(plan.tables[address])
		f.serve()
		p.fronts[address] = f
		for _, bound := range p.Bound(address) {
			p.log.Info("listening", "address", bound)
		}
	}
	for address, f := range p.fronts {
		if t, ok := plan.tables[address]; ok {
			if old := f.routes.Swap(t); old != t {
				old.rest()
			}
			continue
		}
		delete(p.fronts, address)
		f.close(ctx)
	}
}

func (p *Proxy) bind(address string) (*front, error) {
	sockets, err := Listen(address)
	if err != nil {
		return nil, err
	}
	f := &front{address: address, sockets: sockets}
	f.server = &http.Server{
		Handler:           f,
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(p.log.Handler(), slog.LevelDebug),
	}
	return f, nil
}

func (f *front) serve() {
	for _, s := range f.sockets {
		f.served.Go(func() { _ = f.server.Serve(s) }) // it always ends with the error of being closed
	}
}

// close lets requests in flight finish until ctx ends, then cuts them.
func (f *front) close(ctx context.Context) {
	if err := f.server.Shutdown(ctx); errors.Is(err, ctx.Err()) && err != nil {
		_ = f.server.Close()
	}
	f.served.Wait()
	f.routes.Load().rest()
}

// rest closes the connections to upstream that are idle, and those in use once they are.
func (t *table) rest() {
	for _, rt := range *t {
		if t := rt.transport.Load(); t != nil {
			t.CloseIdleConnections()
		}
	}
}

// Close closes every listener; requests in flight may finish until ctx ends.
func (p *Proxy) Close(ctx context.Context) {
	var wg sync.WaitGroup
	for _, f := range p.fronts {
		wg.Go(func() { f.close(ctx) })
	}
	wg.Wait()
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
