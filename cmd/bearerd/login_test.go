package main_test

import (
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"bearerd/cmd/internal/admin"
	"bearerd/engine/oauth/oauthtest"
)

// stubDaemon answers `login` and `logout` of the server s like the daemon, with tokens that are made up.
type stubDaemon struct {
	port string // of the redirect

	mu      sync.Mutex
	seen    []string // guarded by mu: methods, paths and the bodies of callbacks
	sent    int      // guarded by mu: the answer of logout, as the next two are
	left    bool
	away    bool   // the provider is
	pending bool   // guarded by mu: a sign-in has begun
	movable bool   // guarded by mu: its port is
	digest  string // guarded by mu: of the configuration in force
}

// set changes the stub.
func (d *stubDaemon) set(change func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	change()
}

// newBrowserHome is a home whose browser notes which address it was to open.
func newBrowserHome(t *testing.T) *home {
	t.Helper()
	h := newHome(t, "BROWSER=./browser")
	h.write("browser", "#!/bin/sh\nprintf %s \"$1\" >opened.part && mv opened.part opened\n")
	if err := os.Chmod(h.path("browser"), 0o700); err != nil {
		t.Fatal(err)
	}
	return h
}

// startStub takes the place of the daemon in a home.
func startStub(t *testing.T) (*home, *stubDaemon) {
	t.Helper()
	h := newBrowserHome(t)
	h.configure(server("s", nothing))
	if err := os.Mkdir(h.path("state"), 0o700); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("unix", h.path("state/bearerd.sock"))
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(freeAddress(t))
	d := &stubDaemon{port: port}
	s := &http.Server{Handler: d}
	var serving sync.WaitGroup
	serving.Go(func() { _ = s.Serve(l) })
	t.Cleanup(func() { _ = s.Close(); serving.Wait() })
	return h, d
}

func (d *stubDaemon) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	what := r.Method + " " + strings.TrimPrefix(r.URL.Path, "/api/servers/s/")
	d.mu.Lock()
	d.seen = append(d.seen, what+" "+string(body))
	sent, left, away, pending, movable := d.sent, d.left, d.away && r.URL.RawQuery != "local=true", d.pending, d.movable
	w.Header().Set(admin.ConfigHeader, d.digest)
	d.mu.Unlock()
	until := time.Now().Add(time.Hour)
	status := map[string]any{"server": "s", "status": "valid", "scope": "read write", "expires_at": until, "renewable": false}
	answer := any(status)
	switch what {
	case "GET login":
		answer = map[string]any{"redirect_uri": d.redirect(), "movable": movable, "pending": pending}
	case "POST login":
		answer = map[string]any{"authorize_url": "https://auth.example.com/authorize?state=right", "expires_at": until}
	case "POST callback":
		if !strings.Contains(string(body), "state=right") {
			w.WriteHeader(http.StatusConflict)
			answer = map[string]any{"error": "another one", "code": "other_flow"}
		} else if strings.Contains(string(body), "error=") {
			w.WriteHeader(http.StatusBadGateway)
			answer = map[string]any{"error": "access_denied: <b>no</b>"}
		}
	case "POST device":
		answer = map[string]any{"user_code": "WDJB-MJHT", "url": "https://auth.example.com/device",
			"complete_url": "https://auth.example.com/device?user_code=WDJB-MJHT", "expires_at": until}
	case "POST device/token":
	case "POST logout":
		status["revoked_tokens"], status["left"], status["next"] = sent, left, "`bearerd login s` signs in again"
		if away {
			w.WriteHeader(http.StatusBadGateway)
			answer = map[string]any{"error": "the provider cannot be reached"}
		}
	case "DELETE login":
		w.WriteHeader(http.StatusNoContent)
		return
	default:
		w.WriteHeader(http.StatusNotFound)
	}
	_ = json.NewEncoder(w).Encode(answer)
}

func (d *stubDaemon) redirect() string { return "http://127.0.0.1:" + d.port + "/callback" }

