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

// setSecret keeps a secret, over one of that name; with If-None-Match: * only where there is none (RFC 9110 section 13.1.2).
func (a *API) setSecret(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("name")
	value, err := secretBody(r)
	if err != nil {
		fail(w, err)
		return
	}
	keep := a.put
	if r.Header.Get("If-None-Match") == "*" {
		keep = a.create
	}
	switch err := keep(r.Context(), secrets.StoreKey(name), value); {
	case errors.Is(err, secrets.ErrConflict):
		deny(w, http.StatusPreconditionFailed, fmt.Sprintf("there is a secret named %q already", name))
	case err != nil:
		fail(w, fmt.Errorf("keeping the secret %s: %w", name, err))
	default:
		a.mended()
		w.WriteHeader(http.StatusNoContent)
	}
}

// secretBody is the value that a request brings for the secret that its path names.
func secretBody(r *http.Request) ([]byte, error) {
	value, err := io.ReadAll(io.LimitReader(r.Body, secrets.MaxValue))
	switch {
	case err != nil:
		return nil, &badInput{"the value could not be read"}
	case !secrets.ValidName(r.PathValue("name")):
		return nil, &badInput{"a secret's name must be of letters, digits, . _ - and / between them, at most 128"}
	case len(bytes.Trim(value, "\r\n")) == 0:
		return nil, &badInput{"the value is empty"}
	case !utf8.Valid(value) || bytes.ContainsAny(value, "\x00"): // only the env of a program takes several lines
		return nil, &badInput{"the value must be UTF-8 text without NUL: no reference would give another one out"}
	case len(value) >= secrets.MaxValue:
		return nil, &badInput{"the value must be smaller than 64 KiB"}
	}
	return value, nil
}

// Compared is what a comparison with a secret tells.
type Compared struct {
	There bool `json:"there"` // there is a secret of that name
	Same  bool `json:"same"`  // it has the value that was asked about
}

// compareSecret says whether a secret has the value of the body, and changes nothing.
func (a *API) compareSecret(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("name")
	value, err := secretBody(r)
	if err != nil {
		fail(w, err)
		return
	}
	held, _, err := a.Store.Get(r.Context(), secrets.StoreKey(name))
	if err != nil && !errors.Is(err, secrets.ErrNotFound) {
		fail(w, fmt.Errorf("reading the secret %q: %w", name, err))
		return
	}
	reply(w, Compared{There: err == nil, Same: err == nil && secrets.New(string(held)).Equal(secrets.New(string(value)))})
}

// create is put for what is not there yet; else it is secrets.ErrConflict.
func (a *API) create(ctx context.Context, key string, value []byte) error {
	_, err := a.Store.Put(ctx, key, value, "")
	return err
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
