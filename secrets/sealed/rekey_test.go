package sealed

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"filippo.io/age"

	"bearerd/secrets/secretstest"
)

var errCrash = errors.New("crash")

// crashAt stops a Rekey at its n-th step, counted from 1, and adds the steps to names.
func crashAt(n int, names *[]string) func(string) error {
	return func(step string) error {
		*names = append(*names, step)
		if len(*names) == n {
			return errCrash
		}
		return nil
	}
}

// lines returns the lines of a file of the store that start with prefix.
func lines(t testing.TB, dir, name, prefix string) []string {
	t.Helper()
	return slices.DeleteFunc(strings.Split(string(read(t, dir, name)), "\n"), func(line string) bool {
		return !strings.HasPrefix(line, prefix)
	})
}

func TestRekey(t *testing.T) {
	dir := folder(t)
	s := open(t, dir)
	rev := set(t, s, "a", "one")
	set(t, s, "b", "two")
	before := lines(t, dir, identityFile, "AGE-")
	if n, err := s.Rekey(t.Context()); n != 2 || err != nil {
		t.Fatalf("Rekey = %d, %v", n, err)
	}
	after := lines(t, dir, identityFile, "AGE-")
	if len(after) != 1 || after[0] == before[0] {
		t.Errorf("%s held %d identities and holds %d, or the same one", identityFile, len(before), len(after))
	}
	for _, reader := range []*Store{s, open(t, dir)} {
		want(t, reader, "a", "one")
		want(t, reader, "b", "two")
	}
	wantNotOpenedBy(t, s, before)
	if _, err := s.Put(t.Context(), "a", []byte("three"), rev); err != nil {
		t.Errorf("Rekey changed a revision: %v", err)
	}
}

// wantNotOpenedBy fails if an old identity still opens a record.
func wantNotOpenedBy(t *testing.T, s *Store, identities []string) {
	t.Helper()
	ids, err := parseIdentities(strings.Join(identities, "\n"))
	if err != nil {
		t.Fatal(err)
	}
	names, err := s.recordNames()
	if err != nil || len(names) == 0 {
		t.Fatalf("%d records, %v", len(names), err)
	}
	for _, name := range names {
		_, err := (&keys{ids: ids}).unseal(read(t, s.recordPath(name)))
		if _, ok := errors.AsType[*age.NoIdentityMatchError](err); !ok {
			t.Errorf("an old identity still fits the record %s: %v", name, err)
		}
	}
}

