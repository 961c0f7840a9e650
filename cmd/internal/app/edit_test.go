package app

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"bearerd/cmd/internal/admin"
	"bearerd/config"
)

// newEdited is a daemon's inside whose configuration is a folder with one hand-written server.
func newEdited(t *testing.T, more string) *reloading {
	t.Helper()
	dir := t.TempDir()
	text := fmt.Sprintf("store \"file\" { path = %q }\nproxy { listen = %q }\n%s\nserver \"hand\" { url = \"https://hand.example.com/mcp\" }\n",
		filepath.Join(dir, "state"), freeAddress(t), more)
	return newReloadingAt(t, filepath.Join(dir, "bearerd.hcl"), dir, text)
}

// made is a server as the API makes it.
func made(name, url string) *config.Server {
	return &config.Server{Name: name, Made: true, URL: url}
}

func (r *reloading) fileOf(name string) string {
	return filepath.Join(filepath.Dir(r.path), "conf.d", name+".hcl")
}

func TestAMadeServerIsAFileThatIsInForce(t *testing.T) {
	r := newEdited(t, "")
	changes, err := r.edit(t.Context(), "tracker", made("tracker", "https://mcp.example.com/mcp"))
	if err != nil || len(changes) != 1 || changes[0].Action != config.Add || changes[0].Server != "tracker" {
		t.Fatalf("%v %v", changes, err)
	}
	text, err := os.ReadFile(r.fileOf("tracker"))
	if err != nil || !strings.Contains(string(text), `server "tracker" {`) {
		t.Fatalf("%s %v", text, err)
	}
	if s := r.app.config.Load().Server("tracker"); s == nil || !s.Made || s.LocalAuth != "key" {
		t.Errorf("in force: %+v", s)
	}
	if _, err := r.edit(t.Context(), "tracker", made("tracker", "https://other.example.com/mcp")); err != nil {
		t.Fatal(err)
	}
	if s := r.app.config.Load().Server("tracker"); s.URL != "https://other.example.com/mcp" {
		t.Errorf("after the change: %s", s.URL)
	}
	if _, err := r.edit(t.Context(), "tracker", nil); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(r.fileOf("tracker")); !os.IsNotExist(err) || r.app.config.Load().Server("tracker") != nil {
		t.Errorf("it is still there: %v", err)
	}
	if r.report().Error != "" {
		t.Error(r.report().Error)
	}
}

// What cannot be in force leaves no file, and everything else as it was.
func TestARefusedEditIsTakenBack(t *testing.T) {
	r := newEdited(t, "")
	before := r.inForce().config
	var wrong config.Diagnostics
	if _, err := r.edit(t.Context(), "hand", made("hand", "https://mcp.example.com/mcp")); !errors.Is(err, config.ErrNotMade) || !strings.Contains(err.Error(), "bearerd.hcl") {
		t.Errorf("a hand-written server: %v", err)
	}
	if _, err := r.edit(t.Context(), "HAND", made("HAND", "https://mcp.example.com/mcp")); err == nil {
		t.Error("a name that differs in case was taken")
	}
	if _, err := r.edit(t.Context(), "bad", made("bad", "ftp://mcp.example.com/mcp")); !errors.As(err, &wrong) {
		t.Errorf("a wrong url: %v", err)
	}
	for _, name := range []string{"hand", "HAND", "bad"} {
		if _, err := os.Stat(r.fileOf(name)); !os.IsNotExist(err) {
			t.Errorf("%s left a file: %v", name, err)
		}
	}
	if got := r.app.config.Load(); len(config.Compare(before, got)) != 0 || r.report().Error != "" {
		t.Errorf("changed: %v, %s", config.Compare(before, got), r.report().Error)
	}
	if cfg, diagnostics := config.Load(filepath.Dir(r.path)); cfg == nil {
		t.Errorf("what is on disk does not load: %v", diagnostics)
	}
}

