package main_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// A user and a group that no host has.
const (
	stranger = 61_237
	strange  = 61_238
)

// useBlock is a socket for other users in a home that they may enter.
func (h *home) useBlock() string {
	h.t.Helper()
	if os.Geteuid() != 0 {
		h.t.Skip("only root can run bearerd as another user")
	}
	for _, dir := range []string{h.dir, filepath.Dir(program)} {
		if err := os.Chmod(dir, 0o755); err != nil {
			h.t.Fatal(err)
		}
	}
	return "use {\n" + attribute("socket", h.path("use.sock")) + "\n}\n"
}

// share lets other users read the configuration.
func (h *home) share() {
	h.t.Helper()
	if err := os.Chmod(h.path("bearerd.hcl"), 0o644); err != nil {
		h.t.Fatal(err)
	}
}

// commandAs is command as another user.
func (h *home) commandAs(ctx context.Context, uid, gid uint32, args ...string) *exec.Cmd {
	cmd := h.command(ctx, args...)
	asUser(cmd, uid, gid)
	return cmd
}

// runAs runs a command as another user to its end.
func (h *home) runAs(uid, gid uint32, args ...string) result {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(h.t.Context(), peerPatience)
	defer cancel()
	cmd := h.commandAs(ctx, uid, gid, args...)
	var out, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, io.MultiWriter(&stderr, &h.said)
	err := cmd.Run()
	if cmd.ProcessState == nil {
		h.t.Fatalf("bearerd %s: %v", strings.Join(args, " "), err)
	}
	return result{out.String(), stderr.String(), cmd.ProcessState.ExitCode()}
}

const printsToken = `command = "sh"
args = ["-c", "echo $OAUTH_ACCESS_TOKEN"]`

// Another user's exec gets the token of a server that lists the user or a group, of no other server, and asks nobody but the
// daemon.
func TestUseByAnotherUser(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	use := h.useBlock()
	as, grant := h.authServer()
	user, group := fmt.Sprintf("allow_users = [\"%d\"]", stranger), fmt.Sprintf("allow_groups = [\"%d\"]", strange)
	servers := []string{use,
		server("mine", printsToken, user, grant), server("ours", printsToken, group, grant), server("closed", printsToken, grant)}
	h.configure(servers...)
	h.share()
	daemon := h.daemon()
	mine, ours := h.token("mine"), h.token("ours")
	h.token("closed")
	asked := len(as.Requests())
	for _, tt := range []struct {
		name     string
		uid, gid uint32
		want     string // "": refused
	}{
		{"mine", stranger, stranger, mine},
		{"ours", stranger, strange, ours},
		{"ours", stranger, stranger, ""},
		{"mine", stranger + 5, strange, ""},
		{"closed", stranger, strange, ""},
	} {
		r := h.runAs(tt.uid, tt.gid, "exec", tt.name)
		switch {
		case tt.want != "" && (r.code != 0 || strings.TrimSpace(r.stdout) != tt.want):
			t.Errorf("%s as %d:%d: exit code %d, and not the daemon's token: %s", tt.name, tt.uid, tt.gid, r.code, r.stderr)
		case tt.want == "" && (r.code != 1 || r.stdout != ""):
			t.Errorf("%s as %d:%d: exit code %d, stdout %q", tt.name, tt.uid, tt.gid, r.code, r.stdout)
		case tt.want == "" && !strings.Contains(r.stderr, fmt.Sprintf("allow_users = [\"%d\"]", tt.uid)):
			t.Errorf("%s as %d:%d: no remedy: %s", tt.name, tt.uid, tt.gid, r.stderr)
		}
	}
	if n := len(as.Requests()); n != asked {
		t.Errorf("%d token requests by others", n-asked)
	}
	if said := daemon.stderr.String(); !strings.Contains(said, "a user got the token") || !strings.Contains(said, fmt.Sprint(stranger)) {
		t.Error("the daemon does not say who got a token")
	}

	// The lists are live.
	h.configure(strings.Replace(strings.Join(servers, ""), user, "allow_users = []", 1))
	h.share()
	h.ok("reload")
	if r := h.runAs(stranger, stranger, "exec", "mine"); r.code != 1 || r.stdout != "" {
		t.Errorf("taken off the list: exit code %d", r.code)
	}
	daemon.stop()
	if r := h.runAs(stranger, stranger, "exec", "mine"); r.code != 1 || !strings.Contains(r.stderr, "does not answer") &&
		!strings.Contains(r.stderr, "asking the bearerd service") {
		t.Errorf("without the daemon: exit code %d: %s", r.code, r.stderr)
	}
}

