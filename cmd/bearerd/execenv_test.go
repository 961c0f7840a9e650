package main_test

import (
	"bytes"
	"encoding/json"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// documented are the variables of the guide that carry the token.
var documented = []string{"ENKRYPT_ACCESS_TOKEN", "AUTHORIZATION", "OAUTH_ACCESS_TOKEN", "OAUTH_TOKEN_TYPE",
	"HTTP_HEADER_Authorization", "HTTP_HEADER_AUTHORIZATION"}

// own are variables of bearerd's that are none of its children's business.
var own = []string{"NOTIFY_SOCKET=/run/canary", "CREDENTIALS_DIRECTORY=/run/credentials", "VAULT_TOKEN=canary-of-vault",
	"VAULT_ADDR=https://vault.example", "CLIENT_SECRET=canary-in-environment", "BEARERD_X=1", "LC_ALL=C"}

// stdioServer is server-everything over stdio.
func stdioServer(t testing.TB) string {
	command := everythingCommand(t)
	return attribute("command", command[0]) + "\n" + attribute("args", command[1:])
}

func TestExecEnvironment(t *testing.T) {
	t.Parallel()
	p := startOIDC(t, oidcOptions{Clients: []map[string]any{oidcClient("app", "client_secret_basic")}})
	h := newHome(t, own...)
	h.private("canary-of-vault", "canary-in-environment")
	h.configure(
		server("six", stdioServer(t), `env = { LOG_LEVEL = "debug" }`, h.oidcGrant(p, "app")),
		server("named", stdioServer(t), `inject_env = ["MY_TOKEN", "OTHER"]`, h.oidcGrant(p, "app")),
		server("free", stdioServer(t), `pass_env = ["BEARERD_X"]`),
	)
	six := childEnv(t, h.client(h.exec("six", legacyWire)).text("get-env", nil))
	token := six["OAUTH_ACCESS_TOKEN"]
	h.private(token)
	if !p.Active(t, token) {
		t.Error("the child's token is not active")
	}
	want := map[string]string{"ENKRYPT_ACCESS_TOKEN": token, "AUTHORIZATION": "Bearer " + token, "OAUTH_ACCESS_TOKEN": token,
		"OAUTH_TOKEN_TYPE": "Bearer", "HTTP_HEADER_Authorization": "Bearer " + token, "HTTP_HEADER_AUTHORIZATION": "Bearer " + token}
	sameEnv(t, "six", six, want, "LOG_LEVEL")

	named := childEnv(t, h.client(h.exec("named", legacyWire)).text("get-env", nil))
	if !p.Active(t, named["MY_TOKEN"]) {
		t.Error("inject_env: the child's token is not active")
	}
	h.private(named["MY_TOKEN"])
	sameEnv(t, "named", named, map[string]string{"MY_TOKEN": named["OTHER"], "OTHER": named["OTHER"]})

	sameEnv(t, "free", goSDKEnv(t, h, "free"), map[string]string{"BEARERD_X": "1"})
	for _, c := range h.clients {
		if err := c.Close(); err != nil {
			t.Errorf("closing the client: %v", err)
		}
	}
	h.nothingRuns()
}

func childEnv(t *testing.T, text string) map[string]string {
	t.Helper()
	env := map[string]string{}
	if err := json.Unmarshal([]byte(text), &env); err != nil {
		t.Fatalf("%v in %q", err, text)
	}
	return env
}

// sameEnv checks that a child has what it is to have, what it inherits, and nothing else.
func sameEnv(t *testing.T, name string, env, want map[string]string, declared ...string) {
	t.Helper()
	inherited := append([]string{"PATH", "HOME", "LC_ALL", "XDG_TEST_MARK"}, declared...)
	for k, v := range want {
		if env[k] != v || v == "" {
			t.Errorf("%s: %s is not as it is to be", name, k)
		}
	}
	for _, k := range inherited {
		if env[k] == "" {
			t.Errorf("%s: the child has no %s", name, k)
		}
	}
	allowed := append([]string{"SHELL", "TERM", "USER", "LOGNAME"}, inherited...) // client.mjs adds them for exec
	for k := range env {
		if _, ok := want[k]; !ok && !slices.Contains(allowed, k) {
			t.Errorf("%s: the child has %s", name, k)
		}
	}
}

// goSDKEnv asks for the environment by another client.
func goSDKEnv(t *testing.T, h *home, name string) map[string]string {
	t.Helper()
	cmd := h.command(t.Context(), "exec", name)
	cmd.Stderr = &h.said
	client := mcp.NewClient(&mcp.Implementation{Name: "go-peer", Version: "1"}, nil)
	session, err := client.Connect(t.Context(), &mcp.CommandTransport{Command: cmd}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer session.Close()
	result, err := session.CallTool(t.Context(), &mcp.CallToolParams{Name: "get-env"})
	if err != nil || len(result.Content) != 1 {
		t.Fatal(result, err)
	}
	return childEnv(t, result.Content[0].(*mcp.TextContent).Text)
}

// The child's exit code is ours, and so is 128+n for a signal.
func TestExecExitCode(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	h.configure(
		server("seven", `command = "sh"`, `args = ["-c", "echo out; echo err >&2; exit 7"]`),
		server("killed", `command = "sh"`, `args = ["-c", "kill -9 $$"]`),
		server("missing", `command = "no-such-program"`),
	)
	if r := h.run("exec", "seven"); r.code != 7 || r.stdout != "out\n" || !strings.Contains(r.stderr, "err\n") {
		t.Errorf("seven: %+v", r)
	}
	if r := h.run("exec", "killed"); r.code != 128+9 {
		t.Errorf("killed: %+v", r)
	}
	if said := h.fails(1, "exec", "missing"); !strings.Contains(said, "no-such-program") {
		t.Errorf("missing: %s", said)
	}
}

// stubborn is a server that ignores both the end of its input and SIGTERM, and has children that do so.
const stubborn = `command = "sh"
args = ["-c", "trap '' TERM; sleep 300 & sleep 301 & echo ready; sleep 302; sleep 303"]
stop_grace = "100ms"
kill_grace = "100ms"`

func TestExecLeavesNoProcess(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, server string
		end          func(*running)
		code         int
	}{
		{"input ends, stubborn", stubborn, func(r *running) { r.stdin.Close() }, 128 + 9},
		{"SIGTERM, stubborn", stubborn, func(r *running) { r.signal(syscall.SIGTERM) }, 128 + 9},
		{"input ends", stdioServer(t), func(r *running) { r.stdin.Close() }, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			h := newHome(t)
			h.configure(server("s", tt.server))
			r := h.start("exec", "s")
			eventually(t, "the server says something", func() bool {
				return r.stdout.String() != "" || strings.Contains(r.stderr.String(), "Starting")
			})
			if len(h.processes()) < 2 {
				t.Fatal("the processes of this test cannot be found")
			}
			tt.end(r)
			if code := r.wait(); code != tt.code {
				t.Errorf("exit code %d, want %d", code, tt.code)
			}
			if left := h.processes(); len(left) > 0 {
				t.Errorf("left behind: %v", left)
			}
		})
	}
}

