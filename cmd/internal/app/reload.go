package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"bearerd/cmd/internal/admin"
	"bearerd/config"
	"bearerd/inject/proxy"
	"bearerd/inject/stdio"
	"bearerd/secrets"
)

// reloader is the one door to a new configuration: file events, SIGHUP and the command all end in apply, one at a time.
type reloader struct {
	app     *App
	proxy   *proxy.Proxy
	watcher *config.Watcher
	level   *slog.LevelVar
	systemd *systemd

	mu      sync.Mutex // one reload at a time; guards what follows
	stopped bool
	last    admin.Reload
}

// run follows the file until ctx ends.
func (r *reloader) run(ctx context.Context) {
	r.watcher.Run(ctx, func(e config.Event) {
		if e.Loaded {
			_, _ = r.apply(ctx, "the configuration was edited", e.Config, e.Diagnostics) // logged, and in status and metrics
		}
		if len(e.Materials) > 0 {
			r.materials(ctx, e.Materials)
		}
	})
}

// begin tells of the configuration that the daemon has started with.
func (r *reloader) begin(cfg *config.Config) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.watcher.Follow(cfg)
	for _, s := range cfg.Servers {
		r.app.lookForCommand(s)
	}
	r.last = admin.Reload{At: time.Now(), Success: time.Now(), Digest: cfg.Digest()}
	r.systemd.ready(r.status())
}

// alive returns once no reload is under way: the watchdog bites when one never ends.
func (r *reloader) alive() {
	r.mu.Lock()
	defer r.mu.Unlock()
}

// stop ends all reloading.
func (r *reloader) stop() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stopped = true
	r.systemd.stopping()
}

// now reads the configuration again because somebody asked, and returns what came of it.
func (r *reloader) now(ctx context.Context, why string) (config.Changes, error) {
	cfg, diagnostics := r.watcher.Load(ctx)
	return r.apply(context.WithoutCancel(ctx), why, cfg, diagnostics) // who asked may go while old connections end
}

// apply puts cfg in force. Everything that can fail happens before anything that runs is touched.
func (r *reloader) apply(ctx context.Context, why string, cfg *config.Config, diagnostics config.Diagnostics) (config.Changes, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.stopped {
		return nil, admin.ErrStopping
	}
	return r.put(ctx, why, cfg, diagnostics)
}

// put is apply with mu held.
func (r *reloader) put(ctx context.Context, why string, cfg *config.Config, diagnostics config.Diagnostics) (config.Changes, error) {
	if !r.watcher.Newest(cfg) {
		return nil, nil // whoever has read the newer one puts that in force
	}
	start := time.Now()
	r.systemd.reloading()
	changes, err := r.replace(ctx, cfg, diagnostics)
	r.last.At, r.last.Error = start, ""
	r.last.Digest = r.app.config.Load().Digest()
	log := r.app.Log.With("why", why)
	switch {
	case err != nil:
		r.last.Error = err.Error()
		log.Error("the configuration was not reloaded; the one in force stays", "error", err)
	case len(changes) == 0:
		r.last.Success = start
		log.Info("the configuration was read again; nothing in it has changed")
	default:
		r.last.Success = start
		r.last.Generation++
		log.Info("the configuration was reloaded", "changes", summary(changes), "took", time.Since(start).Round(time.Millisecond))
	}
	r.systemd.ready(r.status())
	r.app.live.Reloaded(changes)
	return changes, err
}

func (r *reloader) replace(ctx context.Context, cfg *config.Config, diagnostics config.Diagnostics) (config.Changes, error) {
	if diagnostics.HasErrors() {
		var text strings.Builder
		wrong := slices.DeleteFunc(slices.Clone(diagnostics), func(d config.Diagnostic) bool { return d.Severity != config.Error })
		_, _ = wrong.WriteTo(&text) // memory
		return nil, errors.New(strings.TrimSpace(text.String()))
	}
	a := r.app
	changes := config.Compare(a.config.Load(), cfg)
	if list := changes.RestartRequired(); len(list) > 0 {
		return nil, fmt.Errorf("%s can be changed by a restart only: nothing of this edit was applied; restart bearerd, or take that back",
			strings.Join(list, ", "))
	}
	if len(changes) == 0 {
		return nil, nil
	}
	plan := a.engine.Prepare(cfg)
	front, err := r.proxy.Prepare(cfg, plan.Source)
	if err != nil {
		return nil, err
	}
	// From here on nothing can fail. The routes first: they ask the sources that plan puts in force.
	front.Commit(ctx)
	plan.Commit()
	a.config.Store(cfg)
	for _, c := range changes {
		if s := cfg.Server(c.Server); s != nil {
			a.lookForCommand(s)
		}
	}
	setLevel(r.level, cfg.Log.Level)
	r.watcher.Follow(cfg)
	return changes, nil
}

