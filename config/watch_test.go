package config

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fsnotify/fsnotify"
)

// version is a configuration whose servers all carry v.
func version(v, servers int) string {
	var b strings.Builder
	b.WriteString("store \"file\" {\n  path = \"/var/lib/bearerd\"\n}\n")
	for i := range servers {
		fmt.Fprintf(&b, "server \"s%d\" {\n  command = \"uvx\"\n  args    = [\"v%d\"]\n}\n", i, v)
	}
	return b.String()
}

const servers = 20

// wantVersion fails on a torn configuration.
func wantVersion(t *testing.T, e Event, v int) {
	t.Helper()
	if e.Config == nil {
		t.Fatalf("got %v", e.Diagnostics)
	}
	if len(e.Config.Servers) != servers {
		t.Errorf("got %d servers", len(e.Config.Servers))
	}
	for _, s := range e.Config.Servers {
		if want := fmt.Sprintf("v%d", v); s.Args[0] != want {
			t.Fatalf("%s has %s, want %s", s.Name, s.Args[0], want)
		}
	}
}

func put(t *testing.T, path, text string) {
	t.Helper()
	must(t, os.MkdirAll(filepath.Dir(path), 0o755))
	must(t, os.WriteFile(path, []byte(text), 0o600))
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func run(t *testing.T, name string, args ...string) {
	t.Helper()
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", name, err, out)
	}
}

// started runs a watcher, and returns it past its first reading. What it loads is in force.
func started(t *testing.T, path string, set func(*Watcher)) (*Watcher, <-chan Event) {
	t.Helper()
	w := NewWatcher(path, slog.New(slog.DiscardHandler))
	w.quiet, w.settle = 120*time.Millisecond, 30*time.Millisecond
	if set != nil {
		set(w)
	}
	ctx, cancel := context.WithCancel(t.Context())
	events, done := make(chan Event, 100), make(chan struct{})
	go func() {
		defer close(done)
		w.Run(ctx, func(e Event) {
			if e.Config != nil {
				w.Follow(e.Config)
			}
			events <- e
		})
	}()
	t.Cleanup(func() { cancel(); <-done })
	if e := <-events; e.Config == nil {
		t.Fatal(e.Diagnostics)
	}
	return w, events
}

// only returns the one event that comes, and sees for a while that no other does.
func only(t *testing.T, events <-chan Event) Event {
	t.Helper()
	var e Event
	select {
	case e = <-events:
	case <-time.After(20 * time.Second):
		t.Fatal("nothing was loaded")
	}
	select {
	case more := <-events:
		t.Errorf("a second event: %v %v", more.Materials, more.Diagnostics)
	case <-time.After(400 * time.Millisecond):
	}
	return e
}

func link(t *testing.T, target, path string) {
	t.Helper()
	must(t, os.Symlink(target, path+".new"))
	must(t, os.Rename(path+".new", path))
}

// mounted lays out a folder as the kubelet does; swap replaces its content.
func mounted(t *testing.T, dir string, v int) (swap func(v int)) {
	t.Helper()
	current := ""
	swap = func(v int) {
		t.Helper()
		old := current
		current = fmt.Sprintf("..2026_%d", v)
		put(t, filepath.Join(dir, current, "config.hcl"), version(v, servers))
		link(t, current, filepath.Join(dir, "..data"))
		if old != "" {
			must(t, os.RemoveAll(filepath.Join(dir, old)))
		}
	}
	swap(v)
	must(t, os.Symlink("..data/config.hcl", filepath.Join(dir, "config.hcl")))
	return swap
}

func slowly(t *testing.T, path, text string, pause time.Duration) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_TRUNC, 0)
	must(t, err)
	for piece := range slices.Chunk([]byte(text), len(text)/20+1) {
		time.Sleep(pause) // the writer is slow
		_, err := f.Write(piece)
		must(t, err)
	}
	must(t, f.Close())
}