// A child that cannot have its token is not started, and stdout, which belongs to MCP, stays empty.
func TestAcceptance47_NoTokenNoChild(t *testing.T) {
	t.Parallel()
	p := startOIDC(t, oidcOptions{Clients: []map[string]any{oidcClient("app", "client_secret_basic")}})
	h := newHome(t)
	child := `command = "touch"` + "\n" + attribute("args", []string{h.path("started")})
	h.configure(
		server("wrong", child, h.grant(p.TokenURL, p.CAFile, "app", "canary-wrong-secret")),
		server("unset", child, strings.Replace(h.oidcGrant(p, "app"), `file("app.secret")`, `env("NOT_SET")`, 1)),
		server("right", child, strings.Replace(h.oidcGrant(p, "app"), "app.secret", "right.secret", 1)),
	)
	h.write("app.secret", "canary-wrong-secret\n")
	h.write("right.secret", oidcSecret("app")+"\n")
	for name, want := range map[string]string{"wrong": "OAuth token request failed: invalid_client", "unset": "NOT_SET"} {
		if said := h.fails(1, "exec", name); !strings.Contains(said, want) {
			t.Errorf("%s: stderr lacks %q:\n%s", name, want, said)
		}
		if _, err := os.Stat(h.path("started")); err == nil {
			t.Fatalf("%s: the child was started without a token", name)
		}
	}
	h.ok("exec", "right")
	if _, err := os.Stat(h.path("started")); err != nil {
		t.Error("with a token the child was not started")
	}
}

