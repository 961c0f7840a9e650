// Package sealed is the embedded default store: one age-encrypted file for each record, for many goroutines and many
// processes of one user. It knows keys and bytes only, never what they mean, and uses no network.
//
// The folder has mode 0700 and belongs to the caller. In it:
//
//	identity.txt   the age identities (0600), the first seals and all open; absent when they are given from outside
//	recipient.txt  the recipients that records may be sealed for; public. What a killed process leaves of these two, with
//	               names that begin with a dot, the next Open or Rekey removes
//	records/       HASH.age; HASH is the first 32 hexadecimal digits of the SHA-256 of the key. Beside them, with names
//	               that begin with a dot, files being written and room that Reserve keeps; what a killed process leaves
//	               of them the next Reserve removes
//	set-aside/     TIME-HASH.age: records that could not be read; nothing in it is ever removed, by Delete neither
//	locks/         store.lock, held during each write, and HASH.lock for Lock; a file in it is never removed
//
// Two rules make every moment a safe one to crash. A file is replaced whole: written aside, synced, renamed. And
// recipient.txt names a recipient before the first record is sealed for it, until after the last one is gone: whoever
// holds an identity for each of its lines can read everything, so what still cannot be read is damaged or foreign.
package sealed

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"unicode/utf8"

	"bearerd/secrets"
	"bearerd/secrets/disk"
)

// Store is a folder of sealed records. Use Open to make one; there is nothing to close.
type Store struct {
	dir      string
	identity func() (string, error) // nil: kept in identity.txt
	log      *slog.Logger
	keys     atomic.Pointer[keys]
	writing  chan struct{}           // the writers of this process queue here, so that only one polls the file lock
	fault    func(step string) error // tests stop a Rekey with it; else nil
}

var _ secrets.Store = (*Store)(nil)

// Open opens the folder dir and makes it if it is missing. identity returns the content of an age identity file; with
// nil the identity is kept in the folder, and made when the folder holds no record yet. An identity that does not fit
// the records is an error that names both recipients. Damaged records are reported to log; nil: to nobody.
func Open(dir string, identity func() (string, error), log *slog.Logger) (*Store, error) {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	s := &Store{dir: dir, identity: identity, log: log, writing: make(chan struct{}, 1)}
	if err := checkFolder(dir); err != nil {
		return nil, fmt.Errorf("store %s: %w", dir, err)
	}
	if err := s.openKeys(); err != nil {
		return nil, fmt.Errorf("store %s: %w", dir, err)
	}
	s.sweepAtOpen()
	return s, nil
}

// Get returns the value and its revision, secrets.ErrNotFound when there is none or when it was damaged and has been
// set aside.
func (s *Store) Get(ctx context.Context, key string) ([]byte, secrets.Revision, error) {
	if err := usable(ctx, key); err != nil {
		return nil, "", s.failed("read", key, err)
	}
	r, err := s.load(ctx, hashed(key))
	if err != nil {
		return nil, "", s.failed("read", key, err)
	}
	return r.Value, r.Rev, nil
}

// Put writes the value, durably, if the stored revision still is ifRev; else it returns secrets.ErrConflict. On a full
// or read-only disk the stored record stays as it is, and the error is one of disk.Full or disk.ReadOnly.
func (s *Store) Put(ctx context.Context, key string, value []byte, ifRev secrets.Revision) (secrets.Revision, error) {
	rev, err := s.put(ctx, key, value, ifRev)
	if err != nil {
		return "", s.failed("write", key, err)
	}
	return rev, nil
}

func (s *Store) put(ctx context.Context, key string, value []byte, ifRev secrets.Revision) (secrets.Revision, error) {
	if err := usable(ctx, key); err != nil {
		return "", err
	}
	if len(value) >= secrets.MaxValue {
		return "", tooLarge(value)
	}
	unlock, err := s.lockStore(ctx)
	if err != nil {
		return "", err
	}
	defer unlock()
	old, err := s.loadLocked(hashed(key))
	if err != nil && !errors.Is(err, secrets.ErrNotFound) {
		return "", err
	}
	if old.Rev != ifRev {
		return "", secrets.ErrConflict
	}
	r := newRecord(key, value)
	return r.Rev, s.write(r)
}

func tooLarge(value []byte) error {
	return fmt.Errorf("the value has %d bytes, it must have fewer than %d", len(value), secrets.MaxValue)
}

// Delete removes the record; an absent one is no error.
func (s *Store) Delete(ctx context.Context, key string) error {
	if err := s.delete(ctx, key); err != nil {
		return s.failed("delete", key, err)
	}
	return nil
}

func (s *Store) delete(ctx context.Context, key string) error {
	if err := usable(ctx, key); err != nil {
		return err
	}
	unlock, err := s.lockStore(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	path := s.recordPath(hashed(key))
	if err := os.Remove(path); errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return err
	}
	return disk.SyncFolder(filepath.Dir(path))
}

// List returns the keys that start with prefix, sorted. It opens every record, as the names of the files say nothing.
func (s *Store) List(ctx context.Context, prefix string) ([]string, error) {
	names, err := s.recordNames()
	if err != nil {
		return nil, fmt.Errorf("store %s: cannot list the records: %w", s.dir, err)
	}
	var keys []string
	for _, name := range names {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		r, err := s.load(ctx, name)
		if errors.Is(err, secrets.ErrNotFound) {
			continue // deleted meanwhile, or set aside just now
		}
		if err != nil {
			return nil, fmt.Errorf("store %s: cannot list the record %s: %w", s.dir, name, err)
		}
		if strings.HasPrefix(r.Key, prefix) {
			keys = append(keys, r.Key)
		}
	}
	slices.Sort(keys)
	return keys, ctx.Err()
}

// usable refuses keys that JSON cannot hold unchanged: their records would look damaged.
func usable(ctx context.Context, key string) error {
	if key == "" || !utf8.ValidString(key) {
		return errors.New("a key must be UTF-8 text and not empty")
	}
	return ctx.Err()
}

func (s *Store) failed(verb, key string, err error) error {
	remedy := ""
	switch {
	case disk.Full(err):
		remedy = "; the disk is full: free some space on it"
	case disk.ReadOnly(err):
		remedy = "; the disk is read-only: remount it, or put the store on another one"
	}
	return fmt.Errorf("store %s: cannot %s %q: %w%s", s.dir, verb, key, err, remedy)
}
