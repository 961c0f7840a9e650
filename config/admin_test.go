package config

import (
	"context"
	"log/slog"
	"os"
	"slices"
	"testing"
	"time"
)

func TestCallback(t *testing.T) {
	home(t)
	for text, want := range map[string]string{
		"":                                      "",
		"admin {}":                              "http://127.0.0.1:7412/api/oauth/callback",
		`admin { listen = "localhost:80" }`:     "http://localhost:80/api/oauth/callback",
		`admin { listen = "[::1]:7412" }`:       "http://[::1]:7412/api/oauth/callback",
		`admin { listen = "unix:/run/a.sock" }`: "",
		`admin { public_url = "https://B.example.com/" }`:              "https://B.example.com/api/oauth/callback",
		`admin { public_url = "HTTPS://b.example.com:443" }`:           "https://b.example.com/api/oauth/callback",
		`admin { public_url = "https://b.example.com:8443/" }`:         "https://b.example.com:8443/api/oauth/callback",
		`admin { public_url = "http://[::1]:80" }`:                     "http://[::1]:80/api/oauth/callback",
		"admin {\nlisten = \"unix:/a\"\npublic_url = \"https://b\"\n}": "https://b/api/oauth/callback",
	} {
		cfg, diags := Load(write(t, "c.hcl", plain+text+"\n"))
		if cfg == nil {
			t.Errorf("%s: %v", text, diags)
		} else if got := cfg.Callback(); got != want {
			t.Errorf("%s: got %q, want %q", text, got, want)
		}
	}
}

func serverNames(cfg *Config) (names []string) {
	for _, s := range cfg.Servers {
		names = append(names, s.Name)
	}
	return names
}

func remote(name string) string {
	return "server \"" + name + "\" {\n  url = \"https://a.example.com\"\n}\n"
}

// The files in conf_dir are read with the rest, once.
func TestConfDir(t *testing.T) {
	home(t)
	for name, c := range map[string]struct {
		files map[string]string // in a folder of the test
		load  string
		want  []string
	}{
		"beside one file": {map[string]string{
			"c.hcl": `admin { conf_dir = "made" }`, "made/x.hcl": remote("x"), "made/empty.hcl": "# nothing\n", "other/y.hcl": remote("y"),
		}, "c.hcl", []string{"x"}},
		"of a folder": {map[string]string{
			"etc/c.hcl": `admin { conf_dir = "../made" }`, "etc/conf.d/d.hcl": remote("d"), "made/x.hcl": remote("x"),
			"made/j.hcl.json": `{"server": {"j": {"url": "https://a.example.com"}}}`,
		}, "etc", []string{"d", "j", "x"}},
		"named in JSON": {map[string]string{
			"c.hcl.json": `{"admin": {"conf\u005fdir": "made"}}`, "made/x.hcl": remote("x"),
		}, "c.hcl.json", []string{"x"}},
		"is conf.d": {map[string]string{
			"c.hcl": `admin { conf_dir = "conf.d" }`, "conf.d/x.hcl": remote("x"),
		}, "", []string{"x"}},
		"is a link to conf.d": {map[string]string{
			"etc/c.hcl": `admin { conf_dir = "../link" }`, "etc/conf.d/x.hcl": remote("x"),
		}, "etc", []string{"x"}},
		"is the folder itself": {map[string]string{
			"c.hcl": `admin { conf_dir = "." }`, "x.hcl": remote("x"),
		}, "", []string{"x"}},
		"holds the file that names it": {map[string]string{
			"c.hcl": `admin { conf_dir = "." }`, "x.hcl": remote("x"),
		}, "c.hcl", []string{"x"}},
		"is not there": {map[string]string{
			"c.hcl": `admin { conf_dir = "made" }` + "\n" + remote("y"),
		}, "c.hcl", []string{"y"}},
		"named in conf.d": {map[string]string{
			"conf.d/c.hcl": `admin { conf_dir = "../made" }`, "made/x.hcl": remote("x"),
		}, "", []string{"x"}},
		"a word in a text": {map[string]string{
			"c.hcl": "# admin { conf_dir = \"made\" }\n" + remote("y"), "made/x.hcl": remote("x"),
		}, "c.hcl", []string{"y"}},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			for file, text := range c.files {
				put(t, dir+"/"+file, text+"\n")
			}
			must(t, os.Symlink("etc/conf.d", dir+"/link"))
			cfg, diags := Load(dir + "/" + c.load)
			if cfg == nil || len(diags) > 0 {
				t.Fatal(diags)
			}
			if got := serverNames(cfg); !slices.Equal(got, c.want) {
				t.Errorf("got %q, want %q", got, c.want)
			}
			t.Chdir(dir)
			if cfg, _ := Load("./" + c.load); cfg == nil || !slices.Equal(serverNames(cfg), c.want) {
				t.Error("by a relative path it is another configuration")
			}
		})
	}
}

