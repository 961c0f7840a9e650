package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestPutBack leaves alone what somebody has written meanwhile, and says so: the secrets that are referred to there must stay.
func TestPutBack(t *testing.T) {
	for _, before := range []string{"", "log {}\n"} {
		dir := filepath.Join(t.TempDir(), "new")
		file := filepath.Join(dir, "bearerd.hcl")
		if before != "" {
			if err := os.Mkdir(dir, 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, []byte(before), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		var notes strings.Builder
		write, undo, err := target{path: file, file: file}.prepare([]byte("server \"x\" {}\n"), &notes)
		if err != nil {
			t.Fatal(err)
		}
		if err := write(); err != nil || notes.Len() > 0 {
			t.Fatal(err, notes.String())
		}
		ours, _ := os.ReadFile(file)
		theirs := string(ours) + "# somebody else's\n"
		if err := os.WriteFile(file, []byte(theirs), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := undo(); err == nil {
			t.Errorf("after %q: no error", before)
		}
		if now, _ := os.ReadFile(file); string(now) != theirs {
			t.Errorf("after %q: what somebody has written is gone: %q", before, now)
		}
		if err := os.WriteFile(file, ours, 0o600); err != nil {
			t.Fatal(err)
		}
		now, err := "", undo()
		if data, gone := os.ReadFile(file); gone == nil {
			now = string(data)
		}
		if err != nil || now != before {
			t.Errorf("after %q: %v, %q", before, err, now)
		}
	}
}
