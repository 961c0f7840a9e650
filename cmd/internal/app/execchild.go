package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"sync"

	"bearerd/config"
	"bearerd/engine"
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

	settling sync.Mutex  // held while an edit is put in force, and while a process is given what belongs together
	proxies  []*ownProxy // guarded by settling: of the urls that processes are served; the newest is the last
	waiting  bool        // guarded by settling: a process waits for its token, and then gets what is configured by then

	mu      sync.Mutex
	server  *config.Server            // guarded by mu, and changed with settling held: edits replace it
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

// spawn is a stdio.Keeper's Spawn: it gets the token and decides what a process is started with. After an edit meanwhile it
// begins again: settings and the token of others never go together.
func (c *child) spawn(ctx context.Context) (*stdio.Spawned, error) {
	c.settling.Lock()
	defer c.settling.Unlock()
	c.waiting = true
	defer func() { c.waiting = false }()
	for {
		s := c.present()
		source, err := c.app.engine.Source(s.Name)
		if errors.Is(err, engine.ErrUnknown) {
			source = nil
		}
		c.settling.Unlock()
		declared, t, err := c.values(ctx, s, source)
		c.settling.Lock()
		switch same := c.present() == s; {
		case same && err == nil:
			return c.equip(ctx, s, source, t, declared)
		case same:
			return nil, err
		case ctx.Err() != nil:
			c.keeper.Changed() // the edit was left to this process
			return nil, cmp.Or(err, ctx.Err())
		}
	}
}

// values waits for all that a process is told.
func (c *child) values(ctx context.Context, s *config.Server, source *engine.Source) (map[string]secrets.Secret, *engine.Token, error) {
	declared := map[string]secrets.Secret{}
	for name, ref := range s.Env {
		v, err := c.app.resolve.ResolveText(ctx, ref)
		if err != nil {
			return nil, nil, fmt.Errorf("server %q: env %s: %w", s.Name, name, err)
		}
		declared[name] = v
	}
	if source == nil {
		return declared, nil, nil
	}
	t, err := source.Token(ctx)
	return declared, t, err
}

// equip prepares a process. settling is held.
func (c *child) equip(ctx context.Context, s *config.Server, source *engine.Source, t *engine.Token,
	declared map[string]secrets.Secret) (*stdio.Spawned, error) {
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

// putToken writes the token file, unless it holds the token already or s has been edited, and with on_rotate = "signal" tells a
// child that was started with another one.
func (c *child) putToken(s *config.Server, t *engine.Token) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if t == nil || c.server != s {
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
