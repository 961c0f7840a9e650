package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"bearerd/cmd/internal/app"
	"bearerd/cmd/internal/doctor"
	"bearerd/config"
	"bearerd/inject/peer"
	"bearerd/inject/stdio"
	"bearerd/secrets"
	"bearerd/secrets/vault"
)

// finding is something that a valid configuration wants and this machine does not have.
type finding struct {
	Server  string `json:"server,omitempty"` // "": about a block that is not a server's
	Message string `json:"message"`
	Fatal   bool   `json:"fatal"` // wrong wherever bearerd is started from; the rest may only be missing in this shell
}

// vaultLimit bounds what is asked of Vault, all together.
const vaultLimit = 5 * time.Second

// missing looks for commands and secrets. It creates nothing: without a store there are no stored secrets yet.
func missing(ctx context.Context, cfg *config.Config) (found []finding) {
	near := &secrets.Resolver{Store: noStore{}}
	local := localStore(ctx, cfg)
	if local != nil {
		near.Store = local
	}
	found = login(ctx, cfg, near)
	var far *secrets.Resolver
	var client *vault.Client
	by := time.Now().Add(vaultLimit)
	if cfg.Vault != nil && len(found) == 0 {
		var err error
		if client, err = openVault(cfg, near, local); err != nil {
			found = append(found, finding{"", err.Error(), false})
		} else {
			defer client.Close(context.WithoutCancel(ctx))
			far = throughVault(cfg, client, near, by)
		}
	}
	found = append(found, metricsKey(ctx, cfg, near, far)...)
	first := map[string]string{} // server by fingerprint of its refresh token
	for _, s := range cfg.Servers {
		values, lacks := look(ctx, cfg, s, near, far)
		found = append(found, lacks...)
		if v := values["OAUTH_REFRESH_TOKEN"]; !v.IsZero() {
			if other, ok := first[v.Fingerprint()]; ok {
				found = append(found, finding{s.Name, fmt.Sprintf("OAUTH_REFRESH_TOKEN has the value of that of server %q, "+
					"and may be spent once: give each server a refresh token of its own", other), true})
			} else {
				first[v.Fingerprint()] = s.Name
			}
		}
		found = append(found, strangers(s)...)
		if s.Command == "" {
			continue
		}
		if err := stdio.LookPath(s, values["env PATH"]); err != nil {
			found = append(found, finding{s.Name, err.Error(), true})
		}
	}
	found = append(found, strangeGroups(cfg)...)
	if client != nil {
		found = append(found, engines(ctx, cfg, client, by)...)
	}
	return found
}

// engines looks whether the engines in Vault are of the right kind, and whether the records of a shared store can be
// read. What one server's references lack is told with the server.
func engines(ctx context.Context, cfg *config.Config, client *vault.Client, by time.Time) (found []finding) {
	ctx, cancel := context.WithDeadline(ctx, by)
	defer cancel()
	if err := client.Verify(ctx, cfg.Vault.Mount); errors.Is(err, vault.ErrEngine) {
		found = append(found, finding{"", "vault: " + err.Error(), true})
	}
	if cfg.Shared == nil {
		return found
	}
	err := client.Verify(ctx, cfg.Shared.Mount)
	switch {
	case errors.Is(err, vault.ErrEngine) && cfg.Shared.Mount == cfg.Vault.Mount: // told already
		return found
	case err == nil && len(cfg.Servers) > 0:
		_, _, err = client.Store(cfg.Shared.Mount, cfg.Shared.Prefix).Get(ctx, "grant/"+cfg.Servers[0].Name)
	}
	if err != nil && !errors.Is(err, secrets.ErrNotFound) {
		found = append(found, finding{"", `store "vault": ` + err.Error(), errors.Is(err, vault.ErrEngine)})
	}
	return found
}

// strangers are the users and groups that may have a token and are not known here.
func strangers(s *config.Server) (found []finding) {
	users, groups := app.Strangers(s)
	for _, name := range users {
		found = append(found, finding{s.Name, fmt.Sprintf("allow_users: there is no user %q", name), false})
	}
	for _, name := range groups {
		found = append(found, finding{s.Name, fmt.Sprintf("allow_groups: there is no group %q", name), false})
	}
	return found
}

// strangeGroups are those that a socket is to be given to and that are not known here.
func strangeGroups(cfg *config.Config) (found []finding) {
	look := func(server, attr, group string) {
		if _, ok := peer.GroupID(group); group != "" && !ok {
			found = append(found, finding{server, fmt.Sprintf("%s: there is no group %q", attr, group), false})
		}
	}
	look("", "proxy: socket_group", cfg.Proxy.SocketGroup)
	if cfg.Use != nil {
		look("", "use: group", cfg.Use.Group)
	}
	for _, s := range cfg.Servers {
		if s.Listen != "" {
			look(s.Name, "socket_group", s.SocketGroup)
		}
	}
	return found
}

