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
		return failed
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

// dropOwn removes the secrets of a server that s does not refer to; nil: all of them.
func (a *API) dropOwn(ctx context.Context, server string, s *config.Server) error {
	keys, err := a.Store.List(ctx, secrets.StoreKey(config.OwnSecret(server, "")))
	for _, key := range keys {
		if err == nil && !refersTo(s, strings.TrimPrefix(key, secrets.StoreKey(""))) {
			err = a.Store.Delete(ctx, key)
		}
	}
	if err != nil {
		return fmt.Errorf("removing the secrets of server %q that are not used any more: %w", server, err)
	}
	return nil
}

// refersTo reports whether a server uses a secret of the store.
func refersTo(s *config.Server, name string) bool {
	if s == nil {
		return false
	}
	refs := slices.Concat(slices.Collect(maps.Values(s.Headers)), slices.Collect(maps.Values(s.Env)))
	if s.OAuth != nil {
		refs = append(refs, s.OAuth.ClientSecret, s.OAuth.RefreshToken)
	}
	return slices.ContainsFunc(refs, func(r secrets.Ref) bool { return r.Kind == secrets.Stored && r.Name == name })
}