// Each way to save ends in one event with the new content.
func TestSaves(t *testing.T) {
	two := version(2, servers)
	for name, save := range map[string]func(t *testing.T, path string){
		"vim, backupcopy no": func(t *testing.T, path string) {
			must(t, os.Rename(path, path+"~"))
			put(t, path, two)
			must(t, os.Remove(path+"~"))
		},
		"vim, backupcopy yes": func(t *testing.T, path string) {
			put(t, path+"~", version(1, servers))
			put(t, path, two)
			must(t, os.Remove(path+"~"))
		},
		"vim itself": func(t *testing.T, path string) {
			if _, err := exec.LookPath("vim"); err != nil {
				t.Skip("there is no vim")
			}
			for _, copying := range []string{"yes", "no"} {
				run(t, "vim", "-u", "NONE", "-es", "-c", "set backup backupcopy="+copying, "-c", "%s/v1/v2/e", "-c", "wq!", path)
			}
		},
		"sed -i":   func(t *testing.T, path string) { run(t, "sed", "-i", "s/v1/v2/", path) },
		"mv over":  func(t *testing.T, path string) { put(t, path+".new", two); run(t, "mv", path+".new", path) },
		"cp":       func(t *testing.T, path string) { put(t, path+".new", two); run(t, "cp", path+".new", path) },
		"in place": func(t *testing.T, path string) { put(t, path, two) },
		"20 pieces": func(t *testing.T, path string) {
			slowly(t, path, two, 10*time.Millisecond)
		},
		"twice in a row": func(t *testing.T, path string) {
			put(t, path, version(7, servers))
			put(t, path, two)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := write(t, "config.hcl", version(1, servers))
			_, events := started(t, path, nil)
			save(t, path)
			wantVersion(t, only(t, events), 2)
		})
	}
}

// A burst that lasts longer than the limit is not read in its middle.
func TestSlowerThanTheLimit(t *testing.T) {
	t.Parallel()
	path := write(t, "config.hcl", version(1, servers))
	_, events := started(t, path, func(w *Watcher) {
		w.quiet, w.limit, w.settle = 250*time.Millisecond, 200*time.Millisecond, 5*time.Millisecond
	})
	slowly(t, path, version(2, servers), 30*time.Millisecond)
	wantVersion(t, only(t, events), 2)
}

func TestLinkIsSwapped(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	put(t, dir+"/a/one.hcl", version(1, servers))
	put(t, dir+"/b/two.hcl", version(2, servers))
	must(t, os.Mkdir(dir+"/etc", 0o755))
	link(t, "../a/one.hcl", dir+"/etc/config.hcl")
	_, events := started(t, dir+"/etc/config.hcl", nil)
	link(t, "../b/two.hcl", dir+"/etc/config.hcl")
	wantVersion(t, only(t, events), 2)
	put(t, dir+"/b/two.hcl", version(3, servers)) // the target, in another folder
	wantVersion(t, only(t, events), 3)
}

// A folder on the way is a link.
func TestFolderLinkIsSwapped(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	put(t, dir+"/r1/etc/config.hcl", version(1, servers))
	put(t, dir+"/r2/etc/config.hcl", version(2, servers))
	link(t, "r1", dir+"/current")
	_, events := started(t, dir+"/current/etc", nil)
	link(t, "r2", dir+"/current")
	wantVersion(t, only(t, events), 2)
}

func TestKubernetesMount(t *testing.T) {
	t.Parallel()
	for _, named := range []string{"", "config.hcl"} {
		t.Run("path "+named, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			swap := mounted(t, dir, 1)
			_, events := started(t, filepath.Join(dir, named), nil)
			for v := 2; v <= 4; v++ {
				swap(v)
			}
			wantVersion(t, only(t, events), 4)
			swap(5)
			wantVersion(t, only(t, events), 5)
		})
	}
}

func TestFolderIsReplaced(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	put(t, dir+"/conf/config.hcl", version(1, servers))
	put(t, dir+"/next/config.hcl", version(2, servers))
	_, events := started(t, dir+"/conf", nil)
	must(t, os.Rename(dir+"/conf", dir+"/old"))
	must(t, os.Rename(dir+"/next", dir+"/conf"))
	wantVersion(t, only(t, events), 2)
	put(t, dir+"/conf/config.hcl", version(3, servers)) // the new folder is watched, not the old one
	wantVersion(t, only(t, events), 3)
	must(t, os.Rename(dir+"/conf", dir+"/old2"))
	must(t, os.Rename(dir+"/old2", dir+"/conf")) // the library drops a folder that was renamed
	put(t, dir+"/conf/config.hcl", version(4, servers))
	wantVersion(t, only(t, events), 4)
}

