package config

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// loadedAt is a watcher that has loaded path.
func loadedAt(t *testing.T, path string) (*Watcher, *Config) {
	t.Helper()
	w := cached(t, path)
	cfg, diags := w.Load(t.Context())
	if cfg == nil {
		t.Fatal(diags)
	}
	return w, cfg
}

func TestMadePath(t *testing.T) {
	home(t)
	dir := t.TempDir()
	put(t, dir+"/a.hcl", remote("hand")+remote("CASE"))
	put(t, dir+"/conf.d/made.hcl", madeMark+"\n"+remote("made"))
	put(t, dir+"/conf.d/byhand.hcl", remote("other"))
	put(t, dir+"/moved.hcl", madeMark+"\n"+remote("moved"))
	must(t, os.Symlink("/nowhere", dir+"/conf.d/.link"))
	w, cfg := loadedAt(t, dir)
	must(t, os.Rename(dir+"/conf.d/.link", dir+"/conf.d/link.hcl"))
	must(t, os.Mkdir(dir+"/conf.d/folder.hcl", 0o700))
	must(t, mkfifo(dir+"/conf.d/fifo.hcl"))
	for _, name := range []string{"new", "made"} {
		if path, err := w.MadePath(cfg, name); path != dir+"/conf.d/"+name+".hcl" {
			t.Errorf("%s: got %q, %v", name, path, err)
		}
	}
	for name, want := range map[string]string{ // a part of the error
		"hand": `edit server "hand" in ` + dir + "/a.hcl", "case": "\"CASE\"", "other": dir + "/conf.d/byhand.hcl", "byhand": "byhand.hcl is there already",
		"moved": dir + "/moved.hcl", "link": "is a link", "folder": "is a link, or no file", "fifo": "is a link, or no file",
	} {
		if path, err := w.MadePath(cfg, name); path != "" || !errors.Is(err, ErrNotMade) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %q, %v", name, path, err)
		}
	}
	for _, name := range []string{"", "../x", "a/b", ".x", "x.hcl", "a\x00"} {
		if path, err := w.MadePath(cfg, name); err == nil || path != "" {
			t.Errorf("%q: got %q, %v", name, path, err)
		}
	}
}

func TestMadePathWithoutAFolder(t *testing.T) {
	home(t)
	path := write(t, "c.hcl", plain)
	w, cfg := loadedAt(t, path)
	if _, err := w.MadePath(cfg, "new"); !errors.Is(err, ErrNoFolder) || !strings.Contains(err.Error(), "conf_dir") ||
		!strings.Contains(err.Error(), path) {
		t.Errorf("got %v", err)
	}
	put(t, path, "admin { conf_dir = \"made\" }\n")
	w, cfg = loadedAt(t, path)
	if got, err := w.MadePath(cfg, "new"); got != filepath.Dir(path)+"/made/new.hcl" {
		t.Errorf("got %q, %v", got, err)
	}
}

// A file that is put there is loaded, and undo takes it back to what it was.
func TestPutAndRemove(t *testing.T) {
	home(t)
	dir := t.TempDir()
	put(t, dir+"/c.hcl", "admin { conf_dir = \"deep/made\" }\n")
	w, cfg := loadedAt(t, dir+"/c.hcl")
	path, err := w.MadePath(cfg, "new")
	must(t, err)
	one, two := madeMark+"\n"+remote("new"), madeMark+"\n# two\n"+remote("new")

	undo, err := PutMade(path, []byte(one))
	must(t, err)
	wantFile(t, path, one, 0o600)
	if info, err := os.Stat(filepath.Dir(path)); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("got %v, %v", info, err)
	}
	if cfg := sameAsLoad(t, w); cfg == nil || cfg.Server("new") == nil {
		t.Fatal("it is not loaded")
	}
	must(t, undo())
	if _, err := os.Stat(filepath.Dir(path)); !errors.Is(err, fs.ErrNotExist) {
		t.Error("the folder that was made for it is still there")
	}

	_, err = PutMade(path, []byte(one))
	must(t, err)
	must(t, os.Chmod(path, 0o644)) // as from git
	undo, err = PutMade(path, []byte(two))
	must(t, err)
	wantFile(t, path, two, 0o600)
	must(t, undo())
	wantFile(t, path, one, 0o644)

	undo, err = RemoveMade(path)
	must(t, err)
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Error("it is still there")
	}
	must(t, undo())
	wantFile(t, path, one, 0o644)
	must(t, os.Remove(path))
	undo, err = RemoveMade(path) // somebody was faster
	must(t, err)
	must(t, undo())
	if list, _ := os.ReadDir(filepath.Dir(path)); len(list) != 0 {
		t.Errorf("left there: %v", list)
	}
}

func wantFile(t *testing.T, path, text string, mode fs.FileMode) {
	t.Helper()
	b, err := os.ReadFile(path)
	must(t, err)
	if info, err := os.Lstat(path); err != nil || string(b) != text || info.Mode().Perm() != mode {
		t.Errorf("got %q %v, want %q %v", b, info.Mode(), text, mode)
	}
}

// Another's file, or a folder in which others may write, is left as it is.
func TestPutMadeRefuses(t *testing.T) {
	dir := t.TempDir()
	text := []byte(madeMark + "\n")
	put(t, dir+"/file", "x")
	put(t, dir+"/made/hand.hcl", remote("hand"))
	put(t, dir+"/made/open.hcl", madeMark+"\n")
	must(t, os.Chmod(dir+"/made/open.hcl", 0o666))
	put(t, dir+"/target", madeMark+"\n"+remote("target"))
	must(t, os.Symlink("../target", dir+"/made/link.hcl"))
	must(t, os.Mkdir(dir+"/shared", 0o700))
	must(t, os.Chmod(dir+"/shared", 0o777))
	for path, want := range map[string]error{
		dir + "/made/hand.hcl": ErrNotMade, dir + "/made/link.hcl": ErrNotMade, dir + "/made/open.hcl": ErrNotMade,
		dir + "/file/x.hcl": ErrNoFolder, dir + "/file/more/x.hcl": ErrNoFolder, dir + "/shared/x.hcl": ErrNoFolder, "/proc/x/y.hcl": ErrNoFolder,
	} {
		if undo, err := PutMade(path, text); !errors.Is(err, want) || undo != nil {
			t.Errorf("%s: got %v", path, err)
		}
	}
	for _, name := range []string{"hand", "link", "open"} {
		if undo, err := RemoveMade(dir + "/made/" + name + ".hcl"); !errors.Is(err, ErrNotMade) || undo != nil {
			t.Errorf("%s: got %v", name, err)
		}
	}
	wantFile(t, dir+"/made/hand.hcl", remote("hand"), 0o600)
	wantFile(t, dir+"/target", madeMark+"\n"+remote("target"), 0o600)
	if list, _ := os.ReadDir(dir + "/shared"); len(list) != 0 {
		t.Errorf("left there: %v", list)
	}
}
