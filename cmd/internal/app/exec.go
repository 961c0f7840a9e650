package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"bearerd/config"
	"bearerd/engine"
	"bearerd/inject/proxy"
	"bearerd/inject/stdio"
	"bearerd/secrets"
)

// Exec starts one stdio server and serves it until it ends, and returns its exit code. Without a token there is no
// child: the error says why. It follows the configuration at path.
func Exec(ctx context.Context, cfg *config.Config, path, name string, log *slog.Logger, version string, umask int) (int, error) {
	s := cfg.Server(name)
	if s == nil {
		return 1, fmt.Errorf("server %q is not in the configuration", name)
	}
	if s.URL != "" {
		_, url := proxy.Local(cfg, s)
		return 1, fmt.Errorf("server %q has a url: keep `bearerd run` running and point the client at %s "+
			"(`bearerd client-config %s` prints how)", name, url, name)
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
	c := &child{app: a, config: cfg, server: s, path: path, umask: umask}
	defer c.close()
	return c.run(ctx)
}

// child is one run of a stdio server.
type child struct {
	app    *App
	config *config.Config // as it was at the start
	server *config.Server
	path   string // of the configuration
	umask  int
	proxy  *proxy.Proxy              // nil: the arguments need none
	env    map[string]secrets.Secret // what the configuration declares, as the child holds it
}

func (c *child) run(ctx context.Context) (int, error) {
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	launch, source, err := c.prepare(ctx)
	if err != nil {
		return 1, err
	}
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGQUIT)
	defer signal.Stop(signals) // none of them ends bearerd before it has ended the child and removed its files
	defer func() { _ = launch.Close() }()
	if err := c.tokenFile(ctx, source); err != nil {
		return 1, err
	}
	files := stdio.Files{In: os.Stdin, Out: os.Stdout, Err: os.Stderr}
	process, err := stdio.Start(c.server, launch, files, c.umask)
	if err != nil {
		return 1, errors.Join(err, stdio.RemoveToken(c.server))
	}
	c.app.Log.Debug("started", "server", c.server.Name)
	leave := c.attend(ctx, process, source, signals, end)
	code := process.Wait(ctx)
	leave()
	err = stdio.RemoveToken(c.server)
	if cause := context.Cause(ctx); errors.Is(cause, errRemoved) {
		return 1, errors.Join(cause, err)
	}
	return code, err
}

// prepare gets the token and decides what the child is started with.
func (c *child) prepare(ctx context.Context) (*stdio.Launch, *engine.Source, error) {
	s := c.server
	declared := map[string]secrets.Secret{}
	c.env = declared
	for name, ref := range s.Env {
		v, err := c.app.resolve.ResolveText(ctx, ref)
		if err != nil {
			return nil, nil, fmt.Errorf("server %q: env %s: %w", s.Name, name, err)
		}
		declared[name] = v
	}
	var token secrets.Secret
	source, err := c.app.engine.Source(s.Name)
	if err == nil {
		t, err := source.Token(ctx)
		if err != nil {
			return nil, nil, err
		}
		token = t.Access()
	}
	if delivery, _ := s.Delivery(); delivery != config.DeliverArguments {
		launch, err := stdio.ByEnv(s, token, declared, os.Environ())
		return launch, source, err
	}
	var url string
	if stdio.ViaProxy(s) {
		if url, token, err = c.openProxy(ctx, source); err != nil {
			return nil, nil, err
		}
	}
	launch, err := stdio.ByArguments(s, url, token, declared, os.Environ())
	return launch, source, err
}

// openProxy serves the URL among the arguments on a free loopback port, for this child alone: its key is new and dies
// with the process.
func (c *child) openProxy(ctx context.Context, source *engine.Source) (url string, key secrets.Secret, err error) {
	at := c.server.URLArgument()
	if at < 0 {
		return "", secrets.Secret{}, fmt.Errorf("server %q: args hold no http or https URL to send the token to", c.server.Name)
	}
	const anyPort = "127.0.0.1:0"
	keys := proxy.NewKeys()
	remote := &config.Server{
		Name: c.server.Name, URL: c.server.Args[at], Listen: anyPort, OAuth: c.server.OAuth, Local: config.Local{LocalAuth: "key"},
	}
	cfg := &config.Config{Servers: []*config.Server{remote}}
	p := proxy.New(keys, c.app.resolve, c.app.Log)
	plan, err := p.Prepare(cfg, func(string) *engine.Source { return source })
	if err != nil {
		return "", secrets.Secret{}, err
	}
	plan.Commit(ctx)
	c.proxy = p
	c.app.engine.Follow()
	remote.Listen = p.Bound(anyPort)[0]
	_, url = proxy.Local(cfg, remote)
	return url, keys.Issue(remote.Name, "exec"), nil
}

// tokenFile writes the token file, if the server wants one, before the child looks for it.
func (c *child) tokenFile(ctx context.Context, source *engine.Source) error {
	if c.server.TokenFile == "" {
		return nil
	}
	c.app.engine.Follow()
	t, err := source.Token(ctx)
	if err != nil {
		return err
	}
	return stdio.WriteToken(c.server, t.Access())
}

// attend passes signals on and keeps the token file fresh until the returned function is called.
func (c *child) attend(ctx context.Context, p *stdio.Process, source *engine.Source, signals <-chan os.Signal, end context.CancelCauseFunc) (leave func()) {
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() { c.passOn(signals, p, ended) })
	if c.server.TokenFile != "" {
		wg.Go(func() { c.follow(ctx, source) })
	}
	wg.Go(func() { c.app.watch(ctx, c.server, c.env, os.Getpid()) })
	wg.Go(func() { c.followFile(ctx, c.path, end) })
	return func() {
		cancel()
		close(ended)
		wg.Wait()
	}
}

// passOn forwards signals to the child. SIGINT and SIGTERM stop it: the first ends the context that it runs under, the
// second kills it at once.
func (c *child) passOn(signals <-chan os.Signal, p *stdio.Process, ended <-chan struct{}) {
	stops := 0
	for {
		select {
		case s := <-signals:
			if s != os.Interrupt && s != syscall.SIGTERM {
				p.Signal(s.(syscall.Signal))
			} else if stops++; stops > 1 {
				c.app.Log.Warn("killing the server after a second signal", "server", c.server.Name)
				p.Signal(syscall.SIGKILL)
			}
		case <-ended:
			return
		}
	}
}

// follow writes each renewed token to the token file.
func (c *child) follow(ctx context.Context, source *engine.Source) {
	const again = 5 * time.Second
	for ctx.Err() == nil {
		t, err := source.Token(ctx)
		wait := time.After(again)
		if err == nil {
			if err = stdio.WriteToken(c.server, t.Access()); err == nil {
				select {
				case <-t.Superseded():
				case <-ctx.Done():
				}
				continue
			}
		}
		if ctx.Err() == nil {
			c.app.Log.Warn("the token file was not renewed", "server", c.server.Name, "error", err)
		}
		select {
		case <-wait:
		case <-ctx.Done():
		}
	}
}

func (c *child) close() {
	if c.proxy != nil {
		ctx, cancel := context.WithCancel(context.Background())
		cancel() // nobody is left to wait for
		c.proxy.Close(ctx)
	}
}
