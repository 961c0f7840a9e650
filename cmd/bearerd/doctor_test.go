package main_test

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bearerd/cmd/internal/doctor"
	"bearerd/engine/oauth/oauthtest"
)

// ward is a set-up that the doctor is to look at: an authorization server, an MCP server that takes its tokens, and a home.
type ward struct {
	*home
	as  *oauthtest.Server
	mcp *oauthtest.Resource
}

func newWard(t *testing.T) *ward {
	t.Helper()
	w := &ward{home: newHome(t)}
	w.as, _ = w.authServer()
	w.as.Delegate()
	var err error
	if w.mcp, err = oauthtest.NewResource(w.as); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.mcp.Close)
	return w
}

// credentials is the oauth_config of a client that asks for itself, nothing discovered.
func (w *ward) credentials(lines ...string) string {
	return w.grant(w.as.TokenURL(), "ca.pem", "app", "canary-of-app", append([]string{attribute("OAUTH_RESOURCE", w.mcp.URL())}, lines...)...)
}

// sets configures the one url server "s" with these lines.
func (w *ward) sets(lines ...string) {
	w.t.Helper()
	w.configure(server("s", append([]string{attribute("url", w.mcp.URL())}, lines...)...))
}

// person is an oauth_config for a grant by a person, everything discovered.
func (w *ward) person(lines ...string) string { return signInGrant(w.t, "ca.pem", lines...) }

// diagnosis is what `doctor --json` says.
type diagnosis struct {
	OK    bool
	Steps []doctor.Step
	code  int
	text  string
}

// diagnose runs the doctor, and looks that it has changed nothing.
func (h *home) diagnose(args ...string) (d diagnosis) {
	h.t.Helper()
	before, log := h.everything(), h.auditLog()
	r := h.run(append([]string{"doctor", "--json"}, args...)...)
	for line := range strings.Lines(strings.TrimPrefix(h.auditLog(), log)) {
		asked := strings.Contains(line, `"event":"request"`) || strings.Contains(line, `"event":"answer"`)
		if asked && !strings.Contains(line, `"action":"GET /api/status"`) {
			h.t.Errorf("the doctor has had the daemon do something: %s", line)
		}
	}
	after := h.everything()
	for path := range after {
		if before[path] != after[path] {
			h.t.Errorf("the doctor has changed %s: it was %q, and is %q", path, before[path], after[path])
		}
		delete(before, path)
	}
	for path := range before {
		h.t.Errorf("the doctor has removed %s", path)
	}
	for _, leak := range findLeaks(map[string]string{"stdout": r.stdout}, h.privates()) {
		h.t.Error(leak)
	}
	if err := json.Unmarshal([]byte(r.stdout), &d); err != nil {
		h.t.Fatalf("%v\n%s\n%s", err, r.stdout, r.stderr)
	}
	d.code, d.text = r.code, r.stdout
	return d
}