func (d *stubDaemon) requests() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return strings.Join(d.seen, "\n")
}

// opened waits until the browser was told to open an address.
func (h *home) opened() string {
	h.t.Helper()
	eventually(h.t, "the browser opens", func() bool { _, err := os.Stat(h.path("opened")); return err == nil })
	return read(h.t, h.path("opened"))
}

func read(t testing.TB, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestLoginWithABrowser(t *testing.T) {
	t.Parallel()
	h, d := startStub(t)
	cmd := h.start("login", "s")
	if got := h.opened(); got != "https://auth.example.com/authorize?state=right" {
		t.Errorf("the browser opened %q", got)
	}
	if status, body := ask(t, http.MethodGet, d.redirect()+"?code=a&state=wrong"); status != http.StatusBadRequest ||
		!strings.Contains(body, "not the sign-in that is under way") {
		t.Errorf("another sign-in: %d %s", status, body)
	}
	if status, body := ask(t, http.MethodGet, d.redirect()+"?code=a&state=right"); status != http.StatusOK || !strings.Contains(body, "Signed in") {
		t.Errorf("the page: %d %s", status, body)
	}
	if code := cmd.wait(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	const want = "s: signed in; token expires in 1h0m0s, scope \"read write\"; no refresh token was given: sign in again when it expires\n"
	if got := cmd.stdout.String(); got != want {
		t.Errorf("stdout: %q", got)
	}
	if said := cmd.stderr.String(); !strings.Contains(said, "Opening the browser to sign in for s") || strings.Contains(said, "state=") {
		t.Errorf("stderr: %q", said)
	}
	const asked = "GET login \nPOST login {\"redirect_uri\":\"REDIRECT\"}\nPOST callback code=a&state=wrong\nPOST callback code=a&state=right"
	if got := strings.ReplaceAll(d.requests(), d.redirect(), "REDIRECT"); got != asked {
		t.Errorf("the daemon was asked:\n%s", got)
	}
}

func TestLoginWithoutABrowser(t *testing.T) {
	t.Parallel()
	h, d := startStub(t)
	cmd := h.start("login", "s", "--no-browser", "--json")
	eventually(t, "the address is printed on a line of its own", func() bool {
		return strings.Contains(cmd.stderr.String(), "\nhttps://auth.example.com/authorize?state=right\n")
	})
	ask(t, http.MethodGet, d.redirect()+"?code=a&state=right")
	if code := cmd.wait(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	var info map[string]any
	if err := json.Unmarshal([]byte(cmd.stdout.String()), &info); err != nil || info["status"] != "valid" {
		t.Errorf("stdout: %v, %s", err, cmd.stdout)
	}
	if _, err := os.Stat(h.path("opened")); err == nil {
		t.Error("a browser was opened")
	}
}

func TestLoginThatIsDenied(t *testing.T) {
	t.Parallel()
	h, d := startStub(t)
	cmd := h.start("login", "s")
	h.opened()
	status, body := ask(t, http.MethodGet, d.redirect()+"?error=access_denied&state=right")
	if status != http.StatusBadRequest || !strings.Contains(body, "access_denied: &lt;b&gt;no") {
		t.Errorf("the page: %d %s", status, body)
	}
	if code := cmd.wait(); code != 1 || cmd.stdout.String() != "" || !strings.Contains(cmd.stderr.String(), "bearerd: access_denied") {
		t.Errorf("exit code %d, stdout %q, stderr %q", code, cmd.stdout, cmd.stderr)
	}
	if strings.Contains(d.requests(), "DELETE") {
		t.Error("a sign-in that was over was given up")
	}
}

func TestLoginGivenUp(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"login", "s"}, {"login", "s", "--no-browser"}} {
		h, d := startStub(t)
		cmd := h.start(args...)
		eventually(t, "the sign-in begins", func() bool { return strings.Contains(cmd.stderr.String(), "waiting for the sign-in of s") })
		cmd.signal(syscall.SIGINT)
		if code := cmd.wait(); code != 1 || !strings.Contains(cmd.stderr.String(), "the sign-in of s was given up: ") {
			t.Errorf("%v: exit code %d, stderr %q", args, code, cmd.stderr)
		}
		if !strings.HasSuffix(d.requests(), "\nDELETE login ") {
			t.Errorf("%v: the daemon was asked:\n%s", args, d.requests())
		}
	}
}

func TestLoginOnADevice(t *testing.T) {
	t.Parallel()
	h, _ := startStub(t)
	r := h.run("login", "s", "--device")
	if r.code != 0 || !strings.HasPrefix(r.stdout, "s: signed in; token expires in ") {
		t.Errorf("%+v", r)
	}
	for _, want := range []string{"\nhttps://auth.example.com/device\n", "\nWDJB-MJHT\n"} {
		if !strings.Contains(r.stderr, want) {
			t.Errorf("stderr lacks %q: %q", want, r.stderr)
		}
	}
	if got := h.opened(); got != "https://auth.example.com/device?user_code=WDJB-MJHT" {
		t.Errorf("the browser opened %q", got)
	}
	if err := os.Remove(h.path("opened")); err != nil {
		t.Fatal(err)
	}
	h.ok("login", "s", "--device", "--no-browser")
	if _, err := os.Stat(h.path("opened")); err == nil {
		t.Error("a browser was opened")
	}
}

// A grant by a person from end to end, by a command alone and through the daemon. The authorization server gives each
// visitor what is asked for.
func TestLoginEndToEnd(t *testing.T) {
	t.Parallel()
	for _, daemon := range []bool{false, true} {
		h := newBrowserHome(t)
		as, err := oauthtest.New()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(as.Close)
		as.Delegate()
		_, port, _ := net.SplitHostPort(freeAddress(t))
		redirect := "http://127.0.0.1:" + port + "/callback"
		as.Register(oauthtest.Client{ID: "app", Methods: []string{oauthtest.None}, RedirectURIs: []string{redirect}})
		if err := as.WriteCA(h.path("ca.pem")); err != nil {
			t.Fatal(err)
		}
		h.configure(server("s", nothing, h.grant(as.TokenURL(), "ca.pem", "app", "", attribute("OAUTH_GRANT_TYPE", "authorization_code"),
			attribute("OAUTH_AUTHORIZATION_URL", as.AuthorizationURL()), attribute("OAUTH_REVOCATION_URL", as.RevocationURL()),
			attribute("OAUTH_REDIRECT_URI", redirect), attribute("OAUTH_SCOPE", "read"))))
		if daemon {
			h.daemon()
		}
		cmd := h.start("login", "s")
		callback, err := as.Visit(t.Context(), h.opened())
		if err != nil {
			t.Fatal(err)
		}
		code := regexp.MustCompile(`code=([^&]+)`).FindStringSubmatch(callback)
		h.private(code[1])
		if status, body := ask(t, http.MethodGet, callback); status != http.StatusOK {
			t.Errorf("the page: %d %s", status, body)
		}
		if code := cmd.wait(); code != 0 || !strings.HasPrefix(cmd.stdout.String(), "s: signed in; token expires in ") {
			t.Errorf("exit code %d, stdout %q", code, cmd.stdout)
		}
		token := h.token("s")
		if _, ok := as.Introspect(token); !ok {
			t.Error("the token is none of the server's")
		}
		if said := h.ok("logout", "s"); !strings.Contains(said, "revoked at the provider and forgotten here; `bearerd login s`") {
			t.Errorf("logout said %q", said)
		}
		if _, ok := as.Introspect(token); ok {
			t.Error("the token outlives logout")
		}
		if said := h.fails(1, "token", "s"); !strings.Contains(said, "bearerd login s") {
			t.Errorf("without a sign-in, token says %q", said)
		}
	}
}
