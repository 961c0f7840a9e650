package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"bearerd/cmd/internal/app"
	"bearerd/config"
	"bearerd/inject/stdio"
	"bearerd/secrets"
)

// finding is something that a valid configuration wants and this machine does not have.
type finding struct {
	Server  string `json:"server"`
	Message string `json:"message"`
	Fatal   bool   `json:"fatal"` // wrong wherever bearerd is started from; the rest may only be missing in this shell
}

// missing looks for commands and secrets. It creates nothing: without a store there are no stored secrets yet.
func missing(ctx context.Context, cfg *config.Config) (found []finding) {
	resolve := &secrets.Resolver{Store: noStore{}}
	if _, err := os.Stat(filepath.Join(cfg.Store.Path, "recipient.txt")); err == nil {
		if store, err := app.OpenStore(ctx, cfg, newLog(config.Log{Level: "error", Format: "auto"})); err == nil {
			resolve.Store = store
		}
	}
	for _, s := range cfg.Servers {
		values := map[string]secrets.Secret{}
		for _, u := range uses(s) {
			v, err := resolve.ResolveText(ctx, u.ref)
			values[u.what] = v
			if err != nil {
				found = append(found, finding{s.Name, fmt.Sprintf("%s: %v", u.what, err), false})
			}
		}
		if s.Command == "" {
			continue
		}
		if err := stdio.LookPath(s, values["env PATH"]); err != nil {
			found = append(found, finding{s.Name, err.Error(), true})
		}
	}
	return found
}

// use is one place where a server's configuration refers to a secret.
type use struct {
	what string
	ref  secrets.Ref
}

func uses(s *config.Server) (list []use) {
	add := func(prefix string, refs map[string]secrets.Ref) {
		for _, name := range slices.Sorted(maps.Keys(refs)) {
			list = append(list, use{prefix + " " + name, refs[name]})
		}
	}
	add("env", s.Env)
	add("headers", s.Headers)
	if o := s.OAuth; o != nil && o.Enabled {
		if !o.ClientSecret.IsZero() {
			list = append(list, use{"OAUTH_CLIENT_SECRET", o.ClientSecret})
		}
		add("OAUTH_ADDITIONAL_PARAMS", o.AdditionalParams)
		add("OAUTH_CUSTOM_HEADERS", o.CustomHeaders)
	}
	return list
}

// tell prints the findings and reports whether one of them is fatal.
func tell(w io.Writer, found []finding) (fatal bool) {
	for _, f := range found {
		severity := "missing here"
		if f.Fatal {
			severity, fatal = "error", true
		}
		_, _ = fmt.Fprintf(w, "%s: server %q: %s\n", severity, f.Server, f.Message)
	}
	return fatal
}

// noStore stands for a state folder that has not been made yet.
type noStore struct{ secrets.Store }

func (noStore) Get(context.Context, string) ([]byte, secrets.Revision, error) {
	return nil, "", secrets.ErrNotFound
}
