package sealed

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bearerd/secrets"
	"bearerd/secrets/secretstest"
)

func TestConformance(t *testing.T) {
	secretstest.Run(t, func(t *testing.T) secrets.Store { return open(t, folder(t)) })
}

// folder names one that does not exist yet.
func folder(t testing.TB) string {
	return filepath.Join(t.TempDir(), "parent", "state")
}

// open opens a store that keeps its own identity. A warning in it fails the test.
func open(t testing.TB, dir string) *Store {
	t.Helper()
	s, log := openLogged(t, dir, nil)
	t.Cleanup(func() {
		if log.Len() > 0 {
			t.Errorf("the store warned: %s", log)
		}
	})
	return s
}

func openLogged(t testing.TB, dir string, identity func() (string, error)) (*Store, *bytes.Buffer) {
	t.Helper()
	var log bytes.Buffer
	s, err := Open(dir, identity, slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	return s, &log
}

// set writes a value, whatever was there before.
func set(t testing.TB, s *Store, key, value string) secrets.Revision {
	t.Helper()
	_, rev, err := s.Get(t.Context(), key)
	if err != nil && !errors.Is(err, secrets.ErrNotFound) {
		t.Fatal(err)
	}
	rev, err = s.Put(t.Context(), key, []byte(value), rev)
	if err != nil {
		t.Fatal(err)
	}
	return rev
}

func want(t testing.TB, s *Store, key, value string) {
	t.Helper()
	got, _, err := s.Get(t.Context(), key)
	if err != nil || string(got) != value {
		t.Errorf("Get %q = %q, %v, want %q", key, got, err, value)
	}
}

func wantAbsent(t testing.TB, s *Store, key string) {
	t.Helper()
	if got, _, err := s.Get(t.Context(), key); !errors.Is(err, secrets.ErrNotFound) {
		t.Errorf("Get %q = %q, %v, want ErrNotFound", key, got, err)
	}
}

// wantError fails unless err says each of the parts.
func wantError(t testing.TB, err error, parts ...string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, want one that says %q", parts)
	}
	for _, part := range parts {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("the error %q does not say %q", err, part)
		}
	}
	if strings.Contains(err.Error(), "AGE-SECRET-KEY") && !strings.Contains(err.Error(), "AGE-SECRET-KEY-1…") {
		t.Errorf("the error shows an identity: %v", err)
	}
}

// files returns the names in a folder of the store, those of temporary files included.
func files(t testing.TB, dir, sub string) []string {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(dir, sub))
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func read(t testing.TB, path ...string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(path...))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func overwrite(t testing.TB, content []byte, path ...string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(path...), content, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestLayout(t *testing.T) {
	dir := folder(t)
	s := open(t, dir)
	set(t, s, "grant/search", "token-canary")
	unlock, err := s.Lock(t.Context(), "grant/search")
	if err != nil {
		t.Fatal(err)
	}
	unlock()
	modes := map[string]os.FileMode{
		"":                 0o700 | os.ModeDir,
		"records":          0o700 | os.ModeDir,
		"locks":            0o700 | os.ModeDir,
		"identity.txt":     0o600,
		"recipient.txt":    0o600,
		"locks/store.lock": 0o600,
		s.recordPath(hashed("grant/search"))[len(dir)+1:]: 0o600,
		"locks/" + hashed("grant/search") + ".lock":       0o600,
	}
	for name, mode := range modes {
		info, err := os.Lstat(filepath.Join(dir, name))
		if err != nil || info.Mode() != mode {
			t.Errorf("%q: %v, mode %v, want %v", name, err, info.Mode(), mode)
		}
	}
	if hashed("abc") != "ba7816bf8f01cfea414140de5dae2223" { // FIPS 180-4
		t.Errorf("the hash of abc is %s", hashed("abc"))
	}
	sealed := read(t, s.recordPath(hashed("grant/search")))
	if !bytes.HasPrefix(sealed, []byte("age-encryption.org/v1\n")) || bytes.Contains(sealed, []byte("canary")) ||
		bytes.Contains(sealed, []byte("grant/")) {
		t.Errorf("the record is not sealed: %q", sealed)
	}
}

func TestReopen(t *testing.T) {
	dir := folder(t)
	set(t, open(t, dir), "k", "one")
	identity, recipient := read(t, dir, identityFile), read(t, dir, recipientFile)
	want(t, open(t, dir), "k", "one")
	if !bytes.Equal(identity, read(t, dir, identityFile)) || !bytes.Equal(recipient, read(t, dir, recipientFile)) {
		t.Error("opening a store again changed its keys")
	}
}

func TestFolderThatOthersSee(t *testing.T) {
	for _, mode := range []os.FileMode{0o755, 0o710, 0o701, 0o770, 0o704} {
		dir := t.TempDir()
		if err := os.Chmod(dir, mode); err != nil {
			t.Fatal(err)
		}
		_, err := Open(dir, nil, nil)
		wantError(t, err, dir, "lets others in", "chmod 700 "+dir)
		if left := files(t, dir, ""); len(left) > 0 {
			t.Errorf("mode %v: a refused folder was written to: %q", mode, left)
		}
	}
}

func TestFolderOfAnotherUser(t *testing.T) {
	info, err := os.Stat("/")
	if err != nil {
		t.Fatal(err)
	}
	if os.Geteuid() == 0 {
		dir := t.TempDir()
		if err := os.Chmod(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.Chown(dir, 4242, -1); err != nil {
			t.Fatal(err)
		}
		_, err := Open(dir, nil, nil)
		wantError(t, err, dir, "belongs to user 4242, bearerd runs as 0")
		return
	}
	wantError(t, checkOwner(info), "belongs to user 0") // every user may look at the root folder
}

func TestFolderBehindLink(t *testing.T) {
	dir := folder(t)
	set(t, open(t, dir), "k", "one")
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(dir, link); err != nil {
		t.Fatal(err)
	}
	want(t, open(t, link), "k", "one")
	if err := os.Chmod(dir, 0o750); err != nil {
		t.Fatal(err)
	}
	_, err := Open(link, nil, nil)
	wantError(t, err, "lets others in")
}

func TestFolderIsFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	overwrite(t, nil, path)
	_, err := Open(path, nil, nil)
	wantError(t, err, path, "no folder")
}

func TestRevisionsDoNotComeBack(t *testing.T) {
	s := open(t, folder(t))
	stale := set(t, s, "k", "one")
	if err := s.Delete(t.Context(), "k"); err != nil {
		t.Fatal(err)
	}
	set(t, s, "k", "one")
	if _, err := s.Put(t.Context(), "k", nil, stale); !errors.Is(err, secrets.ErrConflict) {
		t.Errorf("Put with the revision of a deleted value: %v, want ErrConflict", err)
	}
}

func TestKeysThatCannotBeStored(t *testing.T) {
	s := open(t, folder(t))
	for _, key := range []string{"", "bad\xff"} {
		_, _, getErr := s.Get(t.Context(), key)
		_, putErr := s.Put(t.Context(), key, nil, "")
		for _, err := range []error{getErr, putErr, s.Delete(t.Context(), key)} {
			wantError(t, err, "must be UTF-8")
		}
	}
	for _, key := range []string{"../up", "/", "\x00", "a\nb", strings.Repeat("x", 5000)} {
		set(t, s, key, "v "+key)
		want(t, s, key, "v "+key)
	}
	if got := files(t, s.dir, ""); len(got) != 4 {
		t.Errorf("the folder holds %q", got)
	}
}
