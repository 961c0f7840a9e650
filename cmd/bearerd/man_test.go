package main_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The manual pages are the same each time, and such as groff can set without a warning. Their library is in no other build.
//
// It is not parallel: what it builds would take the time of tests whose tokens live for seconds.
func TestManualPages(t *testing.T) {
	h := newHome(t)
	if said := h.fails(2, "man", h.dir); !strings.Contains(said, "unknown command") {
		t.Error(said)
	}
	program := filepath.Join(t.TempDir(), "bearerd-man")
	if out, err := exec.Command("go", "build", "-tags", "man", "-o", program, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	made := map[string]string{}
	for _, zone := range []string{"UTC", "Pacific/Kiritimati"} {
		dir := t.TempDir()
		cmd := exec.Command(program, "man", dir)
		cmd.Env = append(os.Environ(), "SOURCE_DATE_EPOCH=1798761599", "TZ="+zone) // the last second of a year
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		pages, _ := filepath.Glob(filepath.Join(dir, "*.1"))
		for _, page := range pages {
			name := filepath.Base(page)
			b, err := os.ReadFile(page)
			if text := string(b); err != nil || made[name] != "" && made[name] != text || !strings.Contains(text, "Dec 2026") {
				t.Errorf("%s: %v, or it is another one in another time zone", name, err)
			}
			made[name] = string(b)
			if groff, err := exec.LookPath("groff"); err == nil {
				out, err := exec.Command(groff, "-man", "-Kutf8", "-Tutf8", "-ww", "-z", page).CombinedOutput()
				if err != nil || len(out) > 0 {
					t.Errorf("%s: %v\n%s", name, err, out)
				}
			}
		}
	}
	for _, name := range []string{"bearerd.1", "bearerd-exec.1", "bearerd-secret-set.1", "bearerd-completion-bash.1"} {
		if made[name] == "" {
			t.Errorf("there is no %s", name)
		}
	}
}