// lookForCommand warns of a program that is not there. It is no error here: an MCP client starts exec with a PATH of its own.
func (a *App) lookForCommand(s *config.Server) {
	if _, own := s.Env["PATH"]; s.Command == "" || own {
		return
	}
	if err := stdio.LookPath(s, secrets.Secret{}); err != nil {
		a.Log.Warn("the program of this server is not found from here; an exec may have another PATH", "server", s.Name, "error", err)
	}
}

// materials makes use of files that have changed while the configuration that names them has not.
func (r *reloader) materials(ctx context.Context, paths []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.stopped {
		return
	}
	r.app.Log.Info("files that the configuration names have changed", "files", paths)
	r.proxy.Renew(ctx, paths)
	r.app.mended()
}

func setLevel(level *slog.LevelVar, text string) {
	var l slog.Level
	if l.UnmarshalText([]byte(text)) == nil { // the loader has checked it
		level.Set(l)
	}
}

// report is the outcome of the last reload.
func (r *reloader) report() admin.Reload {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.last
}

// status is the line that `systemctl status` shows. mu is held.
func (r *reloader) status() string {
	n := len(r.app.config.Load().Servers)
	text := fmt.Sprintf("serving %d servers", n)
	if n == 1 {
		text = "serving 1 server"
	}
	if r.last.Error != "" {
		first, _, _ := strings.Cut(r.last.Error, "\n")
		text += "; the edited configuration is not in force: " + first
	}
	return text
}

// summary is one line for the log.
func summary(changes config.Changes) string {
	var parts []string
	for _, c := range changes {
		what := string(c.Action) + " "
		switch {
		case c.Server != "" && c.From != "":
			what += c.From + " to " + c.Server
		case c.Server != "":
			what += c.Server
		default:
			what += c.Block
		}
		parts = append(parts, what)
	}
	const most = 20
	if len(parts) > most {
		parts = append(parts[:most], fmt.Sprintf("and %d more", len(changes)-most))
	}
	return strings.Join(parts, ", ")
}

// reloadCollector shows the outcome of reloads to Prometheus.
type reloadCollector struct{ *reloader }

var (
	descReloaded    = prometheus.NewDesc("bearerd_config_last_reload_successful", "0 while the edited configuration is not the one in force, because it was refused.", nil, nil)
	descReloadTime  = prometheus.NewDesc("bearerd_config_last_reload_success_timestamp_seconds", "When the configuration in force was put in force, or last confirmed.", nil, nil)
	descReloads     = prometheus.NewDesc("bearerd_config_reloads_total", "Reloads that changed something.", nil, nil)
	descConfig      = prometheus.NewDesc("bearerd_config_info", "1; `hash` tells the configuration in force, without its literals.", []string{"hash"}, nil)
	descWatchErrors = prometheus.NewDesc("bearerd_config_watch_errors_total", "Folders that could not be watched, and lost events; such changes are found within 30 s.", nil, nil)
)

// Describe implements prometheus.Collector.
func (c reloadCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{descReloaded, descReloadTime, descReloads, descConfig, descWatchErrors} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (c reloadCollector) Collect(ch chan<- prometheus.Metric) {
	if c.reloader == nil {
		return // no daemon
	}
	last, good := c.report(), 1.0
	if last.Error != "" {
		good = 0
	}
	ch <- prometheus.MustNewConstMetric(descReloaded, prometheus.GaugeValue, good)
	ch <- prometheus.MustNewConstMetric(descReloadTime, prometheus.GaugeValue, float64(last.Success.Unix()))
	ch <- prometheus.MustNewConstMetric(descReloads, prometheus.CounterValue, float64(last.Generation))
	ch <- prometheus.MustNewConstMetric(descConfig, prometheus.GaugeValue, 1, last.Digest)
	ch <- prometheus.MustNewConstMetric(descWatchErrors, prometheus.CounterValue, float64(c.watcher.Failures.Load()))
}
