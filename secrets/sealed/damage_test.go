package sealed

import (
	"bytes"
	"errors"
	"os"
	"strings"
	"sync"
	"testing"

	"filippo.io/age"

	"bearerd/secrets"
)

// damaged is a store with a sound record "other" and a record "k", and what its log says.
func damaged(t *testing.T, spoil func(s *Store, path string)) (*Store, *bytes.Buffer) {
	t.Helper()
	s, log := openLogged(t, folder(t), nil)
	set(t, s, "k", "one")
	set(t, s, "other", "sound")
	spoil(s, s.recordPath(hashed("k")))
	return s, log
}

// wantSetAside reads "k" twice: it is absent, its file is kept under a new name, and one warning was logged.
func wantSetAside(t *testing.T, s *Store, log *bytes.Buffer, content []byte, reason string) {
	t.Helper()
	wantAbsent(t, s, "k")
	wantAbsent(t, s, "k")
	kept := files(t, s.dir, "set-aside")
	if len(kept) != 1 || !strings.HasSuffix(kept[0], "-"+hashed("k")+".age") {
		t.Fatalf("set-aside holds %q", kept)
	}
	if !bytes.Equal(read(t, s.dir, "set-aside", kept[0]), content) {
		t.Error("the file in set-aside is not the damaged one")
	}
	if lines := strings.Count(log.String(), "\n"); lines != 1 {
		t.Errorf("%d log lines: %s", lines, log)
	}
	for _, part := range []string{"level=WARN", kept[0], reason, "remedy="} {
		if !strings.Contains(log.String(), part) {
			t.Errorf("the warning %s does not say %q", log, part)
		}
	}
	want(t, s, "other", "sound")
	if _, err := s.Put(t.Context(), "k", []byte("again"), ""); err != nil {
		t.Fatal(err)
	}
	want(t, s, "k", "again")
}

func TestTornRecord(t *testing.T) {
	s := open(t, folder(t))
	set(t, s, "k", "one")
	whole := read(t, s.recordPath(hashed("k")))
	header := bytes.Index(whole, []byte("\n---")) + 4
	for _, size := range []int{0, 1, 21, header, header + 48, header + 65, len(whole) - 17, len(whole) - 1} {
		s, log := damaged(t, func(_ *Store, path string) {
			if err := os.Truncate(path, int64(size)); err != nil {
				t.Fatal(err)
			}
		})
		torn := read(t, s.recordPath(hashed("k")))
		wantSetAside(t, s, log, torn, "the record is damaged")
	}
}

func TestEveryDamageIsNoticed(t *testing.T) {
	s := open(t, folder(t))
	set(t, s, "k", "one")
	whole := read(t, s.recordPath(hashed("k")))
	k := s.keys.Load()
	if _, err := k.unseal(whole); err != nil {
		t.Fatal(err)
	}
	for i := range whole {
		if r, err := k.unseal(whole[:i]); err == nil {
			t.Errorf("cut to %d bytes it reads as %+v", i, r)
		}
		flipped := bytes.Clone(whole)
		flipped[i] ^= 1
		if r, err := k.unseal(flipped); err == nil {
			t.Errorf("with byte %d changed it reads as %+v", i, r)
		}
	}
	if r, err := k.unseal(append(bytes.Clone(whole), 0)); err == nil {
		t.Errorf("with a byte more it reads as %+v", r)
	}
}

func TestDamageMetByManyAtOnce(t *testing.T) {
	s, log := damaged(t, func(_ *Store, path string) { overwrite(t, []byte("torn"), path) })
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() { wantAbsent(t, s, "k") })
	}
	wg.Wait()
	wantSetAside(t, s, log, []byte("torn"), "damaged")
}

func TestSwappedRecord(t *testing.T) {
	var swapped []byte
	s, log := damaged(t, func(s *Store, path string) {
		swapped = read(t, s.recordPath(hashed("other")))
		overwrite(t, swapped, path)
	})
	wantSetAside(t, s, log, swapped, `it holds the value of \"other\"`)
}

