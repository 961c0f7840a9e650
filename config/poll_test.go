package config

import (
	"log/slog"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fsnotify/fsnotify"
)

// polled runs f with a clock of its own, where the system tells of no changes.
func polled(t *testing.T, text string, f func(t *testing.T, path string, w *Watcher, events <-chan Event)) {
	path := write(t, "config.hcl", text)
	synctest.Test(t, func(t *testing.T) {
		w, events := started(t, path, func(w *Watcher) { w.open = noWatcher })
		f(t, path, w, events)
	})
}

func silent(t *testing.T, events <-chan Event, d time.Duration) {
	t.Helper()
	select {
	case e := <-events:
		t.Fatalf("got %+v", e)
	case <-time.After(d):
	}
}

func TestPollTakesOver(t *testing.T) {
	polled(t, version(1, servers), func(t *testing.T, path string, w *Watcher, events <-chan Event) {
		for v := 2; v < 5; v++ {
			begin := time.Now()
			put(t, path, version(v, servers))
			wantVersion(t, <-events, v)
			if d := time.Since(begin); d > 31*time.Second {
				t.Errorf("found after %s", d)
			}
			silent(t, events, time.Minute)
		}
		if w.Failures.Load() == 0 {
			t.Error("no failure was counted")
		}
	})
}

// Instances there are, but no room for another folder.
func TestPollWithoutFolders(t *testing.T) {
	path := write(t, "config.hcl", version(1, servers))
	synctest.Test(t, func(t *testing.T) {
		w, events := started(t, path, func(w *Watcher) {
			w.open = func() (*fsnotify.Watcher, error) {
				closed, err := fsnotify.NewWatcher()
				if err != nil {
					return nil, err
				}
				return closed, closed.Close()
			}
		})
		put(t, path, version(2, servers))
		wantVersion(t, <-events, 2)
		silent(t, events, time.Minute)
		if w.Failures.Load() == 0 {
			t.Error("no failure was counted")
		}
	})
}

// That there is no inotify is said once.
func TestFailureIsLoggedOnce(t *testing.T) {
	path := write(t, "config.hcl", version(1, servers))
	var log strings.Builder
	synctest.Test(t, func(t *testing.T) {
		_, events := started(t, path, func(w *Watcher) {
			w.open, w.log = noWatcher, slog.New(slog.NewTextHandler(&log, nil))
		})
		silent(t, events, 10*time.Minute)
	})
	if n := strings.Count(log.String(), "level=WARN"); n != 1 {
		t.Errorf("said %d times:\n%s", n, log.String())
	}
}

// Where the configuration would lose most servers, the same bytes must be there 5 seconds later.
func TestDoubt(t *testing.T) {
	most := version(2, servers/2-1)
	for name, text := range map[string]string{
		"most are gone": most, "empty": "", "no server": "# none\nlog {\n}\n",
	} {
		t.Run(name, func(t *testing.T) {
			polled(t, version(1, servers), func(t *testing.T, path string, w *Watcher, events <-chan Event) {
				put(t, path, text)
				w.poke <- struct{}{}
				silent(t, events, 4*time.Second)
				put(t, path, version(1, servers)) // it was half of a save
				silent(t, events, time.Minute)

				put(t, path, text)
				begin := time.Now()
				w.poke <- struct{}{}
				silent(t, events, 3*time.Second)
				put(t, path, text+"# more\n")
				w.poke <- struct{}{}
				silent(t, events, 5*time.Second) // from then on
				e := <-events
				if d := time.Since(begin); !e.Loaded || d > 10*time.Second {
					t.Errorf("got %+v after %s", e, d)
				}
			})
		})
	}
	t.Run("half are gone", func(t *testing.T) {
		polled(t, version(1, servers), func(t *testing.T, path string, w *Watcher, events <-chan Event) {
			put(t, path, version(1, servers/2))
			begin := time.Now()
			w.poke <- struct{}{}
			if e := <-events; len(e.Config.Servers) != servers/2 || time.Since(begin) > time.Second {
				t.Errorf("got %d servers after %s", len(e.Config.Servers), time.Since(begin))
			}
		})
	})
	t.Run("renamed", func(t *testing.T) {
		const one, two = "server \"a\" {\n  command = \"uvx\"\n}\n", "server \"b\" {\n  command = \"uvx\"\n  moved_from = \"a\"\n}\n"
		home(t)
		polled(t, one+strings.ReplaceAll(one, `"a"`, `"c"`), func(t *testing.T, path string, w *Watcher, events <-chan Event) {
			put(t, path, two+strings.ReplaceAll(one, `"a"`, `"d"`))
			begin := time.Now()
			w.poke <- struct{}{}
			if e := <-events; e.Config == nil || time.Since(begin) > time.Second {
				t.Errorf("got %v after %s", e.Diagnostics, time.Since(begin))
			}
		})
	})
}

// A folder in which always something happens does not keep a change from being found.
func TestBusyFolder(t *testing.T) {
	polled(t, version(1, servers), func(t *testing.T, path string, w *Watcher, events <-chan Event) {
		put(t, path, version(2, servers))
		begin, tick := time.Now(), time.NewTicker(100*time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case e := <-events:
				wantVersion(t, e, 2)
				if d := time.Since(begin); d < 2*time.Second || d > 3*time.Second {
					t.Errorf("found after %s", d)
				}
				return
			case <-tick.C:
				select {
				case w.poke <- struct{}{}:
				default:
				}
			}
		}
	})
}

// Nothing is told of a secret that is being replaced, until it is there.
func TestMaterialIsGoneForAWhile(t *testing.T) {
	home(t)
	key := write(t, "key", "one")
	polled(t, "server \"s\" {\n  command = \"uvx\"\n  env     = { KEY = file(\""+key+"\") }\n}\n",
		func(t *testing.T, _ string, _ *Watcher, events <-chan Event) {
			must(t, os.Remove(key))
			silent(t, events, time.Minute)
			put(t, key, "")
			silent(t, events, time.Minute)
			put(t, key, "one")
			silent(t, events, time.Minute)
			put(t, key, "two")
			if e := <-events; e.Loaded || len(e.Materials) != 1 {
				t.Errorf("got %+v", e)
			}
		})
}
