package sealed

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"bearerd/secrets"
)

// errLooking is the answer to every change of a View.
var errLooking = errors.New("the store is only looked at")

// View is a folder of sealed records that is only read: it is not made, no identity is, and a record that cannot be read
// stays where it is. Use Look to make one.
type View struct{ store *Store }

var _ secrets.Store = View{}

// Look is Open for whoever must change nothing. A missing folder is fs.ErrNotExist.
func Look(dir string, identity func() (string, error)) (View, error) {
	s := &Store{dir: dir, identity: identity, log: slog.New(slog.DiscardHandler), writing: make(chan struct{}, 1)}
	_, err := os.Stat(dir)
	if err == nil {
		err = checkFolder(dir)
	}
	if err == nil {
		err = s.readKeys()
	}
	if names, _ := s.recordNames(); isMisfit(err) && len(names) == 0 {
		err = nil // the first start makes the keys
	}
	if err != nil {
		return View{}, fmt.Errorf("store %s: %w", dir, err)
	}
	return View{s}, nil
}

// Get is Store.Get, but a damaged record is an error.
func (v View) Get(ctx context.Context, key string) ([]byte, secrets.Revision, error) {
	if err := usable(ctx, key); err != nil {
		return nil, "", v.store.failed("read", key, err)
	}
	r, err := v.read(hashed(key))
	if err != nil {
		return nil, "", v.store.failed("read", key, err)
	}
	return r.Value, r.Rev, nil
}

// read looks again with the identities of this moment, as another process may have rekeyed the store.
func (v View) read(name string) (record, error) {
	if v.store.keys.Load() == nil {
		return record{}, secrets.ErrNotFound
	}
	r, err := v.store.read(name)
	if isDamage(err) && v.store.refresh() == nil {
		return v.store.read(name)
	}
	return r, err
}

// List is Store.List. It passes over what cannot be read.
func (v View) List(ctx context.Context, prefix string) ([]string, error) {
	var keys []string
	_, _, err := v.each(ctx, func(r record) {
		if strings.HasPrefix(r.Key, prefix) {
			keys = append(keys, r.Key)
		}
	})
	slices.Sort(keys)
	return keys, err
}

// Damaged counts the records, and names the files of those that cannot be read. An error is one of the disk.
func (v View) Damaged(ctx context.Context) (records int, files []string, err error) {
	return v.each(ctx, func(record) {})
}

func (v View) each(ctx context.Context, do func(record)) (records int, damaged []string, err error) {
	names, err := v.store.recordNames()
	if err != nil {
		return 0, nil, fmt.Errorf("store %s: cannot list the records: %w", v.store.dir, err)
	}
	for _, name := range names {
		if err := ctx.Err(); err != nil {
			return records, damaged, err
		}
		r, err := v.read(name)
		switch {
		case errors.Is(err, secrets.ErrNotFound): // deleted meanwhile
			continue
		case isDamage(err):
			damaged = append(damaged, filepath.Join("records", name+recordExt))
		case err != nil:
			return records, damaged, fmt.Errorf("store %s: cannot read the record %s: %w", v.store.dir, name, err)
		default:
			do(r)
		}
		records++
	}
	return records, damaged, nil
}

// Put fails.
func (v View) Put(context.Context, string, []byte, secrets.Revision) (secrets.Revision, error) {
	return "", errLooking
}

// Delete fails.
func (v View) Delete(context.Context, string) error { return errLooking }

// Place is Store.Place.
func (v View) Place() string { return v.store.Place() }

// Network is Store.Network.
func (v View) Network() string { return v.store.Network() }