// What is wrong with conf_dir is said as of any folder, and its own admin block leads nowhere.
func TestBadConfDir(t *testing.T) {
	home(t)
	dir := t.TempDir()
	put(t, dir+"/c.hcl", "admin { conf_dir = \"made\" }\n"+plain)
	put(t, dir+"/made/x.hcl", remote("plain"))
	wantError(t, dir+"/c.hcl", `server "plain" is declared twice`)
	must(t, os.Remove(dir+"/made/x.hcl"))
	must(t, os.Chmod(dir+"/made", 0o770))
	wantError(t, dir+"/c.hcl", "the folder "+dir+"/made can be written by group or others (mode 0770)")
	must(t, os.Chmod(dir+"/made", 0o700))
	put(t, dir+"/made/x.hcl", "admin { conf_dir = \"more\" }\n")
	put(t, dir+"/made/more/y.hcl", "garbage {{{")
	wantError(t, dir+"/c.hcl", "admin is declared twice")
	must(t, os.RemoveAll(dir+"/made"))
	put(t, dir+"/made", "")
	wantError(t, dir+"/c.hcl", "the folder cannot be read: not a directory")
}

// The state folder may be named in a file of conf_dir.
func TestStatePathInConfDir(t *testing.T) {
	home(t)
	dir := t.TempDir()
	put(t, dir+"/c.hcl", "admin { conf_dir = \"more\" }\n")
	put(t, dir+"/more/s.hcl", "store \"file\" { path = \"/state\" }\n")
	if got := StatePath(dir + "/c.hcl"); got != "/state" {
		t.Errorf("got %q", got)
	}
}

// A file in conf_dir is followed, and conf_dir itself where it is made later, or moved.
func TestConfDirIsWatched(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	state := "store \"file\" { path = \"/state\" }\n"
	put(t, dir+"/etc/c.hcl", state+"admin { conf_dir = \"../deep/made\" }\n"+remote("first"))
	w, events := started(t, dir+"/etc/c.hcl", nil)
	has := func(e Event, names ...string) {
		t.Helper()
		if e.Config == nil || !slices.Equal(serverNames(e.Config), names) {
			t.Fatalf("want %q, got %v %v", names, e.Config, e.Diagnostics)
		}
	}
	put(t, dir+"/deep/made/x.hcl", remote("x")) // two folders that were not there
	has(only(t, events), "first", "x")
	put(t, dir+"/deep/made/x.hcl", remote("x")+remote("y"))
	has(only(t, events), "first", "x", "y")
	if got := w.FileOf("y"); got != dir+"/deep/made/x.hcl" {
		t.Errorf("y is in %q", got)
	}

	put(t, dir+"/etc/c.hcl", "admin {")
	if e := only(t, events); e.Config != nil {
		t.Fatal("a broken file was loaded")
	}
	if w.folder() != dir+"/deep/made" || w.FileOf("y") == "" {
		t.Error("a broken file makes it forget conf_dir")
	}
	put(t, dir+"/etc/c.hcl", state+"admin { conf_dir = \"../other\" }\n"+remote("first")+remote("x"))
	has(only(t, events), "first", "x")
	put(t, dir+"/other/z.hcl", remote("z"))
	has(only(t, events), "first", "x", "z")
	if n := w.Failures.Load(); n != 0 {
		t.Errorf("%d failures", n)
	}
}

// A conf_dir that is new is watched although nobody puts the configuration in force.
func TestConfDirIsWatchedAtOnce(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	state := "store \"file\" { path = \"/state\" }\n"
	put(t, dir+"/c.hcl", state+remote("first"))
	events := refused(t, dir+"/c.hcl")
	<-events
	must(t, os.Mkdir(dir+"/made", 0o700))
	put(t, dir+"/c.hcl", state+"admin { conf_dir = \"made\" }\n"+remote("first"))
	only(t, events)
	put(t, dir+"/made/x.hcl", remote("x"))
	if e := only(t, events); e.Config == nil || e.Config.Server("x") == nil {
		t.Errorf("got %v", e.Diagnostics)
	}
}

// refused runs a watcher of which nothing is put in force.
func refused(t *testing.T, path string) <-chan Event {
	t.Helper()
	w := NewWatcher(path, slog.New(slog.DiscardHandler))
	w.quiet, w.settle = 120*time.Millisecond, 30*time.Millisecond
	ctx, cancel := context.WithCancel(t.Context())
	events, done := make(chan Event, 100), make(chan struct{})
	go func() {
		defer close(done)
		w.Run(ctx, func(e Event) { events <- e })
	}()
	t.Cleanup(func() { cancel(); <-done })
	return events
}
