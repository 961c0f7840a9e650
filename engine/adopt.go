package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"bearerd/secrets"
)

// Adopt makes place the home of every grant whose record belongs to another state folder, and returns the names of their
// servers, sorted. What else is in a record stays as it is. It is right only if nobody uses the other folder any more:
// a refresh token that two spend is revoked. After an error, adopted says what was done until then.
func Adopt(ctx context.Context, store secrets.Store, place string) (adopted []string, err error) {
	for _, prefix := range []string{copyKey(""), recordKey("")} { // an answer in the journal becomes the record later
		keys, err := store.List(ctx, prefix)
		if err != nil {
			return adopted, fmt.Errorf("listing the stored grants: %w", err)
		}
		for _, key := range keys {
			name := strings.TrimPrefix(key, prefix)
			changed, err := adoptRecord(ctx, store, key, place)
			if err != nil {
				return adopted, fmt.Errorf("adopting the stored grant of %q: %w", name, err)
			}
			if changed && !slices.Contains(adopted, name) {
				adopted = append(adopted, name)
			}
		}
	}
	slices.Sort(adopted)
	return adopted, nil
}

// adoptRecord tries until nobody else writes at the same moment.
func adoptRecord(ctx context.Context, store secrets.Store, key, place string) (changed bool, err error) {
	for {
		b, rev, err := store.Get(ctx, key)
		if errors.Is(err, secrets.ErrNotFound) {
			return false, nil // deleted since it was listed
		}
		if err != nil {
			return false, err
		}
		if b, err = moved(b, place); b == nil || err != nil {
			return false, err
		}
		if _, err = store.Put(ctx, key, b, rev); !errors.Is(err, secrets.ErrConflict) {
			return err == nil, err
		}
	}
}

// moved is the record b at another place; nil when it is there already, or is bound to none.
func moved(b []byte, place string) ([]byte, error) {
	var r record
	var all map[string]json.RawMessage // what this version does not know stays in it
	if json.Unmarshal(b, &r) != nil || json.Unmarshal(b, &all) != nil {
		return nil, nil // the next token is written over it
	}
	if r.Place == "" || r.Place == place {
		return nil, nil
	}
	if r.Schema > schema {
		return nil, errors.New("it was written by a newer bearerd: upgrade this one")
	}
	home, err := json.Marshal(place)
	if err != nil {
		return nil, err
	}
	all["place"] = home
	return json.Marshal(all)
}
