//go:build unix

package sealed

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"

	"bearerd/secrets/disk"
)

func init() { roles["die"] = dieWithAnIdentity }

// dieWithAnIdentity is killed in the middle of what writeFile does to both files of keys.
func dieWithAnIdentity(ctx context.Context, dir string) error {
	s, err := Open(dir, nil, nil)
	if err != nil {
		return err
	}
	if _, err := s.lockStore(ctx); err != nil {
		return err
	}
	return disk.Replace(filepath.Join(dir, identityFile), nil, func(*os.File) error {
		return disk.Replace(filepath.Join(dir, recipientFile), nil, func(*os.File) error {
			return unix.Kill(os.Getpid(), unix.SIGKILL)
		})
	})
}

func leftovers(t *testing.T, dir string) []string {
	t.Helper()
	return slices.DeleteFunc(files(t, dir, ""), func(name string) bool { return !strings.HasPrefix(name, ".") })
}

func TestKeysThatAKilledProcessLeavesAreRemoved(t *testing.T) {
	for name, next := range map[string]func(s *Store) error{
		"Open":  func(s *Store) error { _, err := Open(s.dir, nil, nil); return err },
		"Rekey": func(s *Store) error { _, err := s.Rekey(t.Context()); return err },
	} {
		s := open(t, folder(t))
		set(t, s, "k", "one")
		other := filepath.Join(s.dir, ".identity.txt.bak")
		overwrite(t, nil, other)
		record := filepath.Join("records", "."+hashed("k")+recordExt+"17")
		overwrite(t, nil, s.dir, record)
		_ = child(t, "die", s.dir).Run()
		if got := leftovers(t, s.dir); len(got) != 3 {
			t.Fatalf("the killed process left %q, want two files beside %s", got, other)
		}
		if err := next(s); err != nil {
			t.Error(err)
		}
		if got := leftovers(t, s.dir); !slices.Equal(got, []string{filepath.Base(other)}) {
			t.Errorf("after %s there are %q, want %s alone", name, got, other)
		}
		if _, err := os.Stat(filepath.Join(s.dir, record)); name == "Rekey" && !errors.Is(err, os.ErrNotExist) {
			t.Errorf("after %s a half record is there: %v", name, err)
		}
		want(t, open(t, s.dir), "k", "one")
	}
}

// What looks like a leftover may be the file of a Rekey that goes on: it stays, and an Open does not wait for long.
func TestKeysThatAreBeingWrittenStay(t *testing.T) {
	s := open(t, folder(t))
	written := ".identity.txt17"
	overwrite(t, nil, s.dir, written)
	synctest.Test(t, func(t *testing.T) {
		unlock, err := s.lockStore(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		if _, err := Open(s.dir, nil, nil); err != nil {
			t.Error(err)
		}
		if waited := time.Since(start); waited > 2*sweepTimeout {
			t.Errorf("Open waited %v", waited)
		}
		if got := leftovers(t, s.dir); !slices.Equal(got, []string{written}) {
			t.Errorf("there are %q", got)
		}
		unlock()
	})
	open(t, s.dir)
	if got := leftovers(t, s.dir); len(got) > 0 {
		t.Errorf("with the lock given back there are %q", got)
	}
}
