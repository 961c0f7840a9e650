package disk

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestReplaceIsWholeOrNothing(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a")
	want := func(content string) {
		t.Helper()
		if b, err := os.ReadFile(path); err != nil || string(b) != content {
			t.Errorf("the file holds %q, %v, want %q", b, err, content)
		}
		if entries, _ := os.ReadDir(dir); len(entries) != 1 {
			t.Errorf("beside it is left: %v", entries)
		}
	}
	for _, content := range []string{"first, and longer", "second", ""} {
		if err := errors.Join(Replace(path, []byte(content), nil), SyncFolder(dir)); err != nil {
			t.Fatal(err)
		}
		want(content)
	}
	failed := errors.New("no")
	err := Replace(path, []byte("third"), func(f *os.File) error {
		if info, err := f.Stat(); err != nil || info.Size() != 0 || !strings.HasPrefix(filepath.Base(f.Name()), ".") || filepath.Dir(f.Name()) != dir ||
			Modes && info.Mode() != 0o600 {
			t.Errorf("what is written first: %v %v, %v", f.Name(), info, err)
		}
		return failed
	})
	if !errors.Is(err, failed) {
		t.Errorf("the error of prepare: %v", err)
	}
	want("")
}

func TestLockIsForOne(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	open := func() *os.File {
		f, err := OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = f.Close() })
		return f
	}
	first, second := open(), open()
	if ok, err := TryLock(first); !ok || err != nil {
		t.Fatalf("a free lock: %v, %v", ok, err)
	}
	if ok, err := TryLock(second); ok || err != nil {
		t.Fatalf("a lock that is taken: %v, %v", ok, err)
	}
	if _, err := second.WriteString("x"); err != nil { // it keeps nobody from the file itself
		t.Error(err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	if err := Lock(second); err != nil {
		t.Error(err)
	}
}

func TestOpenFileFollowsNoLink(t *testing.T) {
	dir := t.TempDir()
	link := filepath.Join(dir, "link")
	if err := os.Symlink(filepath.Join(dir, "target"), link); err != nil {
		t.Skip(err) // Windows allows it to few
	}
	if f, err := OpenFile(link, os.O_RDWR|os.O_CREATE, 0o600); !errors.Is(err, ErrLink) || !strings.Contains(err.Error(), link) {
		t.Errorf("a link was opened, or is not named: %v, %v", f, err)
	}
	if _, err := os.Stat(filepath.Join(dir, "target")); err == nil {
		t.Error("its target was made")
	}
}

func TestForeignAndRoom(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	foreign := func() (int, bool) {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		return Foreign(info)
	}
	if uid, yes := foreign(); yes {
		t.Errorf("a file of ours is said to be that of user %d", uid)
	}
	if os.Chown(path, 4711, -1) == nil { // as root alone
		if uid, yes := foreign(); !yes || uid != 4711 {
			t.Errorf("a file of user 4711: %d, %t", uid, yes)
		}
	}
	if free, known := FreeBytes(filepath.Dir(path)); known && free == 0 || known != Modes {
		t.Errorf("room: %d, %t", free, known)
	}
	if free, known := FreeBytes(filepath.Join(path, "none")); known {
		t.Errorf("room where nothing is: %d", free)
	}
	if ReadOnlyFolder(filepath.Dir(path)) || !Writable(filepath.Dir(path)) {
		t.Error("a folder that was just written to cannot be written")
	}
}
