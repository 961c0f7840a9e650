package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"bearerd/cmd/internal/admin"
	"bearerd/cmd/internal/audit"
	"bearerd/config"
	"bearerd/inject/proxy"
	"bearerd/inject/stdio"
)

// How long a stop may take.
const (
	undo   = 12 * time.Second // of changes that the API was making
	drain  = 5 * time.Second
	revoke = 10 * time.Second
)

// Socket is where the daemon of a state folder answers the commands.
func Socket(state string) string { return filepath.Join(state, "bearerd.sock") }

// Service is what a daemon needs beside the configuration that it starts with.
type Service struct {
	Watcher *config.Watcher  // has loaded that configuration
	Level   *slog.LevelVar   // of the log
	Hangup  <-chan os.Signal // each asks for a reload; nil: none comes
	Ready   func()           // called once everything is bound; nil: nobody waits
}

// Daemon serves until ctx ends, then stops in order: callers first, tokens last. It follows its configuration.
func Daemon(ctx context.Context, cfg *config.Config, service Service, log *slog.Logger, version string) (err error) {
	// What is in flight may finish after ctx has ended; the ordered stop below ends it.
	work, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	a, err := Open(work, cfg, log, version)
	if err != nil {
		return err
	}
	defer a.Close()
	unlock, err := a.claim(ctx, cfg.Store.Path)
	if err != nil {
		return err
	}
	defer unlock()
	endVault, err := a.runVault(work, verifyRun)
	if err != nil {
		return err
	}
	defer endVault()
	a.askInBrowser()

	p := proxy.New(a.keys, a.resolve, log)
	p.Observe(a.record.delivered)
	a.proxy = p
	a.reload = &reloader{app: a, proxy: p, watcher: service.Watcher, level: service.Level, systemd: &systemd{log}}
	plan := a.engine.Prepare(cfg)
	front, err := p.Prepare(cfg, plan.Source)
	if err != nil {
		return err
	}
	door, err := a.openDoor(cfg)
	if err != nil {
		front.Discard()
		return err
	}
	front.Commit(work)
	plan.Commit()
	a.engine.KeepFresh()
	log.Info("bearerd is ready", "servers", len(cfg.Servers), "state", cfg.Store.Path)
	err = a.serve(ctx, work, service, door)
	log.Info("stopping")
	door.stopChanges()
	a.reload.stop()
	a.stop(p, door)
	return err
}

// serve follows the configuration until ctx ends or a listener fails.
func (a *App) serve(ctx, work context.Context, service Service, d *door) (err error) {
	follow, cancel := context.WithCancel(work)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	r := a.reload
	r.begin(a.config.Load())
	wg.Go(func() { r.run(follow) })
	wg.Go(func() { r.systemd.watchdog(follow, r.alive) })
	wg.Go(func() { staySlim(follow, nil) })
	wg.Go(func() { a.tryMetricsKey(follow) })
	if os.Getpid() == 1 {
		wg.Go(func() { stdio.Reap(follow) })
	}
	if service.Ready != nil {
		service.Ready()
	}
	for {
		select {
		case <-ctx.Done():
			return nil
		case err := <-d.failed:
			return err
		case <-service.Hangup:
			_, _ = r.now(work, "SIGHUP") // logged, and in status and metrics
		}
	}
}

func (a *App) stop(p *proxy.Proxy, d *door) {
	ctx, cancel := context.WithTimeout(context.Background(), drain)
	defer cancel()
	a.live.Close()
	p.Close(ctx)
	d.close(ctx)
	ctx, cancel = context.WithTimeout(context.Background(), revoke)
	defer cancel()
	a.engine.RevokeOnShutdown(ctx)
}

// door is the admin side of the daemon: the unix socket for the commands and, where configured, the one for other
// users and TCP for the rest.
type door struct {
	api     *admin.API
	servers []*http.Server
	failed  chan error
	served  sync.WaitGroup
}

func (a *App) openDoor(cfg *config.Config) (d *door, err error) {
	d = &door{failed: make(chan error, 8)}
	defer func() {
		if err != nil {
			d.close(context.Background())
			d = nil
		}
	}()
	api := a.API(os.Getpid())
	d.api = api
	commands, err := proxy.ListenUnix(Socket(cfg.Store.Path))
	if err != nil {
		return d, err
	}
	d.serve(commands, asPeer(api.Handler()), a.Log, withCaller)
	if err := a.openUse(cfg, d); err != nil {
		return d, err
	}
	if err := a.open(cfg.Admin.Listen, api.Public(), d, "the REST API and the page"); err != nil {
		return d, err
	}
	return d, a.open(cfg.Admin.MetricsListen, api.Metrics(), d, "/metrics, /livez, /readyz")
}

// open serves h at an address; "": there is none.
func (a *App) open(address string, h http.Handler, d *door, what string) error {
	if address == "" {
		return nil
	}
	sockets, err := proxy.Listen(address)
	if err != nil {
		return err
	}
	for _, l := range sockets {
		d.serve(l, h, a.Log, nil)
		a.Log.Info("listening", "address", l.Addr().String(), "serves", what)
	}
	return nil
}

// asPeer has a handler act on behalf of the user who has connected.
func asPeer(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		actor := "socket" // this system does not tell who connects
		if u := callerOf(r.Context()); u != nil {
			actor = "uid " + u.Number()
		}
		h.ServeHTTP(w, r.WithContext(audit.WithActor(r.Context(), actor)))
	})
}

// serve answers on l until close. who adds to the context of a request who has connected; nil: nobody asks.
func (d *door) serve(l net.Listener, h http.Handler, log *slog.Logger, who func(context.Context, net.Conn) context.Context) {
	s := &http.Server{
		Handler: h, ConnContext: who, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: time.Minute, MaxHeaderBytes: 16 << 10,
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	d.servers = append(d.servers, s)
	d.served.Go(func() {
		if err := s.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			d.failed <- fmt.Errorf("the listener on %s failed: %w", l.Addr(), err)
		}
	})
}

// stopChanges has the changes taken back that the API is making: half of one must not stay.
func (d *door) stopChanges() {
	ctx, cancel := context.WithTimeout(context.Background(), undo)
	defer cancel()
	d.api.Stop(ctx)
}

func (d *door) close(ctx context.Context) {
	for _, s := range d.servers {
		if s.Shutdown(ctx) != nil {
			_ = s.Close()
		}
	}
	d.served.Wait()
}
