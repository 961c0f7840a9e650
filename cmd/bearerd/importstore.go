package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"bearerd/config"
	"bearerd/secrets"
	"bearerd/secrets/sealed"
)

// keeper puts secrets into the store, in the way of `secret set`. All names are new there.
type keeper struct {
	cmd  *cobra.Command
	cfg  *config.Config
	c    *caller // nil: nothing was kept yet
	kept []string
}

func (k *keeper) keep(values map[string]secrets.Secret) (err error) {
	for _, name := range slices.Sorted(maps.Keys(values)) {
		if k.c == nil {
			if k.c, err = reach(k.cmd, k.cfg); err != nil {
				return fmt.Errorf("opening the store: %w", err)
			}
			k.c.digest = "" // the configuration may not be written yet
		}
		if err := k.c.call(k.cmd.Context(), "PUT", secretPath(name), []byte(values[name].Reveal()), nil); err != nil {
			return fmt.Errorf("keeping the secrets: %w", err)
		}
		k.kept = append(k.kept, name)
	}
	return nil
}

// forget removes what was kept.
func (k *keeper) forget() (err error) {
	for _, name := range k.kept {
		err = errors.Join(err, k.c.call(context.WithoutCancel(k.cmd.Context()), "DELETE", secretPath(name), nil, nil))
	}
	return err
}

func (k *keeper) close() {
	if k.c != nil {
		k.c.close()
	}
}

// holding is what the store has before anything is kept. It is looked at once, when the first secret is met, and not changed.
type holding struct {
	cmd   *cobra.Command
	cfg   *config.Config
	names map[string]bool // nil: it was not looked at yet
	err   error
}

// has reports whether the store has a secret of that name.
func (h *holding) has(name string) bool {
	if h.names == nil {
		h.names = map[string]bool{}
		names, err := h.list()
		if err != nil {
			h.err = fmt.Errorf("looking into the store: %w", err)
		}
		for _, name := range names {
			h.names[name] = true
		}
	}
	return h.names[name]
}

func (h *holding) list() (names []string, err error) {
	if c := daemonAt(h.cmd, h.cfg.Store.Path); c != nil {
		defer c.close()
		return names, c.call(h.cmd.Context(), "GET", "/api/secrets", nil, &names)
	}
	view, err := sealed.Look(h.cfg.Store.Path, identityOf(h.cmd.Context(), h.cfg))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil // the first start makes it
	}
	if err != nil {
		return nil, err
	}
	under := secrets.StoreKey("")
	keys, err := view.List(h.cmd.Context(), under)
	for _, key := range keys {
		names = append(names, strings.TrimPrefix(key, under))
	}
	return names, err
}

// identityOf resolves what the store is sealed with; nil: the state folder has it.
func identityOf(ctx context.Context, cfg *config.Config) func() (string, error) {
	ref := cfg.Store.Identity
	if ref.IsZero() {
		return nil
	}
	return func() (string, error) {
		text, err := (&secrets.Resolver{}).ResolveText(ctx, ref)
		return text.Reveal(), err
	}
}
