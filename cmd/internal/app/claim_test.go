package app

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"bearerd/config"
	"bearerd/inject/proxy"
)

// A daemon serves with the keys that are in the store once it has claimed the folder, not with those before.
func TestKeysThatAreRotatedBeforeTheClaim(t *testing.T) {
	cfg := &config.Config{Store: config.Store{Path: filepath.Join(t.TempDir(), "state")}}
	log := slog.New(slog.DiscardHandler)
	a, err := Open(context.Background(), cfg, log, "")
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	store, err := OpenStore(t.Context(), cfg, log)
	if err != nil {
		t.Fatal(err)
	}
	command, err := proxy.LoadKeys(t.Context(), store)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := command.Rotate(t.Context(), store, true); err != nil {
		t.Fatal(err)
	}
	unlock, err := a.claim(t.Context(), cfg.Store.Path)
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	if a.keys.Issue("s", "c").Reveal() != command.Issue("s", "c").Reveal() {
		t.Error("the keys are those before")
	}
	if _, err := Alone(cfg.Store.Path); !errors.Is(err, ErrClaimed) {
		t.Errorf("a command works beside the daemon: %v", err)
	}
}

// A daemon waits for a command that works alone, but not for another daemon.
func TestClaimWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		release, err := Alone(dir)
		if err != nil {
			t.Fatal(err)
		}
		time.AfterFunc(time.Second/2, release)
		unlock, err := claim(t.Context(), dir)
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		_, err = claim(t.Context(), dir)
		if err == nil || !strings.Contains(err.Error(), "another `bearerd run`") || time.Since(start) < time.Second {
			t.Errorf("after %s: %v", time.Since(start), err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if start := time.Now(); !errorIn(claim(ctx, dir)) || time.Since(start) > 0 {
			t.Error("who is stopped waits all the same")
		}
		unlock()
		if release, err = Alone(dir); err != nil {
			t.Fatal(err)
		}
		release()
		if _, err := Alone(filepath.Join(dir, "none")); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("got %v", err)
		}
	})
}

func errorIn(_ func(), err error) bool { return err != nil }