// through is what reads a reference: far, through Vault, or near. What is in Vault is passed over while far is nil, since what
// keeps one from asking is a finding already.
func through(cfg *config.Config, ref secrets.Ref, near, far *secrets.Resolver) *secrets.Resolver {
	if ref.Kind == secrets.Vault || ref.Kind == secrets.Stored && cfg.Shared != nil {
		return far
	}
	return near
}

// metricsKey reads the key of /metrics, which the daemon reads at each scrape.
func metricsKey(ctx context.Context, cfg *config.Config, near, far *secrets.Resolver) []finding {
	ref := cfg.Admin.MetricsKey
	resolve := through(cfg, ref, near, far)
	if ref.IsZero() || resolve == nil {
		return nil
	}
	key, err := resolve.ResolveText(ctx, ref)
	switch {
	case errors.Is(err, vault.ErrEngine): // engines tells that
		return nil
	case err != nil:
		return []finding{{"", fmt.Sprintf("admin: metrics_key: %v", err), false}}
	}
	if err := config.CheckMetricsKey(key); err != nil {
		elsewhere := ref.Kind == secrets.Env || ref.Kind == secrets.Credential // bearerd may be started with another value
		return []finding{{"", fmt.Sprintf("admin: metrics_key: %s: %v", ref, err), !elsewhere}}
	}
	return nil
}

// look reads what a server's configuration refers to.
func look(
	ctx context.Context, cfg *config.Config, s *config.Server, near, far *secrets.Resolver,
) (values map[string]secrets.Secret, lacks []finding) {
	values = map[string]secrets.Secret{}
	for _, u := range doctor.Uses(s) {
		resolve := through(cfg, u.Ref, near, far)
		if resolve == nil {
			continue
		}
		v, err := resolve.ResolveText(ctx, u.Ref)
		values[u.What] = v
		if err != nil && !errors.Is(err, vault.ErrEngine) { // engines tells that once
			lacks = append(lacks, finding{s.Name, fmt.Sprintf("%s: %v", u.What, err), false})
		}
	}
	return values, lacks
}

// localStore opens the store of the state folder if there is one.
func localStore(ctx context.Context, cfg *config.Config) secrets.Store {
	if _, err := os.Stat(filepath.Join(cfg.Store.Path, "recipient.txt")); err != nil {
		return nil
	}
	store, err := app.OpenStore(ctx, cfg, newLog(os.Stderr, config.Log{Level: "error", Format: "auto"}))
	if err != nil {
		return nil
	}
	return store
}

// login looks for what the login to Vault refers to.
func login(ctx context.Context, cfg *config.Config, near *secrets.Resolver) (found []finding) {
	if cfg.Vault == nil {
		return nil
	}
	for _, u := range doctor.VaultUses(cfg.Vault) {
		if _, err := near.ResolveText(ctx, u.Ref); err != nil {
			found = append(found, finding{"", fmt.Sprintf("vault: %s: %v", u.What, err), false})
		}
	}
	return found
}

// openVault prepares a connection of its own. A wrapping token serves once, so without a place to keep what it gives it
// is left alone.
func openVault(cfg *config.Config, near *secrets.Resolver, local secrets.Store) (*vault.Client, error) {
	if cfg.Vault.Auth.Wrapped && local == nil {
		return nil, errors.New("vault: not asked, since the wrapped secret_id is for the first start, not for this command")
	}
	return vault.Open(cfg.Vault, near, local, nil)
}

// throughVault is near with Vault, which is asked until a time at the latest.
func throughVault(cfg *config.Config, client *vault.Client, near *secrets.Resolver, by time.Time) *secrets.Resolver {
	r := &secrets.Resolver{Store: near.Store}
	r.Vault = func(ctx context.Context, path, field string) (string, error) {
		ctx, cancel := context.WithDeadline(ctx, by)
		defer cancel()
		return client.Read(ctx, path, field)
	}
	if cfg.Shared != nil {
		r.Store = storeBy{client.Store(cfg.Shared.Mount, cfg.Shared.Prefix), by}
	}
	return r
}

// storeBy is a store that is read until a time at the latest.
type storeBy struct {
	secrets.Store
	by time.Time
}

func (s storeBy) Get(ctx context.Context, key string) ([]byte, secrets.Revision, error) {
	ctx, cancel := context.WithDeadline(ctx, s.by)
	defer cancel()
	return s.Store.Get(ctx, key)
}

// tell prints the findings and reports whether one of them is fatal.
func tell(w io.Writer, found []finding) (fatal bool) {
	for _, f := range found {
		severity := "missing here"
		if f.Fatal {
			severity, fatal = "error", true
		}
		if f.Server != "" {
			severity += fmt.Sprintf(": server %q", f.Server)
		}
		_, _ = fmt.Fprintf(w, "%s: %s\n", severity, f.Message)
	}
	return fatal
}

// noStore stands for a state folder that has not been made yet.
type noStore struct{ secrets.Store }

func (noStore) Get(context.Context, string) ([]byte, secrets.Revision, error) {
	return nil, "", secrets.ErrNotFound
}
