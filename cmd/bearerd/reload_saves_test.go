package main_test

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// saves are the ways in which programs save a file; each makes text of what is at path.
var saves = []struct {
	name string
	save func(t *testing.T, path, text string)
}{
	{"write in place", func(t *testing.T, path, text string) { overwrite(t, path, text) }},
	{"mv over", func(t *testing.T, path, text string) {
		overwrite(t, path+".new", text)
		if err := os.Rename(path+".new", path); err != nil {
			t.Fatal(err)
		}
	}},
	{"cp", func(t *testing.T, path, text string) {
		other := filepath.Join(t.TempDir(), "other")
		overwrite(t, other, text)
		shell(t, "cp", other, path)
	}},
	{"sed -i", func(t *testing.T, path, text string) {
		_, version, _ := strings.Cut(text, `X-Version = "`)
		version, _, _ = strings.Cut(version, `"`)
		shell(t, "sed", "-i", `s/X-Version = "[0-9]*"/X-Version = "`+version+`"/`, path)
	}},
	{"slow write in 20 pieces", func(t *testing.T, path, text string) {
		f, err := os.OpenFile(path, os.O_WRONLY|os.O_TRUNC, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		for piece := range slices.Chunk([]byte(text), len(text)/20+1) {
			time.Sleep(20 * time.Millisecond) // the writer is slow
			if _, err := f.Write(piece); err != nil {
				t.Fatal(err)
			}
		}
	}},
	{"vim, backupcopy=yes", func(t *testing.T, path, text string) { vim(t, "yes", path, text) }},
	{"vim, backupcopy=no", func(t *testing.T, path, text string) { vim(t, "no", path, text) }},
}

func overwrite(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func shell(t *testing.T, name string, args ...string) {
	t.Helper()
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", name, err, out)
	}
}

func vim(t *testing.T, backupcopy, path, text string) {
	t.Helper()
	if _, err := exec.LookPath("vim"); err != nil {
		t.Log("vim is not there: its part of this test was left out")
		overwrite(t, path, text)
		return
	}
	other := filepath.Join(t.TempDir(), "other")
	overwrite(t, other, text)
	shell(t, "vim", "-u", "NONE", "-N", "-es", "-c", "set backup backupcopy="+backupcopy, "-c", "%d", "-c", "0r "+other, "-c", "wq", path)
}

// versioned are servers whose requests carry the version; a file torn anywhere lacks one, or does not parse.
func versioned(v int, urls ...string) (servers []string) {
	for i, url := range urls {
		servers = append(servers, server(fmt.Sprintf("s%d", i), attribute("url", url), fmt.Sprintf(`headers = { X-Version = "%d" }`, v)))
	}
	return servers
}

// saved is a daemon whose saves are counted.
type saved struct {
	*home
	daemon *running
	urls   []string
	seen   []*origin
	calls  []*caller
	count  int
}

func newSaved(t *testing.T) *saved {
	s := &saved{home: newHome(t)}
	for range 3 {
		o := startOrigin(t, nil)
		s.seen, s.urls = append(s.seen, o), append(s.urls, o.URL)
	}
	s.configure(versioned(0, s.urls...)...)
	return s
}

func (s *saved) begin(daemon *running) {
	s.daemon = daemon
	door := s.door()
	for i := range s.urls {
		s.calls = append(s.calls, s.caller(door, fmt.Sprintf("s%d", i)))
	}
}

// text is the whole configuration of a version.
func (s *saved) text(t *testing.T, v int) string {
	t.Helper()
	old := readConfiguration(t, s.path("bearerd.hcl"))
	return strings.ReplaceAll(old, `X-Version = "0"`, fmt.Sprintf(`X-Version = "%d"`, v))
}

func readConfiguration(t testing.TB, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// wantOne waits for one reload more, to version v in every server, and sees that it was the only one.
func (s *saved) wantOne(t *testing.T, how string, v int) {
	t.Helper()
	s.count++
	eventually(t, how+" is in force", func() bool { return s.scrape()[reloadsTotal] >= float64(s.count) })
	for i, c := range s.calls {
		if status, _, err := c.post(t.Context()); err != nil || status != http.StatusOK || s.seen[i].newest() != fmt.Sprint(v) {
			t.Errorf("%s: server %d has version %s, want %d (%d, %v)", how, i, s.seen[i].newest(), v, status, err)
		}
	}
}

// once ends the count, a while after the last save.
func (s *saved) once(t *testing.T) {
	t.Helper()
	time.Sleep(time.Second) // a second reload would come within the debounce
	log := s.daemon.stderr.String()
	reloaded, other := strings.Count(log, `"msg":"the configuration was reloaded"`), strings.Count(log, `"msg":"the configuration was `)
	if m := s.scrape(); m[reloadsTotal] != float64(s.count) || m[lastReloadOK] != 1 || reloaded != s.count || other != s.count {
		t.Errorf("%d saves: %v reloads, the last good: %v; %d and %d lines in the log", s.count, m[reloadsTotal], m[lastReloadOK], reloaded, other)
	}
}

// Each way to save ends in one reload to the new content, and no torn file is applied.
func TestReloadOnSave(t *testing.T) {
	t.Parallel()
	s := newSaved(t)
	texts := make([]string, len(saves)+1)
	for v := range texts {
		texts[v] = s.text(t, v)
	}
	s.begin(s.home.daemon())
	for i, tt := range saves {
		tt.save(t, s.path("bearerd.hcl"), texts[i+1])
		s.wantOne(t, tt.name, i+1)
	}
	s.once(t)
}

// What the kubelet does to a mounted ConfigMap, three times in a row, and a link from elsewhere.
func TestReloadOnMountedFolder(t *testing.T) {
	t.Parallel()
	s := newSaved(t)
	var texts []string
	for v := range 5 {
		texts = append(texts, strings.Replace(s.text(t, v), `path = "state"`, attribute("path", s.path("state")), 1))
	}
	volume := s.path("volume")
	swap := func(v int) {
		dir := filepath.Join(volume, fmt.Sprintf("..2026_%d", v))
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		overwrite(t, filepath.Join(dir, "bearerd.hcl"), texts[v])
		link(t, filepath.Base(dir), filepath.Join(volume, "..data"))
		_ = os.RemoveAll(filepath.Join(volume, fmt.Sprintf("..2026_%d", v-1)))
	}
	swap(0)
	link(t, "..data/bearerd.hcl", filepath.Join(volume, "bearerd.hcl"))
	if err := os.Remove(s.path("bearerd.hcl")); err != nil {
		t.Fatal(err)
	}
	link(t, "volume/bearerd.hcl", s.path("bearerd.hcl"))
	s.begin(s.home.daemon())
	for v := 1; v <= 3; v++ {
		swap(v)
		s.wantOne(t, "swap", v)
	}
	overwrite(t, s.path("plain.hcl"), texts[4])
	link(t, "plain.hcl", s.path("bearerd.hcl"))
	s.wantOne(t, "another target", 4)
	s.once(t)
}

func link(t *testing.T, target, path string) {
	t.Helper()
	if err := os.Symlink(target, path+".new"); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}
