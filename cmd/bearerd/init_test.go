package main_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// What init says where nobody can be asked is a configuration.
func TestInitWithoutATerminal(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	said := h.fails(1, "init")
	_, rest, found := strings.Cut(said, "by hand, to "+h.path("bearerd.hcl")+":\n")
	text, _, _ := strings.Cut(rest, "\nor take")
	if !found {
		t.Fatal(said)
	}
	h.write("bearerd.hcl", text)
	h.ok("check")
}

// A configuration that is there stays as it is, wherever it was looked for.
func TestInitChangesNoConfiguration(t *testing.T) {
	t.Parallel()
	for name, files := range map[string][]string{
		"file": {"bearerd.hcl"}, "folder": {"a.hcl"}, "conf.d": {"conf.d/a.hcl"}, "JSON": {"a.hcl.json"},
	} {
		h := newHome(t)
		path := h.path("[odd] folder")
		for _, f := range files {
			if err := os.MkdirAll(filepath.Dir(filepath.Join(path, f)), 0o700); err != nil {
				t.Fatal(err)
			}
			h.write(filepath.Join("[odd] folder", f), "# mine\n")
		}
		if name == "file" {
			path = filepath.Join(path, files[0])
		}
		if said := h.fails(1, "init", "-c", path); !strings.Contains(said, "already") || !strings.Contains(said, path) {
			t.Errorf("%s: %s", name, said)
		}
	}
	h := newHome(t)
	if said := h.fails(1, "init", "-c", h.path("a.hcl.json")); !strings.Contains(said, ".hcl") {
		t.Error(said)
	}
}