// auditLog is what the daemon has noted. That it was asked for its status is all that the doctor may cause.
func (h *home) auditLog() string {
	h.t.Helper()
	b, err := os.ReadFile(h.path("state/audit.jsonl"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		h.t.Fatal(err)
	}
	return string(b)
}

// everything is what lies in the home but the audit log: modes and contents.
func (h *home) everything() map[string]string {
	h.t.Helper()
	found := map[string]string{}
	err := filepath.WalkDir(h.dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.Name() == "audit.jsonl" {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		found[path] = fmt.Sprint(info.Mode(), info.ModTime())
		if e.Type().IsRegular() {
			b, err := os.ReadFile(path)
			found[path] += fmt.Sprintf(" %x", sha256.Sum256(b))
			return err
		}
		return nil
	})
	if err != nil {
		h.t.Fatal(err)
	}
	return found
}

// only expects one step to have a result, its remedy and detail to hold the words, and no other step to have failed.
func (d diagnosis) only(t *testing.T, name string, result doctor.Result, words ...string) {
	t.Helper()
	seen := false
	for _, s := range d.Steps {
		switch {
		case s.Name == name && s.Result == result:
			seen = true
			for _, word := range words {
				if !strings.Contains(s.Detail+" → "+s.Remedy, word) {
					t.Errorf("%q is not in %q → %q", word, s.Detail, s.Remedy)
				}
			}
			if s.Remedy == "" {
				t.Errorf("%s has no remedy: %s", name, s.Detail)
			}
		case s.Result == doctor.Failed:
			t.Errorf("%s has failed too: %s → %s", s.Name, s.Detail, s.Remedy)
		}
	}
	if !seen {
		t.Errorf("no step %s is %s", name, result)
	}
	if want := map[bool]int{true: 1}[result == doctor.Failed]; d.code != want || d.OK != (want == 0) {
		t.Errorf("exit code %d, ok %t", d.code, d.OK)
	}
	if t.Failed() {
		t.Log(d.text)
	}
}

// well expects every step to be right, and these to be among them.
func (d diagnosis) well(t *testing.T, steps ...string) {
	t.Helper()
	seen := map[string]bool{}
	for _, s := range d.Steps {
		seen[s.Name] = true
		if s.Result != doctor.OK {
			t.Errorf("%s is %s: %s → %s", s.Name, s.Result, s.Detail, s.Remedy)
		}
	}
	for _, name := range steps {
		if !seen[name] {
			t.Errorf("there is no step %s", name)
		}
	}
	if d.code != 0 || !d.OK {
		t.Errorf("exit code %d", d.code)
	}
	if t.Failed() {
		t.Log(d.text)
	}
}

// speaks is a stdio server that speaks as much MCP as it is asked, if it has a token.
const speaks = `#!/bin/sh
[ -n "$OAUTH_ACCESS_TOKEN" ] || exit 7
while read -r line; do
  case $line in
  *'"initialize"'*) echo '{"jsonrpc":"2.0","id":1,"result":{"protocolVersion":"2025-11-25","serverInfo":{"name":"stub"}}}' ;;
  *'"tools/list"'*) echo '{"jsonrpc":"2.0","id":2,"result":{"tools":[{"name":"a"},{"name":"b"}]}}' ;;
  esac
done
`

func (h *home) script(name, text string) string {
	h.t.Helper()
	path := h.write(name, text)
	if err := os.Chmod(path, 0o700); err != nil {
		h.t.Fatal(err)
	}
	return attribute("command", path)
}

func TestDoctorFindsNothingWrong(t *testing.T) {
	t.Parallel()
	upstream := []string{"upstream", "authorization server", "token", "scopes", "initialize", "tools/list", "clock", "daemon", "store", "file modes"}
	for name, withDaemon := range map[string]bool{"without a daemon": false, "with a daemon": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWard(t)
			w.sets(w.credentials(`OAUTH_SCOPE = "read"`))
			if withDaemon {
				w.daemon()
				w.token("s")
				w.diagnose().well(t, append(upstream, "secrets")...)
				return
			}
			asked := len(w.as.RequestsTo("/token"))
			w.diagnose("s").well(t, append(upstream, "secrets")...)
			if n := len(w.as.RequestsTo("/token")) - asked; n != 1 {
				t.Errorf("%d token requests", n)
			}
			if _, err := os.Stat(w.path("state")); err == nil {
				t.Error("the state folder was made")
			}
		})
	}
	t.Run("stdio", func(t *testing.T) {
		t.Parallel()
		w := newWard(t)
		w.configure(server("s", w.script("speaks", speaks), w.credentials()))
		w.diagnose().well(t, "command", "token", "initialize", "tools/list")
	})
	t.Run("after a login", func(t *testing.T) {
		t.Parallel()
		w := newWard(t)
		w.sets(w.person())
		w.signedIn(t)
		w.daemon()
		spent := len(w.as.RequestsTo("/token"))
		d := w.diagnose()
		d.well(t, append(upstream, "discovery", "registration")...)
		if !strings.Contains(d.text, "PKCE S256") || !strings.Contains(d.text, "1 tool") {
			t.Error(d.text)
		}
		if n := len(w.as.RequestsTo("/token")) - spent; n != 0 {
			t.Errorf("%d token requests", n)
		}
	})
}

// signedIn has a person sign in for "s".
func (w *ward) signedIn(t *testing.T) {
	t.Helper()
	login := w.start("login", "s", "--no-browser")
	address := ""
	eventually(t, "login shows the address", func() bool {
		for _, word := range strings.Fields(login.stderr.String() + login.stdout.String()) {
			if strings.HasPrefix(word, w.as.AuthorizationURL()) {
				address = word
			}
		}
		return address != ""
	})
	callback, err := w.as.Visit(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.Get(callback)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if code := login.wait(); code != 0 {
		t.Fatalf("login: %d %s", code, login.stderr)
	}
}

func TestDoctorUsage(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	h.configure(server("s", nothing))
	if said := h.fails2("doctor", "other"); !strings.Contains(said, `"other"`) {
		t.Errorf("an unknown name: %q", said)
	}
	h.fails(2, "doctor", "a", "b")
	h.write("bearerd.hcl", "server \"s\" { command = \"true\" }\nserver \"broken\" { comand = \"true\" }\n")
	if r := h.run("doctor", "other"); !strings.Contains(r.stdout, "comand") {
		t.Errorf("an unknown name beside a broken block: %q %q", r.stdout, r.stderr)
	}
	if r := h.run("doctor", "s"); strings.Contains(r.stdout, "comand") {
		t.Errorf("what is wrong with another server: %q", r.stdout)
	}
	h.configure(server("s", nothing))
	r := h.run("doctor")
	if r.code != 1 || !strings.Contains(r.stdout, "✓ configuration  ") || !strings.Contains(r.stdout, "\n✗ initialize  s  ") ||
		!strings.Contains(r.stdout, "\n    ") || !strings.HasSuffix(r.stdout, "\n1 problem; 1 step could not be looked at\n") || strings.Contains(r.stdout, "\x1b") {
		t.Errorf("exit code %d\n%s", r.code, r.stdout)
	}
}

// fails2 is fails(2, …) for a command that may have said something already.
func (h *home) fails2(args ...string) string {
	h.t.Helper()
	r := h.run(args...)
	if r.code != 2 {
		h.t.Errorf("exit code %d", r.code)
	}
	return r.stderr
}