func TestASingleFileNeedsAConfDir(t *testing.T) {
	r := newReloading(t, fmt.Sprintf("store \"file\" { path = %q }\nproxy { listen = %q }\n", filepath.Join(t.TempDir(), "state"), freeAddress(t))+
		"server \"hand\" { url = \"https://hand.example.com/mcp\" }\n")
	_, err := r.edit(t.Context(), "tracker", made("tracker", "https://mcp.example.com/mcp"))
	if !errors.Is(err, config.ErrNoFolder) || !strings.Contains(err.Error(), "conf_dir") {
		t.Errorf("%v", err)
	}
}

func TestNothingIsAddedToABrokenConfiguration(t *testing.T) {
	r := newEdited(t, "")
	good, err := os.ReadFile(r.path)
	if err != nil {
		t.Fatal(err)
	}
	r.write(string(good) + "server {")
	if _, err := r.now(t.Context(), "test"); err == nil {
		t.Fatal("the broken file was taken")
	}
	if _, err := r.edit(t.Context(), "tracker", made("tracker", "https://mcp.example.com/mcp")); !errors.Is(err, admin.ErrBroken) {
		t.Errorf("%v", err)
	}
	if _, err := os.Stat(r.fileOf("tracker")); !os.IsNotExist(err) {
		t.Error("it left a file")
	}
}