// What the daemon alone may read is not passed on, and without a use block exec opens no other user's store.
func TestUseIsNoWayAround(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	use := h.useBlock()
	_, grant := h.authServer()
	allow := fmt.Sprintf("allow_users = [\"%d\"]", stranger)
	h.configure(use, server("s", printsToken, allow, `env = { KEY = secret("key") }`, grant), server("t", printsToken, allow, grant))
	h.share()
	h.private("canary-of-key")
	h.feed("canary-of-key", "secret", "set", "key")
	h.daemon()
	if r := h.runAs(stranger, stranger, "exec", "s"); r.code != 1 || !strings.Contains(r.stderr, "passes on access tokens alone") {
		t.Errorf("a stored secret: exit code %d: %s", r.code, r.stderr)
	}
	if r := h.runAs(stranger, stranger, "token", "t", "--show"); r.code != 1 || r.stdout != "" {
		t.Errorf("token: exit code %d", r.code)
	}
	h.configure(server("t", printsToken, grant))
	h.share()
	if r := h.runAs(stranger, stranger, "exec", "t"); r.code != 1 || r.stdout != "" || !strings.Contains(r.stderr, "use block") {
		t.Errorf("without use: exit code %d: %s", r.code, r.stderr)
	}
}

// calls is a remote program that makes a request through its proxy for each line that it reads, and prints the status. It
// does not speak MCP.
const calls = `command = "sh"
args = ["-c", "while read line; do curl -s -o /dev/null -w '%%%%{http_code} ' -H \"Authorization: $BEARERD_AUTHORIZATION\" $0; done", %q]
on_rotate = "none"`

// exec's own proxy goes on across renewals, and after a token was revoked at its provider, all by the daemon.
func TestUseAcrossRenewals(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("curl"); err != nil {
		t.Skip("curl is not installed")
	}
	h := newHome(t)
	use := h.useBlock()
	as, grant := h.authServer("is_remote = true")
	as.SetLifetime(6 * time.Second)
	var last atomic.Pointer[string]
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
		last.Store(&token)
		if _, active := as.Introspect(token); !active {
			w.Header().Set("WWW-Authenticate", `Bearer error="invalid_token"`)
			w.WriteHeader(http.StatusUnauthorized)
		}
	}))
	t.Cleanup(upstream.Close)
	h.configure(use, server("s", fmt.Sprintf(calls, upstream.URL+"/mcp"), fmt.Sprintf("allow_users = [\"%d\"]", stranger), grant))
	h.share()
	h.daemon()

	cmd := h.commandAs(t.Context(), stranger, stranger, "exec", "s")
	var out buffer
	var said buffer
	cmd.Stdout, cmd.Stderr = &out, io.MultiWriter(&said, &h.said)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	call := func() {
		before := len(out.String())
		_, _ = io.WriteString(in, "\n")
		eventually(t, "a request was answered", func() bool { return len(out.String()) > before })
	}
	seen := map[string]bool{}
	eventually(t, "three tokens were used", func() bool {
		call()
		seen[*last.Load()] = true
		return len(seen) >= 3
	})
	as.SetLifetime(time.Hour)
	eventually(t, "a token lives long", func() bool {
		call()
		g, ok := as.Introspect(*last.Load())
		return ok && time.Until(g.Expiry) > time.Minute
	})
	revoked := *last.Load()
	as.Revoke(revoked)
	call()
	if *last.Load() == revoked {
		t.Error("a refused token was not replaced")
	}
	if others := strings.Fields(strings.ReplaceAll(out.String(), "200", "")); len(others) > 0 {
		t.Errorf("answers beside 200: %q", others)
	}
	if strings.Contains(said.String(), "no token for s") {
		t.Error("renewals were no smooth ones")
	}
	_ = in.Close()
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
}

// check names users and groups that this host does not know; a number needs no name.
func TestUseOfUnknownNames(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	_, grant := h.authServer()
	h.configure("use {\n"+attribute("socket", h.path("use.sock"))+"\n}\n",
		server("s", printsToken, `allow_users = ["no-such-user", "61237", "root"]`, `allow_groups = ["no-such-group"]`, grant))
	r := h.run("check")
	if r.code != 0 || !strings.Contains(r.stderr, `there is no user "no-such-user"`) || !strings.Contains(r.stderr, `there is no group "no-such-group"`) {
		t.Errorf("exit code %d: %s", r.code, r.stderr)
	}
	if strings.Contains(r.stderr, "61237") || strings.Contains(r.stderr, `"root"`) {
		t.Errorf("check says %s", r.stderr)
	}
}
