package app

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"

	"bearerd/config"
	"bearerd/engine"
	"bearerd/inject/proxy"
	"bearerd/inject/stdio"
	"bearerd/secrets"
)

// child is a stdio server that exec serves, whatever process it runs in.
type child struct {
	app    *App
	name   string         // of the server
	config *config.Config // as it was at the start
	path   string         // of the configuration
	keeper *stdio.Keeper
	look   chan struct{} // has a value when the values in env should be looked at now
	began  chan struct{} // has a value when a process is being started

	serving sync.Mutex   // held while proxy is changed: files may be renewed while a process is started
	proxy   *proxy.Proxy // guarded by serving; nil: the arguments need none
	keys    proxy.Keys   // guarded by serving; of proxy

	mu      sync.Mutex
	server  *config.Server            // guarded by mu: edits replace it
	env     map[string]secrets.Secret // guarded by mu: what the configuration declares, as the newest process holds it
	written *engine.Token             // guarded by mu: what the token file holds; nil: there is none, or one with other rights
	told    *engine.Token             // guarded by mu: the newest that the child has been told of, by its start or a signal
}

// present is the server as it is configured now.
func (c *child) present() *config.Server {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.server
}

// held is what the newest process was started with.
func (c *child) held() (*config.Server, map[string]secrets.Secret) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.server, c.env
}

// spawn is a stdio.Keeper's Spawn: it gets the token and decides what a process is started with.
func (c *child) spawn(ctx context.Context) (*stdio.Spawned, error) {
	s := c.present()
	declared := map[string]secrets.Secret{}
	for name, ref := range s.Env {
		v, err := c.app.resolve.ResolveText(ctx, ref)
		if err != nil {
			return nil, fmt.Errorf("server %q: env %s: %w", s.Name, name, err)
		}
		declared[name] = v
	}
	source, err := c.app.engine.Source(s.Name)
	if errors.Is(err, engine.ErrUnknown) {
		source = nil
	}
	var t *engine.Token
	if source != nil {
		if t, err = source.Token(ctx); err != nil {
			return nil, err
		}
	}
	launch, holds, err := c.launch(ctx, s, source, t, declared)
	if err != nil {
		return nil, err
	}
	if s.TokenFile != "" {
		if err := c.putToken(s, t); err != nil {
			_ = launch.Close()
			return nil, err
		}
	}
	c.mu.Lock()
	c.env = declared
	c.mu.Unlock()
	if holds {
		c.app.record.given("exec, "+self(), s.Name, t)
	}
	if !holds || s.RemoteProgram() == "curl" {
		t = nil
	}
	if t != nil && s.Relayed() || s.TokenFile != "" || !holds {
		c.app.engine.Follow()
	}
	select {
	case c.began <- struct{}{}:
	default: // it is known
	}
	return &stdio.Spawned{Server: s, Launch: launch, Token: t, Source: source}, nil
}

// launch prepares a process; holds says that it is given the token itself.
func (c *child) launch(ctx context.Context, s *config.Server, source *engine.Source, t *engine.Token,
	declared map[string]secrets.Secret) (l *stdio.Launch, holds bool, err error) {
	var token secrets.Secret
	if t != nil {
		token = t.Access()
	}
	if delivery, _ := s.Delivery(); delivery != config.DeliverArguments {
		l, err = stdio.ByEnv(s, token, declared, os.Environ())
		return l, true, err
	}
	if !stdio.ViaProxy(s) {
		l, err = stdio.ByArguments(s, "", token, declared, os.Environ())
		return l, true, err
	}
	url, key, err := c.openProxy(ctx, s, source)
	if err != nil {
		return nil, false, err
	}
	l, err = stdio.ByArguments(s, url, key, declared, os.Environ())
	return l, false, err
}

// openProxy serves the URL among the arguments on a free loopback port, for this server alone: its key is new and dies
// with bearerd. Where it is served already, it follows the settings.
func (c *child) openProxy(ctx context.Context, s *config.Server, source *engine.Source) (url string, key secrets.Secret, err error) {
	at := s.URLArgument()
	if at < 0 {
		return "", secrets.Secret{}, fmt.Errorf("server %q: args hold no http or https URL to send the token to", s.Name)
	}
	const anyPort = "127.0.0.1:0"
	c.serving.Lock()
	defer c.serving.Unlock()
	if c.proxy == nil {
		c.keys = proxy.NewKeys()
		c.proxy = proxy.New(c.keys, c.app.resolve, c.app.Log)
		c.proxy.Observe(c.app.record.delivered)
	}
	remote := &config.Server{
		Name: s.Name, URL: s.Args[at], Listen: anyPort, OAuth: s.OAuth, Local: config.Local{LocalAuth: "key"}, Replay: s.Replay,
		Made: s.Made, AllowPrivate: s.AllowPrivate,
	}
	settings := config.DefaultProxy() // who may call, and where, is no matter of the configuration
	settings.Limits, settings.FastPath = c.app.config.Load().Proxy.Limits, c.app.config.Load().Proxy.FastPath
	cfg := &config.Config{Proxy: settings, Servers: []*config.Server{remote}}
	plan, err := c.proxy.Prepare(cfg, func(string) *engine.Source { return source })
	if err != nil {
		return "", secrets.Secret{}, err
	}
	plan.Commit(ctx)
	served := *remote
	served.Listen = c.proxy.Bound(anyPort)[0]
	_, url = proxy.Local(cfg, &served)
	return url, c.keys.Issue(remote.Name, "exec"), nil
}

// putToken writes the token file, unless it holds the token already, and with on_rotate = "signal" tells a child that was
// started with another one.
func (c *child) putToken(s *config.Server, t *engine.Token) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if t == nil {
		return nil
	}
	if c.written != t {
		c.keeper.Hide(t.Access())
		if err := stdio.WriteToken(s, t.Access()); err != nil {
			return err
		}
		c.written = t
		c.app.record.given("token file, "+self(), s.Name, t)
	}
	if c.told != nil && c.told != t && s.OnRotate == "signal" {
		c.keeper.SignalChild(stdio.Signals[s.Signal])
	}
	c.told = t
	return nil
}

// renewProxy tells the proxy, if there is one, of files that have changed.
func (c *child) renewProxy(ctx context.Context, paths []string) {
	c.serving.Lock()
	defer c.serving.Unlock()
	if c.proxy != nil {
		c.proxy.Renew(ctx, paths)
	}
}

func (c *child) close() {
	c.serving.Lock()
	defer c.serving.Unlock()
	if c.proxy != nil {
		ctx, cancel := context.WithCancel(context.Background())
		cancel() // nobody is left to wait for
		c.proxy.Close(ctx)
	}
}
