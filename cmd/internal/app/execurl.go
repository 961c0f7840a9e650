package app

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"bearerd/cmd/internal/admin"
	"bearerd/config"
	"bearerd/engine"
	"bearerd/inject/bridge"
	"bearerd/inject/proxy"
	"bearerd/inject/stdio"
)

// bridged is a url server that exec serves over stdio.
type bridged struct {
	app      *App
	bridge   *bridge.Bridge
	upstream *proxy.Upstream // touched by one goroutine at a time
}

// bridge serves a url server to a client over stdio.
func (a *App) bridge(ctx context.Context, cfg *config.Config, s *config.Server, path string) (int, error) {
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	gone := make(chan os.Signal, 1)
	signal.Notify(gone, syscall.SIGPIPE) // a client that has gone shows where it is written to
	defer signal.Stop(gone)
	ctx, stop := hangup(ctx)
	defer stop()
	b := &bridged{app: a}
	var err error
	if b.upstream, err = b.reach(s); err != nil {
		return 1, err
	}
	defer func() { b.upstream.Close() }()
	if b.bridge, err = bridge.New(s.Name, s.URL, b.upstream, a.Log); err != nil {
		return 1, err
	}
	a.engine.Follow()
	follow, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	wg.Go(func() { a.followFile(follow, cfg, s, path, b, end) })
	wg.Go(func() { b.fetch(follow, s.Name) })
	wg.Go(func() { stdio.Reap(follow) })
	wg.Go(func() { staySlim(follow, nil) })
	err = b.bridge.Run(ctx, os.Stdin, os.Stdout)
	cancel()
	wg.Wait()
	if cause := context.Cause(ctx); errors.Is(cause, errRemoved) {
		return 1, cause
	}
	if err != nil {
		return 1, err
	}
	return 0, nil
}

// reach is the way to the server as it is configured now.
func (b *bridged) reach(s *config.Server) (*proxy.Upstream, error) {
	source, err := b.app.engine.Source(s.Name)
	if errors.Is(err, engine.ErrUnknown) {
		source = nil
	}
	return proxy.NewUpstream(s, source, b.app.resolve, b.app.Log)
}

// hangup is ctx until the terminal goes, unless this runs under nohup: the session with the server is to be ended, as after
// SIGTERM.
func hangup(ctx context.Context) (context.Context, context.CancelFunc) {
	if signal.Ignored(syscall.SIGHUP) {
		return ctx, func() {}
	}
	return signal.NotifyContext(ctx, syscall.SIGHUP)
}

// fetch has the token ready by the time that the client has said what it wants, and notes for `status` when there is none. The
// client is told by the request that needs it.
func (b *bridged) fetch(ctx context.Context, name string) {
	const again, look = 10 * time.Second, time.Minute
	tell := b.app.trouble(ctx, name)
	defer tell(stdio.Trouble{})
	var given *engine.Token
	for ctx.Err() == nil {
		t, err := b.token(ctx, name)
		wait, superseded := look, (<-chan struct{})(nil)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			wait = again
			tell(stdio.Trouble{State: "no_token", Reason: err.Error(), Next: time.Now().Add(again)})
		default:
			tell(stdio.Trouble{})
			if t != nil {
				if t != given {
					b.app.record.given("exec, "+self(), name, t)
				}
				given, superseded = t, t.Superseded()
			}
		}
		select {
		case <-superseded:
		case <-time.After(wait):
		case <-ctx.Done():
		}
	}
}

// token is the server's present token; nil: it is sent none.
func (b *bridged) token(ctx context.Context, name string) (t *engine.Token, err error) {
	_, err = admin.OnSource(ctx, func() (*engine.Source, error) { return b.app.engine.Source(name) }, func(s *engine.Source) (err error) {
		t, err = s.Token(ctx)
		return err
	})
	if errors.Is(err, engine.ErrUnknown) {
		return nil, nil
	}
	return t, err
}

func (b *bridged) edited(ctx context.Context, next *config.Server) {
	plan := b.app.prepare(next)
	upstream, err := proxy.NewUpstream(next, plan.Source(next.Name), b.app.resolve, b.app.Log)
	if err == nil {
		b.upstream.Yield(upstream)
		err = b.bridge.Reach(next.URL, upstream)
	}
	plan.Commit() // last: a request that the old source sends away finds the new one
	if err != nil {
		b.app.Log.Error("the edited settings of the server cannot be used", "server", next.Name, "error", err)
		return
	}
	b.upstream.Close() // what is in use finishes
	b.upstream = upstream
}

func (b *bridged) renewed(ctx context.Context, paths []string) { b.upstream.Renew(ctx, paths) }
