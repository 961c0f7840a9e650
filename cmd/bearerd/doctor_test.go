package main_test

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

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

// brokenSetup is a set-up with one fault.
type brokenSetup struct {
	breaks func(t *testing.T, w *ward)
	step   string
	result doctor.Result // "": Failed
	words  []string
}

func TestDoctorFindsTheOneFault(t *testing.T) {
	t.Parallel()
	for name, b := range brokenSetups {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWard(t)
			w.sets(w.credentials())
			b.breaks(t, w)
			if b.result == "" {
				b.result = doctor.Failed
			}
			w.diagnose().only(t, b.step, b.result, b.words...)
		})
	}
	if len(brokenSetups) < 22 {
		t.Errorf("only %d", len(brokenSetups))
	}
}

var brokenSetups = map[string]brokenSetup{
	"no configuration": {func(_ *testing.T, w *ward) {
		_ = os.Remove(w.path("bearerd.hcl"))
		w.env = append(w.env, "BEARERD_CONFIG=", "XDG_CONFIG_HOME="+w.path("none"))
	}, "configuration", "", []string{"bearerd init", "bearerd import"}},
	"unknown field": {func(_ *testing.T, w *ward) {
		w.sets(w.credentials(`OAUTH_SCOPES = "a"`))
	}, "configuration", "", []string{"bearerd.hcl:", "OAUTH_SCOPE"}},
	"readable secret": {func(t *testing.T, w *ward) {
		chmod(t, w.path("app.secret"), 0o644)
	}, "file modes", "", []string{"app.secret", "chmod go="}},
	"secret for the group": {func(t *testing.T, w *ward) {
		chmod(t, w.path("app.secret"), 0o640)
	}, "file modes", doctor.Warned, []string{"its group", "chmod go="}},
	"open state folder": {func(t *testing.T, w *ward) {
		w.token("s")
		chmod(t, w.path("state"), 0o755)
	}, "file modes", "", []string{"state has mode 0755", "chmod go="}},
	"damaged record": {func(t *testing.T, w *ward) {
		w.token("s")
		files, _ := filepath.Glob(w.path("state/records/*.age"))
		for _, f := range files {
			if err := os.WriteFile(f, []byte("no record"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}, "store", "", []string{"damaged", "backup"}},
	"lost identity": {func(t *testing.T, w *ward) {
		w.token("s")
		if err := os.Remove(w.path("state/identity.txt")); err != nil {
			t.Fatal(err)
		}
	}, "store", "", []string{"identity.txt is missing", "backup"}},
	"port taken": {func(t *testing.T, w *ward) {
		l, err := net.Listen("tcp", w.proxy)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = l.Close() })
	}, "daemon", "", []string{"answers at 127.0.0.1:", "stop that program"}},
	"daemon with another configuration": {func(t *testing.T, w *ward) {
		w.daemon()
		w.token("s")
		w.admin = freeAddress(t) // needs a restart, so that the edit is refused
		w.sets(w.credentials())
		eventually(t, "the edit is refused", func() bool { return strings.Contains(w.said.String(), "restart") })
	}, "daemon", "", []string{"another configuration in force", "bearerd reload"}},
	"missing secret": {func(_ *testing.T, w *ward) {
		w.sets(`headers = { X-Key = secret("lost") }`, w.credentials())
	}, "secrets", "", []string{"headers X-Key", "bearerd secret set lost"}},
	"unset variable": {func(_ *testing.T, w *ward) {
		w.sets(`headers = { X-Key = env("NOT_SET_HERE") }`)
	}, "secrets", "", []string{"set NOT_SET_HERE"}},
	"missing program": {func(_ *testing.T, w *ward) {
		w.configure(server("s", `command = "no-such-program"`, w.credentials()))
	}, "command", "", []string{"no-such-program", "install"}},
	"program that is no MCP server": {func(_ *testing.T, w *ward) {
		w.configure(server("s", w.script("bad", "#!/bin/sh\necho cannot begin >&2\nexit 3\n"), w.credentials()))
	}, "initialize", "", []string{"cannot begin", "by hand"}},
	"unknown host": {func(_ *testing.T, w *ward) {
		w.configure(server("s", `url = "https://no-such-host.invalid/mcp"`, w.credentials()))
	}, "upstream", "", []string{"DNS", "verify the host in url"}},
	"refused port": {func(t *testing.T, w *ward) {
		w.configure(server("s", attribute("url", "https://"+freeAddress(t)+"/mcp"), w.credentials()))
	}, "upstream", "", []string{"refused", "port in url"}},
	"plain http behind https": {func(t *testing.T, w *ward) {
		s := httptest.NewServer(http.NotFoundHandler())
		t.Cleanup(s.Close)
		w.configure(server("s", attribute("url", strings.Replace(s.URL, "http:", "https:", 1)+"/mcp"), w.credentials()))
	}, "upstream", "", []string{"TLS"}},
	"unknown authority": {func(t *testing.T, w *ward) {
		other, err := oauthtest.New()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(other.Close)
		if err := other.WriteCA(w.path("ca.pem")); err != nil {
			t.Fatal(err)
		}
	}, "upstream", "", []string{"unknown authority", "OAUTH_CA_BUNDLE_PATH"}},
	"authorization server away": {func(t *testing.T, w *ward) {
		w.sets(w.grant("https://"+freeAddress(t)+"/token", "ca.pem", "app", "canary-of-app"))
	}, "authorization server", "", []string{"refused", "OAUTH_TOKEN_URL"}},
	"wrong client secret": {func(_ *testing.T, w *ward) {
		w.as.Register(oauthtest.Client{ID: "app", Secret: "another"})
	}, "token", "", []string{"invalid_client", "OAUTH_CLIENT_SECRET", "app.secret"}},
	"wrong token endpoint": {func(_ *testing.T, w *ward) {
		w.sets(w.grant(w.as.URL()+"/tokens", "ca.pem", "app", "canary-of-app"))
	}, "token", "", []string{"404"}},
	"narrower scopes": {func(_ *testing.T, w *ward) {
		w.as.FailAt("/token", 100, oauthtest.Edit(func(a map[string]any) { a["scope"] = "read" }))
		w.sets(w.credentials(`OAUTH_SCOPE = "read write"`))
	}, "scopes", "", []string{"lacking: write", "OAUTH_VALIDATE_SCOPES"}},
	"fewer scopes are enough": {func(_ *testing.T, w *ward) {
		w.as.FailAt("/token", 100, oauthtest.Edit(func(a map[string]any) { a["scope"] = "read" }))
		w.sets(w.credentials(`OAUTH_SCOPE = "read write"`, "OAUTH_VALIDATE_SCOPES = false"))
	}, "scopes", doctor.Warned, []string{"lacking: write", "OAUTH_SCOPE"}},
	"nobody has signed in": {func(_ *testing.T, w *ward) {
		w.sets(w.person())
	}, "token", "", []string{"nobody has signed in", "bearerd login s"}},
	"dead refresh token": {func(_ *testing.T, w *ward) {
		dead := w.as.Grant("app")
		w.as.Revoke(dead)
		w.private(dead)
		w.write("refresh", dead)
		w.sets(w.credentials(`OAUTH_GRANT_TYPE = "refresh_token"`, `OAUTH_REFRESH_TOKEN = file("refresh")`))
		w.run("token", "s")
	}, "token", "", []string{"put a new one", "refresh"}},
	"another issuer": {func(_ *testing.T, w *ward) {
		w.as.EditMetadata(func(d map[string]any) { d["issuer"] = "https://other.example.com" })
		w.sets(w.person())
	}, "discovery", "", []string{"another issuer", "OAUTH_TOKEN_URL"}},
	"another resource": {func(_ *testing.T, w *ward) {
		w.mcp.Protect(oauthtest.Protection{Document: func(d map[string]any) { d["resource"] = "https://other.example.com/mcp" }})
		w.sets(w.person())
	}, "discovery", "", []string{"another resource", "OAUTH_SERVER_URL"}},
	"no registration": {func(_ *testing.T, w *ward) {
		w.as.EditMetadata(func(d map[string]any) { delete(d, "registration_endpoint") })
		w.sets(w.person())
	}, "registration", "", []string{"registers no clients", "OAUTH_CLIENT_ID"}},
	"no PKCE": {func(_ *testing.T, w *ward) {
		w.as.EditMetadata(func(d map[string]any) { delete(d, "code_challenge_methods_supported") })
		w.sets(w.person())
	}, "discovery", "", []string{"PKCE", "OAUTH_CODE_CHALLENGE_METHOD"}},
	"token for another audience": {func(_ *testing.T, w *ward) {
		w.sets(w.grant(w.as.TokenURL(), "ca.pem", "app", "canary-of-app", attribute("OAUTH_RESOURCE", "https://other.example.com/mcp")))
	}, "initialize", "", []string{"401", "OAUTH_RESOURCE", "OAUTH_AUDIENCE"}},
	"insufficient scope": {func(_ *testing.T, w *ward) {
		w.mcp.Protect(oauthtest.Protection{Require: map[string]string{"": "admin"}})
	}, "initialize", "", []string{"403", "OAUTH_SCOPE", "admin"}},
	"insufficient scope for the tools": {func(_ *testing.T, w *ward) {
		w.mcp.Protect(oauthtest.Protection{Require: map[string]string{"tools/list": "admin"}})
	}, "tools/list", "", []string{"403", "OAUTH_SCOPE", "admin"}},
	"web page": {func(_ *testing.T, w *ward) {
		w.mcp.FailAt("/mcp", 100, oauthtest.Answer(200, "text/html; charset=utf-8", "<html>Welcome</html>"))
	}, "initialize", "", []string{"HTML", "verify url"}},
	"wrong path": {func(_ *testing.T, w *ward) {
		w.configure(server("s", attribute("url", w.mcp.URL()+"/wrong"), w.credentials()))
	}, "initialize", "", []string{"404", "/mcp"}},
	"redirect": {func(_ *testing.T, w *ward) {
		w.mcp.FailAt("/mcp", 100, oauthtest.Redirect(308, "https://final.example.com/mcp"))
	}, "initialize", "", []string{"final.example.com", "final address"}},
	"needs no token": {func(_ *testing.T, w *ward) {
		w.mcp.Protect(oauthtest.Protection{Open: []string{"initialize", "tools/list", "notifications/initialized"}})
	}, "initialize", doctor.Warned, []string{"without a token", "enabled = false"}},
	"wrong clock": {func(_ *testing.T, w *ward) {
		past := func(rw http.ResponseWriter, r *http.Request, next http.Handler) {
			rw.Header().Set("Date", time.Now().Add(-10*time.Minute).UTC().Format(http.TimeFormat))
			next.ServeHTTP(rw, r)
		}
		w.mcp.FailAt("/mcp", 100, past)
		w.mcp.FailAt("/", 100, past)
		w.as.FailAt("/", 100, past)
		w.sets()
		w.mcp.Protect(oauthtest.Protection{Open: []string{"initialize", "tools/list", "notifications/initialized"}})
		w.plain()
	}, "clock", "", []string{"10m", "ahead", "set it"}},
}

// plain makes the MCP server one with plain http that wants no token.
func (w *ward) plain() {
	address := freeAddress(w.t)
	s := &http.Server{Addr: address, Handler: http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		rw.Header().Set("Date", time.Now().Add(-10*time.Minute).UTC().Format(http.TimeFormat))
		w.mcp.ServeHTTP(rw, r)
	})}
	l, err := net.Listen("tcp", address)
	if err != nil {
		w.t.Fatal(err)
	}
	done := make(chan struct{})
	go func() { defer close(done); _ = s.Serve(l) }()
	w.t.Cleanup(func() { _ = s.Close(); <-done })
	w.configure(server("s", attribute("url", "http://"+address+"/mcp")))
}

func chmod(t *testing.T, path string, mode os.FileMode) {
	t.Helper()
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}
