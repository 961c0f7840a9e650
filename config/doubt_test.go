package config

import (
	"errors"
	"log/slog"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// folderOf runs f on a folder with a file for each of the servers a, b and c, where the system tells of no changes.
func folderOf(t *testing.T, f func(t *testing.T, dir string, w *Watcher, events <-chan Event)) {
	t.Helper()
	home(t)
	dir := t.TempDir()
	for _, name := range []string{"a", "b", "c"} {
		put(t, dir+"/"+name+".hcl", remote(name))
	}
	synctest.Test(t, func(t *testing.T) {
		w, events := started(t, dir, func(w *Watcher) { w.open = noWatcher })
		f(t, dir, w, events)
	})
}

// A file whose server would end with it is doubted, however many others there are.
func TestDoubtOfOneFile(t *testing.T) {
	empty := func(text string) func(*testing.T, string) {
		return func(t *testing.T, dir string) { put(t, dir+"/b.hcl", text) }
	}
	for name, c := range map[string]struct {
		edit    func(t *testing.T, dir string)
		doubted bool
	}{
		"emptied":     {empty(""), true},
		"white space": {empty(" \r\n\t\n"), true},
		"gone":        {func(t *testing.T, dir string) { must(t, os.Remove(dir+"/b.hcl")) }, true},
		"removed":     {empty("# nothing\n"), false},
		"another":     {empty(remote("other")), false},
		"moved to another file": {func(t *testing.T, dir string) {
			put(t, dir+"/c.hcl", remote("c")+remote("b"))
			put(t, dir+"/b.hcl", "")
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			folderOf(t, func(t *testing.T, dir string, w *Watcher, events <-chan Event) {
				if c.doubted {
					c.edit(t, dir)
					w.poke <- struct{}{}
					silent(t, events, 4*time.Second)
					put(t, dir+"/b.hcl", remote("b")) // it was half of a save
					silent(t, events, time.Minute)
				}
				c.edit(t, dir)
				begin := time.Now()
				w.poke <- struct{}{}
				e := <-events
				if d := time.Since(begin); e.Config == nil || c.doubted != (d >= 5*time.Second) || d > 6*time.Second {
					t.Errorf("got %v %v after %s", e.Config, e.Diagnostics, d)
				}
			})
		})
	}
}

// wantSure fails unless LoadSure gives these servers; none: it is in doubt.
func (w *Watcher) wantSure(t *testing.T, what, edited string, want ...string) {
	t.Helper()
	before := w.newest
	cfg, diags, err := w.LoadSure(t.Context(), edited)
	switch {
	case len(want) == 0:
		if !errors.Is(err, ErrDoubt) || cfg != nil || w.newest != before {
			t.Errorf("%s: got %v %v %v", what, cfg, diags, err)
		}
	case err != nil || cfg == nil || !slices.Equal(serverNames(cfg), want):
		t.Errorf("%s: want %q, got %v %v %v", what, want, cfg, diags, err)
	case !w.Newest(cfg):
		t.Errorf("%s: it is not the newest", what)
	default:
		w.Follow(cfg)
	}
}

func TestLoadSure(t *testing.T) {
	home(t)
	dir := t.TempDir()
	for _, name := range []string{"a", "b", "c"} {
		put(t, dir+"/"+name+".hcl", remote(name))
	}
	synctest.Test(t, func(t *testing.T) {
		w := NewWatcher(dir, slog.New(slog.DiscardHandler))
		w.wantSure(t, "at first", "", "a", "b", "c")
		put(t, dir+"/c.hcl", remote("c")+remote("d"))
		w.wantSure(t, "another file", "", "a", "b", "c", "d")

		put(t, dir+"/c.hcl", "")
		w.wantSure(t, "emptied", "")
		put(t, dir+"/e.hcl", remote("e"))
		w.wantSure(t, "emptied while another was edited", "e")
		must(t, os.Remove(dir+"/e.hcl"))
		w.wantSure(t, "emptied", "")
		for range 4 { // each look takes a quarter of a second
			time.Sleep(700 * time.Millisecond)
			w.wantSure(t, "still", "")
		}
		time.Sleep(1200 * time.Millisecond)
		w.wantSure(t, "it stays like this", "", "a", "b")

		must(t, os.Remove(dir+"/b.hcl"))
		w.wantSure(t, "of others", "a")
		w.wantSure(t, "removed by whoever asks", "b", "a")
		put(t, dir+"/conf.d/x.hcl", "# nothing")
		must(t, os.Remove(dir+"/a.hcl"))
		cfg, diags, err := w.LoadSure(t.Context(), "a")
		if err != nil || cfg == nil || len(cfg.Servers) != 0 {
			t.Errorf("the last server: got %v %v %v", cfg, diags, err)
		}
	})
}

// What is wrong is said, not doubted, and is looked at again each time.
func TestLoadSureOfErrors(t *testing.T) {
	home(t)
	dir := t.TempDir()
	put(t, dir+"/a.hcl", remote("a"))
	w := NewWatcher(dir, slog.New(slog.DiscardHandler))
	w.wantSure(t, "at first", "", "a")
	put(t, dir+"/z.hcl", "server {")
	for range 2 {
		if cfg, diags, err := w.LoadSure(t.Context(), ""); err != nil || cfg != nil || !diags.HasErrors() || !w.Newest(nil) {
			t.Errorf("got %v %v %v", cfg, diags, err)
		}
	}
	must(t, os.Remove(dir+"/z.hcl"))
	w.wantSure(t, "mended", "", "a")

	put(t, dir+"/z.hcl", oauthServer(`OAUTH_CA_BUNDLE_PATH = "ca.pem"`))
	if cfg, diags, err := w.LoadSure(t.Context(), ""); err != nil || cfg != nil || !diags.HasErrors() {
		t.Errorf("without its file: got %v %v %v", cfg, diags, err)
	}
	put(t, dir+"/ca.pem", string(makePair(t).cert))
	w.wantSure(t, "the file is there", "", "a", "tickets")

	must(t, os.Remove(dir+"/a.hcl"))
	must(t, os.Remove(dir+"/z.hcl"))
	w.wantSure(t, "all is gone", "")
	if cfg, diags, err := w.LoadSure(t.Context(), "a"); err != nil || cfg != nil || !diags.HasErrors() {
		t.Errorf("the last file, removed by whoever asks: got %v %v %v", cfg, diags, err)
	}
}

// A file that is written all the time is not taken in the middle.
func TestLoadSureOfAFileThatIsBeingWritten(t *testing.T) {
	path := write(t, "c.hcl", version(1, 1))
	synctest.Test(t, func(t *testing.T) {
		w := NewWatcher(path, slog.New(slog.DiscardHandler))
		w.wantSure(t, "at first", "", "s0")
		done := make(chan struct{})
		go func() {
			defer close(done)
			for i := range 600 { // longer than anybody waits
				put(t, path, version(1, 1)+strings.Repeat("#", i)+"\n")
				time.Sleep(10 * time.Millisecond)
			}
		}()
		time.Sleep(time.Millisecond)
		w.wantSure(t, "while it is written", "")
		<-done
		w.wantSure(t, "then", "", "s0")
	})
}

// A file that is cut off where it still parses is being written: who adds a server waits until it has stayed as it is.
func TestHalfOfASaveIsNotLoaded(t *testing.T) {
	home(t)
	dir := t.TempDir()
	whole := remote("a") + remote("b") + remote("c")
	put(t, dir+"/all.hcl", whole)
	synctest.Test(t, func(t *testing.T) {
		w := NewWatcher(dir, slog.New(slog.DiscardHandler))
		cfg, _ := w.Load(t.Context())
		w.Follow(cfg)
		put(t, dir+"/all.hcl", remote("a")+remote("b"))
		go func() {
			time.Sleep(150 * time.Millisecond)
			put(t, dir+"/all.hcl", whole)
		}()
		got, _, err := w.LoadSure(t.Context(), "")
		if err != nil || got == nil || len(got.Servers) != 3 {
			t.Errorf("%v %v", got, err)
		}
	})
}