// Under exec stdout carries MCP alone: every line is JSON-RPC, although everything is logged.
func TestAcceptance54_StdoutBelongsToMCP(t *testing.T) {
	t.Parallel()
	p := startOIDC(t, oidcOptions{Clients: []map[string]any{oidcClient("app", "client_secret_basic")}})
	h := newHome(t)
	h.configure(server("s", stdioServer(t), h.oidcGrant(p, "app")))
	hello := `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"` + legacyWire +
		`","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}` + "\n"
	r := h.start("exec", "s")
	if _, err := r.stdin.Write([]byte(hello)); err != nil {
		t.Fatal(err)
	}
	eventually(t, "initialize is answered", func() bool { return strings.Contains(r.stdout.String(), `"result"`) })
	r.stdin.Close()
	r.wait()
	for line := range strings.Lines(r.stdout.String()) {
		var message struct{ JSONRPC string }
		if err := json.Unmarshal([]byte(line), &message); err != nil || message.JSONRPC != "2.0" {
			t.Errorf("stdout has %q", line)
		}
	}
	if !strings.Contains(r.stderr.String(), "[OAuthService] Successfully obtained token for s") {
		t.Error("the log is not on stderr")
	}
}

// A long-running child outlives its token; the token file that it reads is renewed under its eyes, and gone at its end.
func TestAcceptance46_LongRunningChildFindsFreshTokens(t *testing.T) {
	t.Parallel()
	p := startOIDC(t, oidcOptions{Clients: []map[string]any{oidcClient("app", "client_secret_basic")}, TTL: 8})
	h := newHome(t)
	h.configure(server("s", `command = "cat"`, `token_file = "token"`, h.oidcGrant(p, "app")))
	r := h.start("exec", "s")
	seen := map[string]bool{}
	eventually(t, "three tokens were in the file", func() bool {
		b, err := os.ReadFile(h.path("token"))
		token := string(bytes.TrimSpace(b))
		if err != nil && len(seen) > 0 {
			t.Fatalf("the token file vanished: %v", err)
		}
		if err == nil && !seen[token] {
			seen[token] = true
			h.private(token)
			if !p.Active(t, token) {
				t.Error("the file holds a token that is not active")
			}
		}
		return len(seen) >= 3
	})
	if info, err := os.Stat(h.path("token")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("token file: %v %v", info, err)
	}
	r.stdin.Close()
	if code := r.wait(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	if _, err := os.Stat(h.path("token")); err == nil {
		t.Error("the token file is left behind")
	}
}

// A container sees none of its starter's environment: each variable is named to it, none with its value.
func TestExecContainer(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	_, grant := h.authServer()
	h.write("docker", "#!/bin/sh\nprintf '%s\\n' \"$@\"\n")
	if err := os.Chmod(h.path("docker"), 0o700); err != nil {
		t.Fatal(err)
	}
	h.configure(server("s", attribute("command", h.path("docker")), `args = ["run", "-i", "image", "arg"]`, grant))
	args := strings.Split(h.ok("exec", "s"), "\n")
	h.token("s")
	for _, name := range documented {
		if at := slices.Index(args, name); at < 1 || args[at-1] != "-e" {
			t.Errorf("docker run got no `-e %s`: %q", name, args)
		}
	}
	if args[0] != "run" || args[len(args)-1] != "arg" {
		t.Errorf("docker run got %q", args)
	}
	if leaks := findLeaks(map[string]string{"argv": strings.Join(args, " ")}, h.privates()); len(leaks) > 0 {
		t.Error(leaks)
	}
}
