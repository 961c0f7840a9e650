package app

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"bearerd/cmd/internal/admin"
	"bearerd/config"
	"bearerd/inject/stdio"
)

// What was noted is taken back also when everything ends.
func TestTrouble(t *testing.T) {
	a := &App{local: newMemory(), Log: slog.New(slog.DiscardHandler)}
	ctx, cancel := context.WithCancel(t.Context())
	tell := a.trouble(ctx, "s")
	next := time.Now()
	tell(stdio.Trouble{State: "no_token", Reason: "a reason", Ended: 2, Next: next})
	list, err := a.troubled(t.Context())
	want := admin.Trouble{Server: "s", PID: os.Getpid(), State: "no_token", Reason: "a reason", Ended: 2, Next: next.UTC().Truncate(time.Second)}
	if err != nil || len(list) != 1 || list[0] != want {
		t.Errorf("got %+v, %v", list, err)
	}
	cancel()
	tell(stdio.Trouble{})
	if list, err := a.troubled(t.Context()); err != nil || len(list) > 0 {
		t.Errorf("at the end: %+v, %v", list, err)
	}
}

// A token file stays for as long as another exec runs that uses it, and no longer.
func TestDropFile(t *testing.T) {
	const dead = 2147483000 // above any pid
	for holder, stays := range map[int]bool{os.Getppid(): true, dead: false} {
		a := &App{local: newMemory(), Log: slog.New(slog.DiscardHandler)}
		s := &config.Server{Name: "s", TokenFile: filepath.Join(t.TempDir(), "token")}
		if err := os.WriteFile(s.TokenFile, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		c := &child{app: a, name: s.Name, server: s}
		c.holdFile(t.Context())
		a.note(t.Context(), holdersPrefix+"s/"+strconv.Itoa(holder), "s", holder)
		if err := c.dropFile(t.Context(), s); err != nil {
			t.Error(err)
		}
		if _, err := os.Stat(s.TokenFile); errors.Is(err, fs.ErrNotExist) == stays {
			t.Errorf("another holder, running: %t: %v", stays, err)
		}
		holders, err := a.local.List(t.Context(), holdersPrefix)
		if err != nil || len(holders) > 0 != stays {
			t.Errorf("holders, one running: %t: %q, %v", stays, holders, err)
		}
	}
}
