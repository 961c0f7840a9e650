package admin

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"bearerd/config"
	"bearerd/secrets"
)

// undoLimit is how long what has failed is taken back, whether who asked still waits or not.
const undoLimit = 10 * time.Second

// undoing is a context for taking back.
func undoing(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), undoLimit)
}

// undoer takes something back.
type undoer func(context.Context) error

// keepOwn keeps secrets of a server that the API makes. undo puts back what was there before.
func (a *API) keepOwn(ctx context.Context, server string, own map[string]secrets.Secret) (undo undoer, err error) {
	before := map[string][]byte{} // nil: there was none
	undo = func(ctx context.Context) (failed error) {
		for key, value := range before {
			if value == nil {
				failed = cmp.Or(failed, a.Store.Delete(ctx, key))
			} else {
				failed = cmp.Or(failed, a.put(ctx, key, value))
			}
		}
		if len(before) > 0 {
			a.mended()
		}
		return failed
	}
	if err := a.mayKeepOwn(ctx, server, own); err != nil {
		return nil, err
	}
	for _, field := range slices.Sorted(maps.Keys(own)) {
		key := secrets.StoreKey(config.OwnSecret(server, field))
		value, _, err := a.Store.Get(ctx, key)
		if err == nil || errors.Is(err, secrets.ErrNotFound) {
			before[key] = value
			err = a.put(ctx, key, []byte(own[field].Reveal()))
		}
		if err != nil {
			ctx, cancel := undoing(ctx)
			defer cancel()
			return nil, errors.Join(fmt.Errorf("keeping %s of server %q: %w", field, server, err), undo(ctx))
		}
	}
	return undo, nil
}

// mayKeepOwn refuses to write over a secret that another server uses, here or on another host that has the store too.
func (a *API) mayKeepOwn(ctx context.Context, server string, own map[string]secrets.Secret) error {
	for field := range own {
		name := config.OwnSecret(server, field)
		if other := a.otherUser(server, name); other != "" {
			return &notNow{fmt.Sprintf("server %q uses the secret %s, which this request would write over: "+
				"choose another name for this server, or have that one use another secret", other, name)}
		}
	}
	if a.Store == a.Local || len(own) == 0 || a.Config().Server(server) != nil {
		return nil
	}
	left, err := a.Store.List(ctx, secrets.StoreKey(config.OwnSecret(server, "")))
	if err != nil {
		return fmt.Errorf("looking for secrets of a server %q in the shared store: %w", server, err)
	}
	if len(left) > 0 {
		return &notNow{fmt.Sprintf("the shared store has secrets of a server %q that another host has made: choose another name, or, "+
			"if no host uses them, remove them with `bearerd secret rm %s`", server, strings.TrimPrefix(left[0], secrets.StoreKey("")))}
	}
	return nil
}

// dropOwn removes the secrets of a server that s does not refer to; nil: all of them. Those that another server uses stay.
func (a *API) dropOwn(ctx context.Context, server string, s *config.Server) error {
	keys, err := a.Store.List(ctx, secrets.StoreKey(config.OwnSecret(server, "")))
	for _, key := range keys {
		name := strings.TrimPrefix(key, secrets.StoreKey(""))
		if err == nil && !refersTo(s, name) && a.otherUser(server, name) == "" {
			err = a.Store.Delete(ctx, key)
		}
	}
	if err != nil {
		return fmt.Errorf("all else is done, but the secrets of server %q that are not used any more could not be removed "+
			"(`bearerd secret rm %s` does it): %w", server, config.OwnSecret(server, "…"), err)
	}
	return nil
}

// otherUser names a server in force beside this one that uses a secret of the store; "": there is none. A file that is written
// by hand may refer to any.
func (a *API) otherUser(server, name string) string {
	for _, s := range a.Config().Servers {
		if s.Name != server && refersTo(s, name) {
			return s.Name
		}
	}
	return ""
}

// refersTo reports whether a server uses a secret of the store.
func refersTo(s *config.Server, name string) bool {
	if s == nil {
		return false
	}
	all := []map[string]secrets.Ref{s.Headers, s.Env}
	if o := s.OAuth; o != nil {
		all = append(all, o.AuthorizationParams, o.AdditionalParams, o.CustomHeaders, map[string]secrets.Ref{
			"secret": o.ClientSecret, "refresh": o.RefreshToken, "private": o.PrivateKeyPath,
			"cert": o.ClientCertPath, "key": o.ClientKeyPath, "ca": o.CABundlePath,
		})
	}
	for _, refs := range all {
		for _, r := range refs {
			if r.Kind == secrets.Stored && r.Name == name {
				return true
			}
		}
	}
	return false
}