// A file in conf.d, which is made later.
func TestFileIsAdded(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	put(t, dir+"/config.hcl", version(1, servers))
	_, events := started(t, dir, nil)
	put(t, dir+"/conf.d/more.hcl", "server \"more\" {\n  command = \"uvx\"\n}\n")
	if e := only(t, events); e.Config == nil || e.Config.Server("more") == nil {
		t.Errorf("got %v", e.Diagnostics)
	}
}

// Files that the configuration names.
func TestMaterials(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	put(t, dir+"/secrets/v1/key", "one")
	link(t, "v1", dir+"/secrets/current")
	put(t, dir+"/config.hcl", "store \"file\" {\n  path = \"/var/lib/bearerd\"\n}\n"+
		"server \"s\" {\n  command = \"uvx\"\n  env     = { KEY = file(\"secrets/current/key\") }\n}\n")
	_, events := started(t, dir+"/config.hcl", nil)
	want := []string{dir + "/secrets/current/key"}
	put(t, dir+"/secrets/v1/key", "two")
	if e := only(t, events); e.Loaded || !slices.Equal(e.Materials, want) {
		t.Errorf("got %+v", e)
	}
	put(t, dir+"/secrets/v2/key", "three")
	link(t, "v2", dir+"/secrets/current")
	if e := only(t, events); e.Loaded || !slices.Equal(e.Materials, want) {
		t.Errorf("got %+v", e)
	}
}

// A configuration that was refused for want of a file is loaded when the file is there.
func TestMissingFileComes(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	put(t, dir+"/config.hcl", version(1, servers))
	w, events := started(t, dir+"/config.hcl", nil)
	put(t, dir+"/config.hcl", version(1, servers)+`server "u" {
  url = "https://mcp.example.com"
  oauth_config {
    enabled              = true
    OAUTH_CLIENT_ID      = "id"
    OAUTH_CLIENT_SECRET  = env("S")
    OAUTH_TOKEN_URL      = "https://auth.example.com/token"
    OAUTH_CA_BUNDLE_PATH = "tls/ca.pem"
  }
}
`)
	if e := only(t, events); e.Config != nil {
		t.Fatal("the file is not there")
	}
	put(t, dir+"/tls/ca.pem", string(makePair(t).cert))
	if e := only(t, events); e.Config == nil || e.Config.Server("u") == nil {
		t.Errorf("got %v", e.Diagnostics)
	}
	if n := w.Failures.Load(); n != 0 {
		t.Errorf("%d failures", n)
	}
}

// What is broken is told once, what is put right again too.
func TestErrorsAreTold(t *testing.T) {
	t.Parallel()
	path := write(t, "config.hcl", version(1, servers))
	_, events := started(t, path, nil)
	put(t, path, version(2, servers)+"server {")
	if e := only(t, events); !e.Loaded || e.Config != nil || !e.Diagnostics.HasErrors() {
		t.Errorf("got %+v", e)
	}
	put(t, path, version(1, servers))
	wantVersion(t, only(t, events), 1)
}

// Of what is asked for, nothing is told again.
func TestLoadIsNoChange(t *testing.T) {
	t.Parallel()
	path := write(t, "config.hcl", version(1, servers))
	w, events := started(t, path, func(w *Watcher) { w.quiet = 500 * time.Millisecond })
	put(t, path, version(2, servers))
	cfg, diags := w.Load(t.Context())
	wantVersion(t, Event{Config: cfg, Diagnostics: diags}, 2)
	w.Follow(cfg)
	select {
	case e := <-events:
		t.Errorf("got %+v", e)
	case <-time.After(1500 * time.Millisecond):
	}
}

func noWatcher() (*fsnotify.Watcher, error) { return nil, errors.New("too many open files") }
