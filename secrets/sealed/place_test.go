//go:build unix

package sealed

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"
)

func TestPlaceStays(t *testing.T) {
	dir := folder(t)
	s := open(t, dir)
	before := s.Place()
	if len(before) != 64 {
		t.Skipf("there is neither a machine's id nor the time when a folder was made: %q", before)
	}
	set(t, s, "k", "one")
	reserve(t, s, "k").Release()
	if _, err := s.Rekey(t.Context()); err != nil {
		t.Fatal(err)
	}
	renamed := folder(t) + "-renamed"
	if err := os.MkdirAll(filepath.Dir(renamed), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(dir, renamed); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(renamed, link); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{renamed, link} {
		if after := open(t, path).Place(); after != before {
			t.Errorf("the place of %s is %s, before the folder was renamed it was %s", path, after, before)
		}
	}
	if s.Place() == before {
		t.Error("a folder that is not there has the place of the one that was")
	}
}

func TestPlaceOfCopy(t *testing.T) {
	dir := folder(t)
	set(t, open(t, dir), "k", "one")
	place, backup := open(t, dir).Place(), dir+"-backup"
	clone := func(from, to string) {
		t.Helper()
		if out, err := exec.Command("cp", "-a", from, to).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	clone(dir, backup)
	copied := open(t, backup)
	want(t, copied, "k", "one")
	if got := copied.Place(); got == place && got != "" {
		t.Errorf("a copy has the place of the original, %s", got)
	}
	if runtime.GOOS == "linux" && madeAt(dir) == "" {
		t.Skip("this file system does not keep when a folder was made")
	}
	for range 3 { // each time the file system may give the new folder the inode number of the old one
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
		clone(backup, dir)
		if got := open(t, dir).Place(); got == place && got != "" {
			t.Errorf("a restored backup has the place of the original, %s", got)
		}
	}
}

func TestPlaceTellsApart(t *testing.T) {
	seen := map[string]bool{}
	for _, p := range []string{
		place("m", 1, "2"), place("m", 1, "3"), place("m", 2, "2"), place("n", 1, "2"), place("", 1, "2"), place("m", 1, ""),
		place("m", 12, ""),
	} {
		if len(p) != 64 || seen[p] {
			t.Errorf("the place %q is none, or there twice", p)
		}
		seen[p] = true
	}
	if p := place("", 1, ""); p != "" {
		t.Errorf("with the inode number alone the place is %q: every volume's root may have it", p)
	}
}

func TestNetwork(t *testing.T) {
	for kind, want := range map[string]string{
		"nfs": "NFS", "smbfs": "SMB", "9p": "9p", "webdav": "WebDAV", "afpfs": "AFP", "apfs": "", "hfs": "", "": "",
	} {
		if got := networks[kind]; got != want {
			t.Errorf("%q is %q, want %q", kind, got, want)
		}
	}
	s := &Store{dir: filepath.Join(t.TempDir(), "missing")}
	if got := s.Network(); got != "" {
		t.Errorf("a missing folder lies on %q", got)
	}
}