// A reader that opened before a Rekey finds the new identity without waiting for whoever is writing.
func TestRekeyDoesNotStopReaders(t *testing.T) {
	s := open(t, folder(t))
	daemon := open(t, s.dir)
	set(t, s, "k", "one")
	if _, err := s.Rekey(t.Context()); err != nil {
		t.Fatal(err)
	}
	unlock, err := s.lockStore(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if value, _, err := daemon.Get(ctx, "k"); string(value) != "one" {
		t.Errorf("Get = %q, %v", value, err)
	}
}

func TestRekeyOfNothing(t *testing.T) {
	s := open(t, folder(t))
	if n, err := s.Rekey(t.Context()); n != 0 || err != nil {
		t.Errorf("Rekey = %d, %v", n, err)
	}
	set(t, s, "k", "one")
	want(t, open(t, s.dir), "k", "one")
}

func TestRekeyCancelled(t *testing.T) {
	s := open(t, folder(t))
	set(t, s, "a", "one")
	set(t, s, "b", "two")
	ctx, cancel := context.WithCancel(t.Context())
	s.fault = func(step string) error {
		if step == "resealed" {
			cancel()
		}
		return nil
	}
	n, err := s.Rekey(ctx)
	if n != 1 || !errors.Is(err, context.Canceled) {
		t.Errorf("Rekey = %d, %v", n, err)
	}
	want(t, open(t, s.dir), "a", "one")
	want(t, open(t, s.dir), "b", "two")
}

// Wherever a Rekey dies, everything can be read and written, by processes old and new, and another Rekey finishes.
func TestRekeyCrash(t *testing.T) {
	all := []string{"added", "named", "resealed", "resealed", "resealed", "unnamed"}
	for point := 1; point <= len(all); point++ {
		dir := folder(t)
		crashing, daemon := open(t, dir), open(t, dir)
		values := map[string]string{"a": "one", "b": "two", "c": "three"}
		for key, value := range values {
			set(t, crashing, key, value)
		}
		old := lines(t, dir, identityFile, "AGE-")
		var steps []string
		crashing.fault = crashAt(point, &steps)
		if _, err := crashing.Rekey(t.Context()); !errors.Is(err, errCrash) || !slices.Equal(steps, all[:point]) {
			t.Fatalf("Rekey stopped at %q: %v", steps, err)
		}

		for _, s := range []*Store{open(t, dir), daemon, crashing} {
			for key, value := range values {
				want(t, s, key, value)
			}
			values["a"] += "+"
			set(t, s, "a", values["a"])
		}
		wantRecipientsCovered(t, dir)

		if n, err := open(t, dir).Rekey(t.Context()); n != 3 || err != nil {
			t.Errorf("after %q: Rekey = %d, %v", steps, n, err)
		}
		for _, s := range []*Store{open(t, dir), daemon, crashing} {
			for key, value := range values {
				want(t, s, key, value)
			}
		}
		if ids, to := lines(t, dir, identityFile, "AGE-"), lines(t, dir, recipientFile, "age1"); len(ids) != 1 || len(to) != 1 {
			t.Errorf("after %q and a second Rekey: %d identities, %d recipients", steps, len(ids), len(to))
		}
		wantNotOpenedBy(t, daemon, old)
	}
}

// wantRecipientsCovered checks the rule that the package rests on.
func wantRecipientsCovered(t *testing.T, dir string) {
	t.Helper()
	ids, err := parseIdentities(string(read(t, dir, identityFile)))
	if err != nil {
		t.Fatal(err)
	}
	for _, recipient := range lines(t, dir, recipientFile, "age1") {
		if !slices.ContainsFunc(ids, func(id *age.X25519Identity) bool { return id.Recipient().String() == recipient }) {
			t.Errorf("%s names %s, which no identity in %s opens", recipientFile, recipient, identityFile)
		}
	}
}

// A store that is in use is rekeyed over and over: no update is lost, nothing is set aside.
func TestRekeyUnderLoad(t *testing.T) {
	dir := folder(t)
	rekeyer := open(t, dir)
	set(t, rekeyer, "still", "here")
	const workers, each = 3, 15
	var wg sync.WaitGroup
	for range workers {
		s := open(t, dir)
		wg.Go(func() {
			for range each {
				if err := secretstest.Increment(t.Context(), s, "counter"); err != nil {
					t.Error(err)
					return
				}
				want(t, s, "still", "here")
			}
		})
	}
	for range 10 {
		if _, err := rekeyer.Rekey(t.Context()); err != nil {
			t.Error(err)
		}
	}
	wg.Wait()
	want(t, rekeyer, "counter", "45")
	if kept := files(t, dir, "set-aside"); len(kept) > 0 {
		t.Errorf("set-aside holds %q", kept)
	}
}

// A daemon whose credential is as old as its start is told so when the store was rekeyed without it.
func TestRekeyWithoutTheDaemon(t *testing.T) {
	older, _ := newIdentity(t)
	newer, newerRecipient := newIdentity(t)
	dir := folder(t)
	daemon, log := openLogged(t, dir, given(older))
	set(t, daemon, "k", "one")
	s, _ := openLogged(t, dir, given(newer, older))
	if _, err := s.Rekey(t.Context()); err != nil {
		t.Fatal(err)
	}
	_, _, err := daemon.Get(t.Context(), "k")
	wantError(t, err, "it was sealed for "+newerRecipient, "give that identity")
	_, err = daemon.List(t.Context(), "")
	wantError(t, err, "it was sealed for "+newerRecipient)
	if kept := files(t, dir, "set-aside"); len(kept) > 0 || log.Len() > 0 {
		t.Errorf("set-aside holds %q, the log %s", kept, log)
	}
	if _, err := os.Stat(filepath.Join(dir, identityFile)); !os.IsNotExist(err) {
		t.Errorf("Rekey wrote an identity from outside into the folder: %v", err)
	}
}