func TestManyEditsAtOnce(t *testing.T) {
	r := newEdited(t, "")
	var group sync.WaitGroup
	const servers = 8
	for i := range servers {
		group.Go(func() {
			name := fmt.Sprintf("s%d", i)
			if _, err := r.edit(t.Context(), name, made(name, "https://mcp.example.com/mcp")); err != nil {
				t.Error(err)
			}
			if i%2 == 0 {
				if _, err := r.edit(t.Context(), name, nil); err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
	cfg, diagnostics := config.Load(filepath.Dir(r.path))
	if cfg == nil || len(cfg.Servers) != 1+servers/2 || len(config.Compare(r.app.config.Load(), cfg)) != 0 {
		t.Errorf("%v %v", diagnostics, r.app.config.Load().Servers)
	}
}

// fileOfServers writes a file beside the configuration with a server for each name.
func (r *reloading) fileOfServers(file string, names ...string) {
	r.t.Helper()
	var text strings.Builder
	for _, name := range names {
		fmt.Fprintf(&text, "server %q { url = \"https://%s.example.com/mcp\" }\n", name, name)
	}
	if err := os.WriteFile(filepath.Join(filepath.Dir(r.path), file), []byte(text.String()), 0o600); err != nil {
		r.t.Fatal(err)
	}
}

// wantServers fails unless these are in force.
func (r *reloading) wantServers(what string, want ...string) {
	r.t.Helper()
	var got []string
	for _, s := range r.app.config.Load().Servers {
		got = append(got, s.Name)
	}
	if !slices.Equal(got, want) {
		r.t.Errorf("%s: in force are %q, not %q", what, got, want)
	}
}

// A file that somebody is saving just now loses nothing by an edit of another one.
func TestAnEditIsRefusedWhileTheConfigurationIsInDoubt(t *testing.T) {
	r := newEdited(t, "")
	r.fileOfServers("b.hcl", "b1", "b2", "b3", "b4", "b5")
	one := made("tracker", "https://mcp.example.com/mcp")
	if _, err := r.edit(t.Context(), "tracker", one); err != nil {
		t.Fatal(err)
	}
	all := []string{"b1", "b2", "b3", "b4", "b5", "hand", "tracker"}
	r.wantServers("an edit that was not seen yet", all...)
	refused := func(what string, edit *config.Server) {
		t.Helper()
		before, _ := os.Stat(r.fileOf("tracker"))
		_, err := r.edit(t.Context(), "tracker", edit)
		if !errors.Is(err, admin.ErrBroken) || !errors.Is(err, config.ErrDoubt) {
			t.Errorf("%s: %v", what, err)
		}
		r.wantServers(what, all...)
		if text, err := os.ReadFile(r.fileOf("tracker")); err != nil || !strings.Contains(string(text), one.URL) {
			t.Errorf("%s: its file was touched: %s %v", what, text, err)
		}
		if after, _ := os.Stat(r.fileOf("tracker")); !after.ModTime().Equal(before.ModTime()) {
			t.Errorf("%s: its file was written, so that the wait begins anew", what)
		}
		if err := r.report().Error; err != "" {
			t.Errorf("%s: %s", what, err)
		}
	}
	for what, names := range map[string][]string{"emptied": nil, "most are gone": {"b5"}} {
		r.fileOfServers("b.hcl", names...)
		refused(what+", changed", made("tracker", "https://other.example.com/mcp"))
		refused(what+", removed", nil)
	}
	r.fileOfServers("b.hcl", "b1", "b2", "b3", "b4", "b5", "b6")
	if _, err := r.edit(t.Context(), "tracker", nil); err != nil {
		t.Fatal(err)
	}
	r.wantServers("saved", "b1", "b2", "b3", "b4", "b5", "b6", "hand")
}

// Whoever empties a file while the API writes its own does not get the better of it.
func TestADoubtThatComesWithTheEdit(t *testing.T) {
	r := newEdited(t, "")
	r.fileOfServers("b.hcl", "b1", "b2")
	if _, err := r.now(t.Context(), "test"); err != nil {
		t.Fatal(err)
	}
	r.mu.Lock()
	_, err := r.reloader.write("tracker", made("tracker", "https://mcp.example.com/mcp"))
	if err != nil {
		t.Fatal(err)
	}
	r.fileOfServers("b.hcl")
	_, err = r.putEdit(t.Context(), "tracker")
	r.mu.Unlock()
	if !errors.Is(err, admin.ErrBroken) || !errors.Is(err, config.ErrDoubt) {
		t.Errorf("%v", err)
	}
	r.wantServers("emptied", "b1", "b2", "hand")
}

// An error in a file that nobody has read yet is not that of the caller.
func TestAnErrorOfAnotherFileIsNotTheCallers(t *testing.T) {
	r := newEdited(t, "")
	other := filepath.Join(filepath.Dir(r.path), "z.hcl")
	if err := os.WriteFile(other, []byte("server \"zz\" { url = 5 }\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var wrong config.Diagnostics
	_, err := r.edit(t.Context(), "tracker", made("tracker", "https://mcp.example.com/mcp"))
	if !errors.Is(err, admin.ErrBroken) || errors.As(err, &wrong) || !strings.Contains(err.Error(), "z.hcl") {
		t.Errorf("%v", err)
	}
	if err := os.Remove(other); err != nil {
		t.Fatal(err)
	}
	if _, err := r.edit(t.Context(), "tracker", made("tracker", "https://mcp.example.com/mcp")); err != nil {
		t.Errorf("it was mended: %v", err)
	}
	r.wantServers("mended", "hand", "tracker")
}

// Tokens are revoked before a file is changed: whether it can be is asked before that.
func TestWhetherAnEditWouldFailIsToldBefore(t *testing.T) {
	r := newEdited(t, "")
	if _, err := r.edit(t.Context(), "tracker", made("tracker", "https://mcp.example.com/mcp")); err != nil {
		t.Fatal(err)
	}
	if err := r.mayEdit("tracker"); err != nil {
		t.Error(err)
	}
	if err := r.mayEdit("hand"); !errors.Is(err, config.ErrNotMade) {
		t.Errorf("a hand-written server: %v", err)
	}
	if left, err := filepath.Glob(filepath.Join(filepath.Dir(r.fileOf("tracker")), ".*")); err != nil || len(left) != 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
	good, err := os.ReadFile(r.path)
	if err != nil {
		t.Fatal(err)
	}
	r.write(string(good) + "server {")
	if err := r.mayEdit("tracker"); !errors.Is(err, admin.ErrBroken) {
		t.Errorf("a broken configuration: %v", err)
	}
	r.write(string(good))
	r.stop()
	if err := r.mayEdit("tracker"); !errors.Is(err, admin.ErrStopping) {
		t.Errorf("at the end: %v", err)
	}
}
