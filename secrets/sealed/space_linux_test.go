package sealed

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"bearerd/secrets"
)

func init() { roles["reserve"] = reserveOnTmpfs }

// reserveOnTmpfs has a mount namespace of its own: it mounts a small disk on dir and fills it, without room reserved and
// with it.
func reserveOnTmpfs(ctx context.Context, dir string) error {
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=1m,mode=0700"); err != nil {
		return fmt.Errorf("mount: %w", err)
	}
	s, err := Open(dir, nil, nil)
	if err != nil {
		return err
	}
	if _, err := s.Put(ctx, "grant", []byte("old"), ""); err != nil {
		return err
	}
	_, rev, err := s.Get(ctx, "grant")
	if err != nil {
		return err
	}
	large := bytes.Repeat([]byte("x"), secrets.MaxValue-1)

	filler := filepath.Join(dir, "filler")
	if err := fillDisk(filler); err != nil {
		return err
	}
	if _, err := s.Put(ctx, "journal", large, ""); !errors.Is(err, syscall.ENOSPC) {
		return fmt.Errorf("writing to a full disk: %w", err)
	}
	if _, err := s.Reserve(ctx, "journal"); !errors.Is(err, syscall.ENOSPC) {
		return fmt.Errorf("reserving on a full disk: %w", err)
	}
	if left, err := os.ReadDir(filepath.Join(dir, "records")); err != nil || len(left) != 1 {
		return fmt.Errorf("what failed left %v, %w", left, err)
	}
	if err := os.Remove(filler); err != nil {
		return err
	}

	sp, err := s.Reserve(ctx, "journal")
	if err != nil {
		return err
	}
	defer sp.Release()
	if err := fillDisk(filler); err != nil {
		return err
	}
	if err := sp.Put(ctx, large); err != nil {
		return fmt.Errorf("with room on a full disk: %w", err)
	}
	if _, err := s.Put(ctx, "grant", large, rev); err != nil {
		return fmt.Errorf("one more record after it: %w", err)
	}
	for _, key := range []string{"journal", "grant"} {
		if value, _, err := s.Get(ctx, key); err != nil || !bytes.Equal(value, large) {
			return fmt.Errorf("reading %s: %d bytes, %w", key, len(value), err)
		}
	}
	return nil
}

// fillDisk takes all that is left.
func fillDisk(path string) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	for err == nil {
		_, err = f.Write(make([]byte, 4<<10))
	}
	if !errors.Is(err, syscall.ENOSPC) {
		return err
	}
	return nil
}

func TestSpaceOnFullDisk(t *testing.T) { withOwnMounts(t, "reserve") }
