package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/http"
	"slices"

	"github.com/spf13/cobra"

	"bearerd/cmd/internal/admin"
	"bearerd/config"
	"bearerd/secrets"
	"bearerd/secrets/sealed"
)

// keeper puts secrets into the store. What is there already stays, and is not forgotten.
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
			k.c.digest, k.c.onlyNew = "", true // the configuration may not be written yet
		}
		if err := k.one(name, []byte(values[name].Reveal())); err != nil {
			return fmt.Errorf("keeping the secrets: %w", err)
		}
	}
	return nil
}

func (k *keeper) one(name string, value []byte) error {
	err := k.c.call(k.cmd.Context(), "PUT", secretPath(name), value, nil)
	var p *problem
	if errors.As(err, &p) && p.status == http.StatusPreconditionFailed {
		there, same, err := compare(k.cmd.Context(), k.c, name, value)
		if err == nil && there && !same {
			err = fmt.Errorf("somebody else has just kept another one as %s: run the command again", name)
		}
		return err
	}
	if err == nil {
		k.kept = append(k.kept, name)
	}
	return err
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

// compare asks whether a secret has a value.
func compare(ctx context.Context, c *caller, name string, value []byte) (there, same bool, err error) {
	var said admin.Compared
	err = c.call(ctx, "POST", secretPath(name)+"/compare", value, &said)
	return said.There, said.Same, err
}

// holding is what the store has before anything is kept. It is opened when the first secret is met, and not changed.
type holding struct {
	cmd    *cobra.Command
	cfg    *config.Config
	dryRun bool
	c      *caller      // nil: view is looked at
	view   *sealed.View // nil: there is no store yet
	opened bool
	err    error
}

// compare reports whether the store has a secret of that name, and whether it is this one.
func (h *holding) compare(name string, value secrets.Secret) (there, same bool) {
	ctx := h.cmd.Context()
	if !h.opened {
		h.opened, h.err = true, h.open(ctx)
	}
	if h.err == nil && h.c != nil {
		there, same, h.err = compare(ctx, h.c, name, []byte(value.Reveal()))
	} else if h.err == nil && h.view != nil {
		held, _, err := h.view.Get(ctx, secrets.StoreKey(name))
		if there = err == nil; !errors.Is(err, secrets.ErrNotFound) {
			h.err = err
		}
		same = there && secrets.New(string(held)).Equal(value)
	}
	if h.err != nil {
		return false, false
	}
	return there, same
}

// open makes no store where there is none, unless it lies in Vault and this is no dry run.
func (h *holding) open(ctx context.Context) (err error) {
	if h.c = daemonAt(h.cmd, h.cfg.Store.Path); h.c != nil {
		return nil
	}
	view, err := sealed.Look(h.cfg.Store.Path, identityOf(ctx, h.cfg))
	none := errors.Is(err, fs.ErrNotExist)
	switch {
	case err != nil && !none:
		return err
	case h.cfg.Shared != nil && none && h.dryRun:
		_, _ = fmt.Fprintln(h.cmd.ErrOrStderr(), "note: the store in Vault was not looked at, as bearerd was not started here yet")
		return nil
	case h.cfg.Shared != nil:
		if h.c, err = reach(h.cmd, h.cfg); err == nil {
			h.c.digest = ""
		}
		return err
	case !none:
		h.view = &view
	}
	return nil
}

// close says what kept it from looking.
func (h *holding) close() error {
	if h.c != nil {
		h.c.close()
	}
	if h.err != nil {
		return fmt.Errorf("looking into the store: %w", h.err)
	}
	return nil
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
