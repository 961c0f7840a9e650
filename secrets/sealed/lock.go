package sealed

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"bearerd/secrets/disk"
)

const (
	firstPoll = 5 * time.Millisecond
	lastPoll  = 50 * time.Millisecond
)

// Lock takes the lock called name, exclusive across the processes of this host and the goroutines of this one. It waits
// until it has it or ctx is done. The kernel releases it when the process dies.
func (s *Store) Lock(ctx context.Context, name string) (unlock func(), err error) {
	unlock, err = s.flock(ctx, hashed(name))
	if err != nil {
		return nil, fmt.Errorf("store %s: cannot lock %q: %w", s.dir, name, err)
	}
	return unlock, nil
}

// lockStore takes the lock that every write of a record, a recipient or an identity needs.
func (s *Store) lockStore(ctx context.Context) (unlock func(), err error) {
	select {
	case s.writing <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	release, err := s.flock(ctx, "store")
	if err != nil {
		<-s.writing
		return nil, err
	}
	return func() {
		release()
		<-s.writing
	}, nil
}

// flock takes the lock of a file. One that was removed while it was waited for keeps nobody out: whoever comes next locks
// another file of that name.
func (s *Store) flock(ctx context.Context, name string) (unlock func(), err error) {
	path := filepath.Join(s.dir, "locks", name+".lock")
	for {
		f, err := lockFile(ctx, path)
		if err != nil {
			return nil, err
		}
		if isAt(f, path) {
			return func() { _ = f.Close() }, nil
		}
		_ = f.Close()
	}
}

// lockFile polls, because a blocking flock cannot be given up when ctx is done.
func lockFile(ctx context.Context, path string) (*os.File, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, err
	}
	f, err := disk.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	for wait := firstPoll; ; wait = min(2*wait, lastPoll) {
		ok, err := disk.TryLock(f)
		if ok {
			return f, nil
		}
		if err != nil {
			_ = f.Close()
			return nil, &os.PathError{Op: "flock", Path: path, Err: err}
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			_ = f.Close()
			return nil, ctx.Err()
		}
	}
}

// isAt reports whether f is still the file at path.
func isAt(f *os.File, path string) bool {
	ours, err := f.Stat()
	if err != nil {
		return false
	}
	there, err := os.Lstat(path)
	return err == nil && os.SameFile(ours, there)
}
