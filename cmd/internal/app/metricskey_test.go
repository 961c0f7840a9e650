package app

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bearerd/config"
)

// A metrics key that can be guessed opens nothing, wherever it comes from, and that is said at start.
func TestAWeakMetricsKeyOpensNothing(t *testing.T) {
	key := filepath.Join(t.TempDir(), "key")
	r := newEdited(t, fmt.Sprintf("admin { metrics_key = file(%q) }", key))
	var log strings.Builder
	r.app.Log = slog.New(slog.NewTextHandler(&log, nil))
	for value, want := range map[string]string{
		"weak1\n":                  "must be at least 20 characters",
		"nineteen-characters\n":    "must be at least 20 characters",
		"as-long-as-it-must-be!\n": "",
	} {
		if err := os.WriteFile(key, []byte(value), 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := r.app.API(0).MetricsKey(t.Context())
		log.Reset()
		r.app.tryMetricsKey(t.Context())
		if want == "" {
			if err != nil || got.Reveal() != strings.TrimSpace(value) || log.Len() > 0 {
				t.Errorf("%s: %v %s", value, err, log.String())
			}
			continue
		}
		said := log.String()
		if err == nil || !strings.Contains(err.Error(), want) || !got.IsZero() || strings.Count(said, want) != 1 {
			t.Errorf("%s: %v, in the log %s", value, err, said)
		}
		if secret := strings.TrimSpace(value); strings.Contains(said+err.Error(), secret) {
			t.Errorf("%s is told", secret)
		}
	}
}

func TestTheDaemonSaysAtStartThatItsMetricsKeyIsWeak(t *testing.T) {
	t.Setenv("WEAK_METRICS_KEY", "weak1")
	dir := t.TempDir()
	path := filepath.Join(dir, "bearerd.hcl")
	text := fmt.Sprintf("store \"file\" { path = %q }\nadmin {\n  listen      = \"unix:%s/admin.sock\"\n  metrics_key = env(\"WEAK_METRICS_KEY\")\n}\n", dir+"/state", dir) +
		fmt.Sprintf("proxy { listen = %q }\n", freeAddress(t)) + "server \"hand\" { url = \"https://hand.example.com/mcp\" }\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	watcher := config.NewWatcher(path, slog.New(slog.DiscardHandler))
	cfg, diagnostics := watcher.Load(t.Context())
	if cfg == nil {
		t.Fatal(diagnostics)
	}
	var log strings.Builder
	ctx, cancel := context.WithCancel(t.Context())
	service := Service{Watcher: watcher, Level: new(slog.LevelVar), Ready: cancel}
	if err := Daemon(ctx, cfg, service, slog.New(slog.NewTextHandler(&log, nil)), ""); err != nil {
		t.Fatal(err)
	}
	if said := log.String(); strings.Count(said, "must be at least 20 characters") != 1 || strings.Contains(said, "weak1") {
		t.Errorf("in the log: %s", said)
	}
}
