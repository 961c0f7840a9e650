package config

import (
	"os"
	"path/filepath"
	"testing"
)

func TestStatePathOfABrokenConfiguration(t *testing.T) {
	t.Setenv("XDG_STATE_HOME", "/xdg")
	dir := t.TempDir()
	for text, want := range map[string]string{
		"store \"file\" { path = \"st\" }\nserver \"a\" {": filepath.Join(dir, "st"),
		"store \"file\" { path = \"st\" }\nserver {}\n":    filepath.Join(dir, "st"),
		"store \"file\" { path = \"/abs\" }\nx = 1":        "/abs",
		"server \"a\" {":                         "/xdg/bearerd",
		"store \"vault\" {}\nserver \"a\" { x=1": "/xdg/bearerd",
		"store":                                  "/xdg/bearerd",
		"":                                       "/xdg/bearerd",
	} {
		path := filepath.Join(dir, "c.hcl")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := StatePath(path); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
	if got := StatePath(filepath.Join(dir, "absent")); got != "" {
		t.Errorf("no file: %q", got)
	}
}

func TestAnErrorInAnotherServersBlock(t *testing.T) {
	path := filepath.Join(t.TempDir(), "c.hcl")
	text := "server \"good\" { command = \"true\" }\nserver \"bad\" {\n command = \"true\"\n listen = 1\n}\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, diagnostics := LoadServer(path, "good")
	if cfg == nil || cfg.Server("good") == nil || len(diagnostics) == 0 {
		t.Errorf("got %v", diagnostics)
	}
	if cfg, _ := LoadServer(path, "bad"); cfg != nil {
		t.Error("its own errors do not count")
	}
	if cfg, _ := Load(path); cfg != nil {
		t.Error("the test shows nothing")
	}
}
