//go:build unix

package sealed

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// writeWithFileLimit runs where no file may grow over 8 KiB, which fails a write half-way as a full disk does, and
// needs no privilege.
func writeWithFileLimit(ctx context.Context, dir string) error {
	s, err := Open(dir, nil, nil)
	if err != nil {
		return err
	}
	signal.Ignore(unix.SIGXFSZ)
	limit := unix.Rlimit{Cur: 8 << 10, Max: 8 << 10}
	if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &limit); err != nil {
		return err
	}
	_, rev, err := s.Get(ctx, "k")
	if err != nil {
		return err
	}
	if _, err := s.Put(ctx, "k", bytes.Repeat([]byte("x"), 32<<10), rev); !errors.Is(err, syscall.EFBIG) {
		return fmt.Errorf("a Put over the limit: %w", err)
	}
	if _, again, err := s.Get(ctx, "k"); again != rev {
		return fmt.Errorf("after the failure: revision %q, was %q, %w", again, rev, err)
	}
	_, err = s.Put(ctx, "k", []byte("two"), rev)
	return err
}

func TestWriteThatFailsHalfWay(t *testing.T) {
	dir := folder(t)
	s := open(t, dir)
	set(t, s, "k", "one")
	runChildren(t, 1, "limited", dir)
	want(t, s, "k", "two")
	wantNoTemporaryFiles(t, dir)
	if got := files(t, dir, "records"); len(got) != 1 {
		t.Errorf("records holds %q", got)
	}
}

func TestRenameThatFails(t *testing.T) {
	dir := folder(t)
	s := open(t, dir)
	set(t, s, "other", "one")
	if err := os.Mkdir(s.recordPath("blocked"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := writeFile(s.recordPath("blocked"), []byte("x")); err == nil {
		t.Error("a folder was replaced by a file")
	}
	wantNoTemporaryFiles(t, dir)
}

func TestRemedies(t *testing.T) {
	s := &Store{dir: "/state"}
	for errno, remedy := range map[syscall.Errno]string{
		syscall.ENOSPC: "no space left on device; the disk is full: free some space",
		syscall.EDQUOT: "the disk is full",
		syscall.EROFS:  "read-only file system; the disk is read-only: remount it",
	} {
		err := s.failed("write", "k", &os.PathError{Op: "open", Path: "/state/records", Err: errno})
		wantError(t, err, `store /state: cannot write "k"`, remedy)
		if !errors.Is(err, errno) {
			t.Errorf("%v is lost in %v", errno, err)
		}
	}
}
