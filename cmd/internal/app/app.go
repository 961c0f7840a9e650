// Package app wires the rooms together in two roles: the daemon, which serves every url server and keeps all tokens
// fresh, and exec, which serves one stdio server. It owns the order of start and stop and the metrics registry, and
// decides nothing about tokens itself.
package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"bearerd/cmd/internal/admin"
	"bearerd/cmd/internal/audit"
	"bearerd/config"
	"bearerd/engine"
	"bearerd/inject/proxy"
	"bearerd/secrets"
	"bearerd/secrets/sealed"
	"bearerd/secrets/vault"
)

// App is the part that every role and every command shares: the store, the engine and the local keys.
type App struct {
	Log     *slog.Logger
	Version string

	config  atomic.Pointer[config.Config]
	local   secrets.Store // keys, copies, what never leaves this host
	store   secrets.Store // tokens and secrets; local itself unless they are in Vault
	vault   *vault.Client // nil: no Vault is configured
	resolve *secrets.Resolver
	engine  *engine.Engine
	keys    proxy.Keys
	key     secrets.Secret // of the REST API
	reload  *reloader      // nil: no daemon
	proxy   *proxy.Proxy   // nil: no daemon
	record  *recorder      // nil: the state folder is another user's
	live    *admin.Live

	elsewhere bool // the tokens come from another user's daemon
}

// Open opens the stores of cfg and prepares a source for each server; nothing is asked of anybody yet.
func Open(ctx context.Context, cfg *config.Config, log *slog.Logger, version string) (*App, error) {
	local, err := OpenStore(ctx, cfg, log)
	if err != nil {
		return nil, err
	}
	keys, err := proxy.LoadKeys(ctx, local)
	if err != nil {
		return nil, err
	}
	key, err := admin.AdminKey(ctx, local)
	if err != nil {
		return nil, err
	}
	a := &App{Log: log, Version: version, local: local, store: local, keys: keys, key: key, resolve: &secrets.Resolver{Store: local}}
	if cfg.Vault != nil {
		if err := a.openVault(cfg); err != nil {
			return nil, err
		}
	}
	a.config.Store(cfg)
	a.record = &recorder{audit: AuditLog(cfg), log: log}
	a.live = admin.NewLive()
	a.engine = engine.New(ctx, a.store, folder(local), a.resolve, log)
	a.engine.Observe(func(e engine.Event) {
		a.record.happened(e)
		a.live.Observe(e)
	})
	a.engine.Prepare(cfg).Commit()
	return a, nil
}

// folder is what the engine needs of the state folder.
func folder(s *sealed.Store) engine.Local {
	return engine.Local{
		Store: s, Lock: s.Lock, Place: s.Place(), Network: s.Network(),
		Reserve: func(ctx context.Context, key string) (func(context.Context, []byte) error, func(), error) {
			space, err := s.Reserve(ctx, key)
			if err != nil {
				return nil, nil, err
			}
			return space.Put, space.Release, nil
		},
	}
}

// OpenStore opens the sealed store of cfg.
func OpenStore(ctx context.Context, cfg *config.Config, log *slog.Logger) (*sealed.Store, error) {
	var identity func() (string, error)
	if ref := cfg.Store.Identity; !ref.IsZero() {
		identity = func() (string, error) {
			text, err := (&secrets.Resolver{}).ResolveText(ctx, ref)
			return text.Reveal(), err
		}
	}
	store, err := sealed.Open(cfg.Store.Path, identity, log)
	if err != nil {
		return nil, fmt.Errorf("store %q: %w", cfg.Store.Path, err)
	}
	return store, nil
}

// LocalKey is the key that a client shows the proxy of cfg's state folder.
func LocalKey(ctx context.Context, cfg *config.Config, server, client string) (string, error) {
	store, err := OpenStore(ctx, cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		return "", err
	}
	keys, err := proxy.LoadKeys(ctx, store)
	if err != nil {
		return "", err
	}
	return keys.Issue(server, client).Reveal(), nil
}

// AdminKey is the key of the REST API and the page, or another one in its place, for whoever may open the state folder of cfg.
func AdminKey(ctx context.Context, cfg *config.Config, renew bool) (secrets.Secret, error) {
	store, err := OpenStore(ctx, cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		return secrets.Secret{}, err
	}
	action := "admin-key"
	if renew {
		action = "admin-key --new"
	}
	if err := Recorded(cfg, action); err != nil {
		return secrets.Secret{}, err
	}
	if renew {
		if err := admin.DropKey(ctx, store); err != nil {
			return secrets.Secret{}, err
		}
	}
	return admin.AdminKey(ctx, store)
}

// API is the admin interface of this process; pid is the daemon's, 0 in any other process.
func (a *App) API(pid int) *admin.API {
	registry := prometheus.NewRegistry()
	if a.vault != nil {
		registry.MustRegister(vaultCollector{a.vault})
	}
	registry.MustRegister(
		engine.Collector{Engine: a.engine},
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		reloadCollector{a.reload},
	)
	api := &admin.API{
		Config: a.config.Load, Engine: a.engine, Store: a.store, Vault: a.vault, Outdated: a.outdated, Troubled: a.troubled, Keys: a.keys,
		Registry: registry, Version: a.Version, PID: pid, Local: a.local, Audit: a.record.audit, Redirect: a.config.Load().Callback(),
		Key: a.key, Log: a.Log, Mended: a.mended,
	}
	if !a.config.Load().Admin.MetricsKey.IsZero() {
		api.MetricsKey = a.metricsKey
	}
	if r := a.reload; r != nil {
		api.Reload, api.LastReload, api.Edit, api.CanMake = r.now, r.report, r.edit, r.canMake
		api.MayEdit = r.mayEdit
		api.Upstream, api.Live = a.proxy.Last, a.live
	}
	return api
}

// mended tells whoever has read a secret, or could not, that it has changed.
func (a *App) mended() {
	a.engine.Mended()
	if a.proxy != nil {
		a.proxy.Reread()
	}
}

// metricsKey is the value of metrics_key, as it is now. A weak one opens nothing.
func (a *App) metricsKey(ctx context.Context) (secrets.Secret, error) {
	ref := a.config.Load().Admin.MetricsKey
	key, err := a.resolve.ResolveText(ctx, ref)
	if err != nil {
		return secrets.Secret{}, err
	}
	if err := config.CheckMetricsKey(key); err != nil {
		return secrets.Secret{}, fmt.Errorf("%s: %w", ref, err)
	}
	return key, nil
}

// tryMetricsKey says at start what would otherwise be found at the first scrape.
func (a *App) tryMetricsKey(ctx context.Context) {
	if a.config.Load().Admin.MetricsKey.IsZero() {
		return
	}
	if _, err := a.metricsKey(ctx); err != nil && !errors.Is(err, context.Canceled) {
		a.Log.Warn("/metrics cannot be had with metrics_key", "error", err)
	}
}

// Handler answers the commands in-process, when no daemon runs.
func (a *App) Handler() http.Handler { return as(self(), a.API(0).Handler()) }

// as has a handler act on behalf of an actor.
func as(actor string, h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.ServeHTTP(w, r.WithContext(audit.WithActor(r.Context(), actor)))
	})
}

// Close waits for everything that is in flight.
func (a *App) Close() {
	a.engine.Close()
	if a.record != nil {
		a.record.done.Wait()
	}
	if a.vault != nil {
		a.vault.Close(context.Background())
	}
}
