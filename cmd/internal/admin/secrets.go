package admin

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"unicode/utf8"

	"bearerd/secrets"
)

func (a *API) listSecrets(w http.ResponseWriter, r *http.Request) {
	prefix := secrets.StoreKey("")
	keys, err := a.Store.List(r.Context(), prefix)
	if err != nil {
		fail(w, fmt.Errorf("listing the secrets: %w", err))
		return
	}
	names := []string{}
	for _, k := range keys {
		names = append(names, strings.TrimPrefix(k, prefix))
	}
	reply(w, names)
}

func (a *API) setSecret(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("name")
	value, err := io.ReadAll(io.LimitReader(r.Body, secrets.MaxValue))
	switch {
	case err != nil:
		fail(w, &badInput{"the value could not be read"})
	case !secrets.ValidName(name):
		fail(w, &badInput{"a secret's name must be of letters, digits, . _ - and / between them, at most 128"})
	case len(bytes.Trim(value, "\r\n")) == 0:
		fail(w, &badInput{"the value is empty"})
	case !utf8.Valid(value) || bytes.ContainsAny(value, "\x00"): // only the env of a program takes several lines
		fail(w, &badInput{"the value must be UTF-8 text without NUL: no reference would give another one out"})
	case len(value) >= secrets.MaxValue:
		fail(w, &badInput{"the value must be smaller than 64 KiB"})
	default:
		if err := a.put(r.Context(), secrets.StoreKey(name), value); err != nil {
			fail(w, fmt.Errorf("keeping the secret %s: %w", name, err))
			return
		}
		a.mended()
		w.WriteHeader(http.StatusNoContent)
	}
}

// put writes over whatever is there: the last writer of a secret is right.
func (a *API) put(ctx context.Context, key string, value []byte) error {
	for {
		_, rev, err := a.Store.Get(ctx, key)
		if err != nil && !errors.Is(err, secrets.ErrNotFound) {
			return err
		}
		if _, err = a.Store.Put(ctx, key, value, rev); !errors.Is(err, secrets.ErrConflict) {
			return err
		}
	}
}

func (a *API) removeSecret(w http.ResponseWriter, r *http.Request) {
	key := secrets.StoreKey(r.PathValue("name"))
	if _, _, err := a.Store.Get(r.Context(), key); errors.Is(err, secrets.ErrNotFound) {
		fail(w, fmt.Errorf("there is no secret named %q: %w", r.PathValue("name"), secrets.ErrNotFound))
		return
	} else if err != nil {
		fail(w, fmt.Errorf("reading the secret %q: %w", r.PathValue("name"), err))
		return
	}
	if err := a.Store.Delete(r.Context(), key); err != nil {
		fail(w, fmt.Errorf("removing the secret %s: %w", r.PathValue("name"), err))
		return
	}
	a.mended()
	w.WriteHeader(http.StatusNoContent)
}
