package sealed

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"bearerd/secrets"
)

func init() { roles["tmpfs"] = fillTmpfs }

// fillTmpfs has a mount namespace of its own: it mounts a tiny disk on dir, fills it, then makes it read-only.
func fillTmpfs(ctx context.Context, dir string) error {
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=256k,mode=0700"); err != nil {
		return fmt.Errorf("mount: %w", err)
	}
	s, err := Open(dir, nil, nil)
	if err != nil {
		return err
	}
	rev, err := fill(ctx, s)
	if !errors.Is(err, syscall.ENOSPC) {
		return fmt.Errorf("a full disk: %w", err)
	}
	if err := unix.Mount("", dir, "", unix.MS_REMOUNT|unix.MS_RDONLY, ""); err != nil {
		return fmt.Errorf("remount: %w", err)
	}
	if s, err = Open(dir, nil, nil); err != nil {
		return fmt.Errorf("opening a read-only store: %w", err)
	}
	if _, again, err := s.Get(ctx, "first"); again != rev {
		return fmt.Errorf("reading a read-only store: revision %q, was %q, %w", again, rev, err)
	}
	if keys, err := s.List(ctx, ""); err != nil || len(keys) < 2 {
		return fmt.Errorf("listing a read-only store: %q, %w", keys, err)
	}
	_, putErr := s.Put(ctx, "first", nil, rev)
	_, rekeyErr := s.Rekey(ctx)
	for _, err := range []error{putErr, rekeyErr, s.Delete(ctx, "first")} {
		if !errors.Is(err, syscall.EROFS) {
			return fmt.Errorf("writing to a read-only store: %w", err)
		}
	}
	return nil
}

// fill writes until something fails, then tries to replace the first record too, and still reads it.
func fill(ctx context.Context, s *Store) (first secrets.Revision, err error) {
	first, err = s.Put(ctx, "first", []byte("one"), "")
	for i := 0; err == nil; i++ {
		_, err = s.Put(ctx, fmt.Sprintf("more/%d", i), make([]byte, 20<<10), "")
	}
	if _, replaceErr := s.Put(ctx, "first", make([]byte, 60<<10), first); !errors.Is(replaceErr, syscall.ENOSPC) {
		return first, fmt.Errorf("replacing a record on a full disk: %w", replaceErr)
	}
	value, rev, getErr := s.Get(ctx, "first")
	if getErr != nil || rev != first || !bytes.Equal(value, []byte("one")) {
		return first, fmt.Errorf("reading on a full disk: %q, %w", value, getErr)
	}
	return first, err
}

func TestFullAndReadOnlyDisk(t *testing.T) { withOwnMounts(t, "tmpfs") }

// withOwnMounts runs a role where it may mount what nobody else sees.
func withOwnMounts(t *testing.T, role string) {
	t.Helper()
	cmd := child(t, role, t.TempDir())
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Geteuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}},
	}
	out, err := cmd.CombinedOutput()
	if errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.ENOSPC) || bytes.HasPrefix(out, []byte("mount: ")) {
		t.Skipf("no mount namespace to be had, TestWriteThatFailsHalfWay covers a part of it: %v %s", err, out)
	}
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
