//go:build unix

package sealed

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"bearerd/secrets"
)

func init() { roles["room"] = reserveAndDie }

func reserve(t *testing.T, s *Store, key string) *Space {
	t.Helper()
	sp, err := s.Reserve(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(sp.Release)
	return sp
}

func put(t *testing.T, sp *Space, value string) {
	t.Helper()
	if err := sp.Put(t.Context(), []byte(value)); err != nil {
		t.Error(err)
	}
}

func TestSpaceBecomesTheRecord(t *testing.T) {
	dir := folder(t)
	s := open(t, dir)
	first := reserve(t, s, "k")
	wantAbsent(t, s, "k")
	put(t, first, "one")
	first.Release()
	first.Release()
	want(t, s, "k", "one")

	_, rev, _ := s.Get(t.Context(), "k")
	second := reserve(t, s, "k")
	largest := strings.Repeat("x", secrets.MaxValue-1)
	put(t, second, largest)
	want(t, open(t, dir), "k", largest)
	if _, err := s.Put(t.Context(), "k", nil, rev); !errors.Is(err, secrets.ErrConflict) {
		t.Errorf("Put with the revision from before: %v, want ErrConflict", err)
	}
	info, err := os.Stat(s.recordPath(hashed("k")))
	if err != nil || info.Mode() != 0o600 {
		t.Errorf("the record: %v, %v", info, err)
	}
	wantNoTemporaryFiles(t, dir)
}

func TestSpaceIsNoRecord(t *testing.T) {
	dir := folder(t)
	s := open(t, dir)
	set(t, s, "k", "one")
	sp := reserve(t, s, "k")
	info, err := os.Stat(sp.file.Name())
	if err != nil || info.Size() < 2*secrets.MaxValue || info.Mode() != 0o600 {
		t.Errorf("the room: %v, %v", info, err)
	}
	if n := bytes.Count(read(t, sp.file.Name()), []byte{0, 0, 0, 0}); n > 2 {
		t.Errorf("the room holds zeros, which may take no space: %d times four", n)
	}
	if keys, err := s.List(t.Context(), ""); err != nil || len(keys) != 1 {
		t.Errorf("List = %q, %v", keys, err)
	}
	if n, err := s.Rekey(t.Context()); n != 1 || err != nil {
		t.Errorf("Rekey = %d, %v", n, err)
	}
	put(t, sp, "two") // sealed for the new identity
	want(t, open(t, dir), "k", "two")

	reserve(t, s, "k").Release()
	want(t, s, "k", "two")
	wantNoTemporaryFiles(t, dir)
}

func TestSpaceRefuses(t *testing.T) {
	s := open(t, folder(t))
	set(t, s, "k", "one")
	sp := reserve(t, s, "k")
	wantError(t, sp.Put(t.Context(), make([]byte, secrets.MaxValue)), "fewer than")
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := sp.Put(ended, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("Put under an ended context: %v", err)
	}
	if _, err := s.Reserve(ended, "k"); !errors.Is(err, context.Canceled) {
		t.Errorf("Reserve under an ended context: %v", err)
	}
	want(t, s, "k", "one")
	put(t, sp, "two") // what was refused took nothing away
	want(t, s, "k", "two")
	if _, err := s.Reserve(t.Context(), ""); err == nil {
		t.Error("room was reserved for no key")
	}
}

func TestSpaceThatIsGone(t *testing.T) {
	s := open(t, folder(t))
	removed := reserve(t, s, "k")
	if err := os.Remove(removed.file.Name()); err != nil {
		t.Fatal(err)
	}
	put(t, removed, "one")
	want(t, s, "k", "one")
	removed.Release()
	put(t, removed, "two")
	want(t, s, "k", "two")
	if err := os.Mkdir(s.recordPath(hashed("blocked")), 0o700); err != nil {
		t.Fatal(err)
	}
	wantError(t, reserve(t, s, "blocked").Put(t.Context(), nil), `cannot write "blocked"`, "not in the room")
}

// reserveAndDie keeps its room until it is killed.
func reserveAndDie(ctx context.Context, dir string) error {
	s, err := Open(dir, nil, nil)
	if err != nil {
		return err
	}
	if _, err := s.Reserve(ctx, "k"); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "reserved"), nil, 0o600); err != nil {
		return err
	}
	select {
	case <-ctx.Done():
	case <-time.After(time.Minute):
	}
	return nil
}

func TestSpaceOfKilledProcess(t *testing.T) {
	dir := folder(t)
	s := open(t, dir)
	set(t, s, "k", "one")
	other := filepath.Join(dir, "records", ".DS_Store")
	overwrite(t, nil, other)
	half := filepath.Join(dir, "records", "."+hashed("k")+recordExt+strconv.Itoa(1<<60)) // as a killed Put leaves it
	overwrite(t, []byte("half"), half)

	cmd := child(t, "room", dir)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for _, err := os.Stat(filepath.Join(dir, "reserved")); err != nil; _, err = os.Stat(filepath.Join(dir, "reserved")) {
		if t.Context().Err() != nil {
			t.Fatal(err)
		}
		time.Sleep(firstPoll)
	}
	mine := reserve(t, s, "k")
	if got := files(t, dir, "records"); len(got) != 4 { // its room, ours, the record, and what is not of bearerd
		t.Errorf("while the other process lives, records holds %q", got)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	reserve(t, s, "other").Release()
	if got := files(t, dir, "records"); len(got) != 3 {
		t.Errorf("after the other process was killed, records holds %q", got)
	}
	put(t, mine, "two")
	want(t, s, "k", "two")
}
