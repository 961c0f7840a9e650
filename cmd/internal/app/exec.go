package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"bearerd/config"
	"bearerd/inject/stdio"
)

// Exec serves one server to a client at stdin and stdout until the client ends it, or ctx is done, or the server has ended
// for good; it returns the server's exit code. stderr gets what the server writes there and must not block. Without a token
// there is no server: the error says why. It follows the configuration at path.
func Exec(ctx context.Context, cfg *config.Config, path, name string, stderr io.Writer, log *slog.Logger, version string, umask int) (
	int, error) {
	s := cfg.Server(name)
	if s == nil {
		return 1, fmt.Errorf("server %q is not in the configuration", name)
	}
	only := *cfg
	only.Servers = []*config.Server{s}
	work, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	a, err := openToExec(work, &only, log, version)
	if err != nil {
		return 1, err
	}
	defer a.Close()
	endVault, err := a.runVault(work, verifyExec)
	if err != nil {
		return 1, err
	}
	defer endVault()
	a.askInBrowser()
	if s.URL != "" {
		return a.bridge(ctx, cfg, s, path)
	}
	c := &child{app: a, name: name, config: cfg, server: s, path: path, look: make(chan struct{}, 1), began: make(chan struct{}, 1)}
	defer c.close()
	return c.run(ctx, stderr, umask)
}

// run serves the client with processes of the server.
func (c *child) run(ctx context.Context, stderr io.Writer, umask int) (int, error) {
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	signals := make(chan os.Signal, 8)
	// None of these ends bearerd before it has ended the child and removed its files.
	signal.Notify(signals, attended...)
	defer signal.Stop(signals)
	c.keeper = stdio.NewKeeper(c.name, c.spawn, c.app.Log)
	c.keeper.In, c.keeper.Out, c.keeper.Err, c.keeper.Umask = os.Stdin, os.Stdout, stderr, umask
	c.keeper.Note = c.app.trouble(ctx, c.name)
	c.holdFile(ctx)
	leave := c.attend(ctx, signals, end)
	code, err := c.keeper.Run(ctx)
	leave()
	err = errors.Join(err, c.dropFile(context.WithoutCancel(ctx), c.present()))
	if cause := context.Cause(ctx); errors.Is(cause, errRemoved) {
		return 1, errors.Join(cause, err)
	}
	return code, err
}

// attend passes signals on, keeps the token file fresh and follows what the server was started with, until the returned
// function is called.
func (c *child) attend(ctx context.Context, signals <-chan os.Signal, end context.CancelCauseFunc) (leave func()) {
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() { c.passOn(signals, ended) })
	wg.Go(func() { c.followToken(ctx) })
	wg.Go(func() { c.watch(ctx, os.Getpid()) })
	wg.Go(func() { c.app.followFile(ctx, c.config, c.config.Server(c.name), c.path, c, end) })
	wg.Go(func() { stdio.Reap(ctx) })
	wg.Go(func() { staySlim(ctx, c.began) })
	return func() {
		cancel()
		close(ended)
		wg.Wait()
	}
}

// passOn forwards signals to the child. SIGINT and SIGTERM stop it: the first ends the context that it runs under, the
// second kills it at once.
func (c *child) passOn(signals <-chan os.Signal, ended <-chan struct{}) {
	stops := 0
	for {
		select {
		case s := <-signals:
			switch {
			case s == syscall.SIGPIPE: // the client has gone: it shows elsewhere
			case s != os.Interrupt && s != syscall.SIGTERM:
				c.keeper.Signal(s.(syscall.Signal))
			default:
				if stops++; stops > 1 {
					c.app.Log.Warn("killing the server after a second signal", "server", c.name)
					c.keeper.Signal(syscall.SIGKILL)
				}
			}
		case <-ended:
			return
		}
	}
}

// followToken writes each renewed token to the token file, and with on_rotate = "signal" tells the child.
func (c *child) followToken(ctx context.Context) {
	const again = 5 * time.Second
	for ctx.Err() == nil {
		s := c.present()
		source, err := c.app.engine.Source(s.Name)
		if s.TokenFile == "" || err != nil {
			<-ctx.Done()
			return
		}
		t, err := source.Token(ctx)
		if err == nil {
			err = c.putToken(s, t)
		}
		var wait <-chan time.Time
		var superseded <-chan struct{}
		switch {
		case c.present() != s: // it was edited meanwhile
			continue
		case err == nil:
			superseded = t.Superseded()
		case ctx.Err() == nil:
			c.app.Log.Warn("the token file was not renewed", "server", s.Name, "error", err)
			wait = time.After(again)
		}
		select {
		case <-superseded:
		case <-wait:
		case <-ctx.Done():
		}
	}
}
