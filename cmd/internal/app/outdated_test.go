package app

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"bearerd/config"
	"bearerd/secrets"
	"bearerd/secrets/sealed"
)

// kept is a value in a Vault that may be away.
type kept struct {
	mu    sync.Mutex
	value string
	err   error
	reads int
}

func (k *kept) set(value string, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.value, k.err = value, err
}

func (k *kept) read(context.Context, string, string) (string, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.reads++
	return k.value, k.err
}

// A value that a running child holds is looked at every minute; a change is told once, in the log and in status, until it
// is taken back or the child ends. An outage of Vault changes nothing.
func TestWatchTellsOfChangedValues(t *testing.T) {
	store, err := sealed.Open(filepath.Join(t.TempDir(), "state"), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer // written by the goroutine of watch, read when that is idle
		k := &kept{value: "one"}
		a := &App{Log: slog.New(slog.NewTextHandler(&log, nil)), local: store, store: store,
			resolve: &secrets.Resolver{Store: store, Vault: k.read}}
		s := &config.Server{Name: "s", OnRotate: "none", Env: map[string]secrets.Ref{
			"KEY": {Kind: secrets.Vault, Name: "p", Field: "f"}, "FIXED": secrets.LiteralRef("x"),
		}}
		held := map[string]secrets.Secret{"KEY": secrets.New("one"), "FIXED": secrets.New("x")}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			(&child{app: a, name: s.Name, server: s, env: held}).watch(ctx, os.Getpid())
		}()
		minute := func(step string, warnings int, want ...string) {
			t.Helper()
			time.Sleep(time.Minute)
			synctest.Wait()
			notes, err := a.outdated(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			var env []string
			for _, n := range notes {
				env = append(env, n.Env...)
			}
			if n := strings.Count(log.String(), "level=WARN"); n != warnings || !slices.Equal(env, want) {
				t.Errorf("%s: %d warnings, want %d; status has %q\n%s", step, n, warnings, env, log.String())
			}
		}
		minute("unchanged", 0)
		if k.reads == 0 || k.reads > 2 {
			t.Errorf("%d reads in a minute", k.reads)
		}
		k.set("two", nil)
		minute("changed", 1, "KEY")
		minute("still changed", 1, "KEY")
		k.set("", errors.New("Vault is away"))
		minute("away", 1, "KEY")
		k.set("two", nil)
		minute("back", 1, "KEY")
		k.set("one", nil)
		minute("as it was", 1)
		k.set("", errors.New("Vault is away"))
		minute("away, unchanged", 1)
		k.set("three", nil)
		minute("changed again", 2, "KEY")
		cancel()
		<-done
		if notes, err := a.outdated(t.Context()); err != nil || len(notes) > 0 {
			t.Errorf("after the end status has %v, %v", notes, err)
		}
		if strings.Contains(log.String(), "three") || strings.Contains(log.String(), "two") {
			t.Errorf("a value is in the log:\n%s", log.String())
		}
	})
}

// What a process has noted that is gone, killed perhaps, is dropped.
func TestOutdatedDropsTheNotesOfDeadProcesses(t *testing.T) {
	store, err := sealed.Open(filepath.Join(t.TempDir(), "state"), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	const dead = outdatedPrefix + "s/2147483000" // above any pid
	if _, err := store.Put(t.Context(), dead, []byte(`{"server":"s","pid":2147483000,"env":["KEY"]}`), ""); err != nil {
		t.Fatal(err)
	}
	notes, err := (&App{local: store}).outdated(t.Context())
	if err != nil || len(notes) > 0 {
		t.Errorf("%v %v", notes, err)
	}
	if _, _, err := store.Get(t.Context(), dead); !errors.Is(err, secrets.ErrNotFound) {
		t.Errorf("the note is still there: %v", err)
	}
}