func TestForeignRecord(t *testing.T) {
	var foreign []byte
	s, log := damaged(t, func(_ *Store, path string) {
		stranger := open(t, folder(t))
		set(t, stranger, "k", "theirs")
		foreign = read(t, stranger.recordPath(hashed("k")))
		overwrite(t, foreign, path)
	})
	wantSetAside(t, s, log, foreign, "identity")
}

func TestSealedButNoRecord(t *testing.T) {
	for content, reason := range map[string]string{
		`not json`:                            "no JSON record",
		`{"key":"k","rev":"","value":"AA=="}`: "no revision",
		`{"rev":"r","value":"AA=="}`:          `it holds the value of \"\"`,
		strings.Repeat("x", 2*maxFile):        "damaged",
	} {
		var sealed bytes.Buffer
		s, log := damaged(t, func(s *Store, path string) {
			w, err := age.Encrypt(&sealed, s.keys.Load().ids[0].Recipient())
			if err != nil {
				t.Fatal(err)
			}
			if _, err := w.Write([]byte(content)); err != nil {
				t.Fatal(err)
			}
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
			overwrite(t, sealed.Bytes(), path)
		})
		wantSetAside(t, s, log, sealed.Bytes(), reason)
	}
}

func TestDamageMetByOtherMethods(t *testing.T) {
	tear := func(_ *Store, path string) { overwrite(t, []byte("torn"), path) }
	t.Run("List", func(t *testing.T) {
		s, log := damaged(t, tear)
		keys, err := s.List(t.Context(), "")
		if err != nil || len(keys) != 1 || keys[0] != "other" {
			t.Errorf("List = %q, %v", keys, err)
		}
		wantSetAside(t, s, log, []byte("torn"), "damaged")
	})
	t.Run("Put", func(t *testing.T) {
		s, _ := damaged(t, tear)
		if _, err := s.Put(t.Context(), "k", nil, "stale"); !errors.Is(err, secrets.ErrConflict) {
			t.Errorf("Put with the revision of a record that is set aside: %v", err)
		}
		if kept := files(t, s.dir, "set-aside"); len(kept) != 1 {
			t.Errorf("set-aside holds %q", kept)
		}
	})
	t.Run("Rekey", func(t *testing.T) {
		s, log := damaged(t, tear)
		if n, err := s.Rekey(t.Context()); n != 1 || err != nil {
			t.Errorf("Rekey = %d, %v", n, err)
		}
		wantSetAside(t, s, log, []byte("torn"), "damaged")
	})
}

// An error of the disk says nothing about the record: nothing is moved, and nobody is told that it is absent.
func TestDiskErrorIsNoDamage(t *testing.T) {
	for name, spoil := range map[string]func(path string) error{
		"a folder": func(path string) error { return os.Mkdir(path, 0o700) },
		"a link":   func(path string) error { return os.Symlink("nowhere", path) },
		"locked": func(path string) error {
			if os.Geteuid() == 0 {
				return os.Mkdir(path, 0) // root can read any file, but not a folder as a file
			}
			return os.WriteFile(path, nil, 0)
		},
	} {
		s, log := damaged(t, func(_ *Store, path string) {
			if err := errors.Join(os.Remove(path), spoil(path)); err != nil {
				t.Fatal(err)
			}
		})
		_, _, getErr := s.Get(t.Context(), "k")
		_, putErr := s.Put(t.Context(), "k", nil, "")
		_, listErr := s.List(t.Context(), "")
		_, rekeyErr := s.Rekey(t.Context())
		for method, err := range map[string]error{"Get": getErr, "Put": putErr, "List": listErr, "Rekey": rekeyErr} {
			if err == nil || errors.Is(err, secrets.ErrNotFound) || errors.Is(err, secrets.ErrConflict) {
				t.Errorf("%s of a record that is %s: %v", method, name, err)
			}
		}
		if kept := files(t, s.dir, "set-aside"); len(kept) > 0 || log.Len() > 0 {
			t.Errorf("%s was set aside: %q, %s", name, kept, log)
		}
	}
}
