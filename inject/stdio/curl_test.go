//go:build unix

package stdio

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// A SIGKILL leaves the header file behind, so the next curl removes it, and nothing else.
func TestCurlFoldersOfDeadProcessesAreSwept(t *testing.T) {
	gone := exec.Command("true")
	if err := gone.Run(); err != nil {
		t.Fatal(err)
	}
	dead := gone.Process.Pid
	base := t.TempDir()
	folder := func(name string, mode os.FileMode) string {
		path := filepath.Join(base, name)
		if err := os.Mkdir(path, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(path, "header"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	stale := folder(fmt.Sprintf("bearerd-%d-17", dead), 0o700)
	kept := []string{
		folder(fmt.Sprintf("bearerd-%d-17", os.Getpid()), 0o700),
		folder(fmt.Sprintf("bearerd-%d-18", dead), 0o755),
		folder(fmt.Sprintf("bearerd-%d-x", dead), 0o700),
		folder(fmt.Sprintf("other-%d-17", dead), 0o700),
	}
	if os.Getuid() == 0 {
		foreign := folder(fmt.Sprintf("bearerd-%d-19", dead), 0o700)
		if err := os.Chown(foreign, 12345, 12345); err != nil {
			t.Fatal(err)
		}
		kept = append(kept, foreign)
	}
	link := filepath.Join(base, fmt.Sprintf("bearerd-%d-20", dead))
	if err := os.Symlink(kept[0], link); err != nil {
		t.Fatal(err)
	}
	l, err := ByArguments(server("curl", "https://x.test"), "", token, nil, []string{"XDG_RUNTIME_DIR=" + base})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(stale); err == nil {
		t.Error("the folder of a dead process is left")
	}
	for _, path := range append(kept, link, l.dir) {
		if _, err := os.Stat(filepath.Join(path, "header")); err != nil {
			t.Errorf("removed, too: %v", err)
		}
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
}
