package sealed

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"bearerd/secrets"
	"bearerd/secrets/disk"
)

// Space is room on disk for the next value of one key. It is for one goroutine.
type Space struct {
	store *Store
	key   string
	file  *os.File // locked as long as it is open, which keeps others from sweeping it; nil: given up or used
}

// block is at least what a file system rounds a file's size up to, on most of them.
const block = 4 << 10

// Reserve makes room on disk for the next value of key, whatever its size, and for one more write of that size after
// it: what must be kept can then be kept even if the disk fills up meanwhile. A file system that never writes in place,
// such as btrfs or ZFS, promises less. Release the room in any case.
func (s *Store) Reserve(ctx context.Context, key string) (*Space, error) {
	sp, err := s.reserve(ctx, key)
	if err != nil {
		return nil, s.failed("reserve room for", key, err)
	}
	return sp, nil
}

func (s *Store) reserve(ctx context.Context, key string) (*Space, error) {
	if err := usable(ctx, key); err != nil {
		return nil, err
	}
	unlock, err := s.lockStore(ctx)
	if err != nil {
		return nil, err
	}
	defer unlock()
	if err := s.refresh(); err != nil {
		return nil, err
	}
	if err := s.nameRecipient(); err != nil { // it might need room of its own
		return nil, err
	}
	largest, err := s.keys.Load().seal(newRecord(key, make([]byte, secrets.MaxValue-1)))
	if err != nil {
		return nil, err
	}
	folder := filepath.Dir(s.recordPath(""))
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, err
	}
	sweep(folder, leftover)
	f, err := makeRoom(folder, 2*(len(largest)+block))
	if err != nil {
		return nil, err
	}
	return &Space{s, key, f}, nil
}

// makeRoom fills a file with what cannot be compressed, and leaves it locked.
func makeRoom(folder string, size int) (*os.File, error) {
	f, err := os.CreateTemp(folder, ".room-*")
	if err != nil {
		return nil, err
	}
	fill := make([]byte, size)
	_, _ = rand.Read(fill)                    // it never fails
	if _, err = disk.TryLock(f); err == nil { // nobody else knows its name yet
		_, err = f.Write(fill)
	}
	if err == nil {
		err = f.Sync()
	}
	if err == nil {
		err = disk.SyncFolder(folder)
	}
	if err != nil {
		_ = f.Close()
		_ = os.Remove(f.Name())
		return nil, err
	}
	return f, nil
}

// Put writes the value, durably, into the room, and makes it the record, whatever that was before: the caller holds what
// gives it the right to. Where the room is of no use, it tries to write as Store.Put does.
func (sp *Space) Put(ctx context.Context, value []byte) error {
	if err := sp.put(ctx, value); err != nil {
		return sp.store.failed("write", sp.key, err)
	}
	return nil
}

func (sp *Space) put(ctx context.Context, value []byte) error {
	s := sp.store
	if len(value) >= secrets.MaxValue {
		return tooLarge(value)
	}
	unlock, err := s.lockStore(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	if err := s.refresh(); err != nil {
		return err
	}
	r := newRecord(sp.key, value)
	err = sp.use(r)
	if err == nil {
		return nil
	}
	if elsewhere := s.write(r); elsewhere != nil {
		return fmt.Errorf("%w; and not in the room kept for it: %w", elsewhere, err)
	}
	return nil
}

// use turns the room into the file of r. The caller holds the store lock.
func (sp *Space) use(r record) error {
	if sp.file == nil {
		return errors.New("it was used or released already")
	}
	if err := sp.store.nameRecipient(); err != nil {
		return err
	}
	sealed, err := sp.store.keys.Load().seal(r)
	if err != nil {
		return err
	}
	if _, err := sp.file.WriteAt(sealed, 0); err != nil {
		return err
	}
	if err := sp.file.Truncate(int64(len(sealed))); err != nil {
		return err
	}
	if err := sp.file.Sync(); err != nil {
		return err
	}
	from, path := sp.file.Name(), sp.store.recordPath(hashed(r.Key))
	_ = sp.file.Close() // it is synced, and nobody sweeps under the store lock
	sp.file = nil
	if err := disk.Rename(from, path); err != nil {
		_ = os.Remove(from)
		return err
	}
	return disk.SyncFolder(filepath.Dir(path))
}

// Release gives the room back, unless it holds the record by now.
func (sp *Space) Release() {
	if sp.file == nil {
		return
	}
	_ = sp.file.Close()
	if err := os.Remove(sp.file.Name()); err != nil && !errors.Is(err, fs.ErrNotExist) { // another's sweep may come first
		sp.store.log.Warn("room on disk was not given back", "file", sp.file.Name(), "error", err)
	}
	sp.file = nil
}
