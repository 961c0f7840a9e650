package app

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"bearerd/config"
	"bearerd/secrets/vault"
)

// How long a start waits to hear what kind of engine a mount is: an MCP client does not wait long for its server.
const (
	verifyRun  = 3 * time.Second
	verifyExec = time.Second
)

// openVault makes Vault the place of vault(…) references and, with store "vault", of tokens and secrets. Its own login is
// read from this host.
func (a *App) openVault(cfg *config.Config) (err error) {
	near := *a.resolve
	if a.vault, err = vault.Open(cfg.Vault, &near, a.local, a.Log); err != nil {
		return fmt.Errorf("vault: %w", err)
	}
	a.resolve.Vault = a.vault.Read
	if cfg.Shared != nil {
		a.store = a.vault.Store(cfg.Shared.Mount, cfg.Shared.Prefix)
		a.resolve.Store = a.store
	}
	return nil
}

// runVault keeps the connection logged in until the returned function is called. It fails only when Vault answers that a
// mount is of a kind that cannot be used: an outage and a refusal may end without a restart.
func (a *App) runVault(ctx context.Context, limit time.Duration) (end func(), err error) {
	if a.vault == nil {
		return func() {}, nil
	}
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	wg.Go(func() { a.vault.Run(ctx, a.engine.Mended) })
	end = func() {
		cancel()
		wg.Wait()
	}
	if err := a.verify(ctx, limit); err != nil {
		end()
		return nil, err
	}
	return end, nil
}

func (a *App) verify(ctx context.Context, limit time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	cfg := a.config.Load()
	mounts := []string{cfg.Vault.Mount}
	if cfg.Shared != nil && cfg.Shared.Mount != cfg.Vault.Mount {
		mounts = append(mounts, cfg.Shared.Mount)
	}
	for _, mount := range mounts {
		err := a.vault.Verify(ctx, mount)
		switch {
		case errors.Is(err, vault.ErrEngine):
			return err
		case err != nil && a.vault.Status().Up:
			a.Log.Warn("going on, though it is not known which engine is at "+mount, "error", err)
		case err != nil:
			a.Log.Warn("starting without Vault", "error", err)
			return nil
		}
	}
	return nil
}

// vaultCollector shows the connection to Prometheus.
type vaultCollector struct{ client *vault.Client }

var (
	descUp       = prometheus.NewDesc("bearerd_vault_up", "1 while Vault answers and lets bearerd in.", nil, nil)
	descLogins   = prometheus.NewDesc("bearerd_vault_logins_total", "Logins to Vault, by `result` (`success`, `failure`).", []string{"result"}, nil)
	descRenewals = prometheus.NewDesc("bearerd_vault_renewals_total", "Renewals of bearerd's own Vault token.", nil, nil)
	descExpiry   = prometheus.NewDesc("bearerd_vault_token_expiry_timestamp_seconds", "When bearerd's own Vault token expires; absent: never, or not logged in.", nil, nil)
)

// Describe implements prometheus.Collector.
func (c vaultCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{descUp, descLogins, descRenewals, descExpiry} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (c vaultCollector) Collect(ch chan<- prometheus.Metric) {
	st := c.client.Status()
	up := 0.0
	if st.Up {
		up = 1
	}
	ch <- prometheus.MustNewConstMetric(descUp, prometheus.GaugeValue, up)
	ch <- prometheus.MustNewConstMetric(descLogins, prometheus.CounterValue, float64(st.Logins), "success")
	ch <- prometheus.MustNewConstMetric(descLogins, prometheus.CounterValue, float64(st.LoginFailures), "failure")
	ch <- prometheus.MustNewConstMetric(descRenewals, prometheus.CounterValue, float64(st.Renewals))
	if !st.TokenExpires.IsZero() {
		ch <- prometheus.MustNewConstMetric(descExpiry, prometheus.GaugeValue, float64(st.TokenExpires.Unix()))
	}
}
