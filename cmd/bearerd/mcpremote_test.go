package main_test

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// tokensSeen are the tokens that reached a token check, each once, in order.
func tokensSeen(c *tokenCheck) (tokens []string) {
	for _, a := range c.Authorizations() {
		if token, ok := strings.CutPrefix(a, "Bearer "); ok && !slices.Contains(tokens, token) {
			tokens = append(tokens, token)
		}
	}
	return tokens
}

// activeAt checks tokens as a resource server does, by introspection at p.
func activeAt(t testing.TB, p *oidcPeer) func(token string) bool {
	return func(token string) bool { return p.Active(t, token) }
}

// remember keeps the answer about a token for ever, so that a check works while the authorization server is gone.
func remember(valid func(string) bool) func(string) bool {
	var mu sync.Mutex
	known := map[string]bool{}
	return func(token string) bool {
		mu.Lock()
		defer mu.Unlock()
		ok, found := known[token]
		if !found {
			ok = valid(token)
			known[token] = ok
		}
		return ok
	}
}

// remote is a server that mcp-remote bridges to url.
func remote(t testing.TB, h *home, command []string, url string, lines ...string) string {
	config := h.path("mcp-remote")
	env := "env = { npm_config_offline = \"true\", npm_config_update_notifier = \"false\", MCP_REMOTE_CONFIG_DIR = " +
		strconv.Quote(config) + " }"
	lines = append([]string{attribute("command", command[0]), attribute("args", append(command[1:], url)), env,
		attribute("dir", peersDir(t))}, lines...)
	return server("remote", lines...)
}

// mcp-remote reaches its server by way of bearerd and never has to restart: the token is renewed behind its back, and is
// in no command line of the process tree.
func TestAcceptance41_MCPRemoteThroughExec(t *testing.T) {
	t.Parallel()
	upstream := startEverythingHTTP(t)
	for name, command := range map[string][]string{
		"node": mcpRemoteCommand(t), "npx": {"npx", "-y", "mcp-remote"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := startOIDC(t, oidcOptions{Clients: []map[string]any{oidcClient("app", "client_secret_basic")}, TTL: 8})
			check := startTokenCheck(t, upstream, activeAt(t, p))
			h := newHome(t)
			h.configure(remote(t, h, command, check.URL, h.oidcGrant(p, "app")))
			client := h.client(h.exec("remote", legacyWire))
			echo(t, client)
			first := tokensSeen(check)[0]
			eventually(t, "the first token has expired", func() bool { return !p.Active(t, first) })
			echo(t, client)
			tokens := tokensSeen(check)
			if len(tokens) < 2 {
				t.Errorf("upstream has seen %d tokens", len(tokens))
			}
			h.private(tokens...)
			treeShowsNoToken(t, h)
			if err := client.Close(); err != nil {
				t.Errorf("closing the client: %v", err)
			}
			h.nothingRuns()
		})
	}
}

func echo(t *testing.T, c *peerClient) {
	t.Helper()
	if got := c.text("echo", map[string]any{"message": "hello"}); !strings.HasSuffix(got, "hello") {
		t.Errorf("echo: %q", got)
	}
}

// treeShowsNoToken looks at the command lines of mcp-remote and of everything around it.
func treeShowsNoToken(t *testing.T, h *home) {
	t.Helper()
	places := map[string]string{}
	for pid, argv := range h.processes() {
		places["/proc/"+strconv.Itoa(pid)+"/cmdline"] = argv
		if !strings.Contains(argv, "mcp-remote") {
			continue
		}
		key := environmentOf(t, pid)["BEARERD_AUTHORIZATION"]
		h.private(strings.TrimPrefix(key, "Bearer "))
		if key == "" || !strings.Contains(argv, "Authorization:${BEARERD_AUTHORIZATION}") {
			t.Errorf("mcp-remote runs as %q", argv)
		}
	}
	if !strings.Contains(strings.Join(slices.Collect(maps.Values(places)), "\n"), "mcp-remote") {
		t.Fatalf("mcp-remote cannot be found among %v", places)
	}
	for _, leak := range findLeaks(places, h.privates()) {
		t.Error(leak)
	}
}

func environmentOf(t *testing.T, pid int) map[string]string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "environ"))
	if err != nil {
		t.Fatal(err)
	}
	env := map[string]string{}
	for v := range strings.SplitSeq(string(b), "\x00") {
		key, value, _ := strings.Cut(v, "=")
		env[key] = value
	}
	return env
}

// via = "header" is the documented form: the token itself, which lives as long as it lives.
func TestMCPRemoteViaHeader(t *testing.T) {
	t.Parallel()
	p := startOIDC(t, oidcOptions{Clients: []map[string]any{oidcClient("app", "client_secret_basic")}})
	check := startTokenCheck(t, startEverythingHTTP(t), activeAt(t, p))
	h := newHome(t)
	h.configure(remote(t, h, mcpRemoteCommand(t), check.URL, `via = "header"`, h.oidcGrant(p, "app", attribute("OAUTH_REVOCATION_URL", p.RevocationURL))))
	client := h.client(h.exec("remote", legacyWire))
	echo(t, client)
	tokens := tokensSeen(check)
	h.private(tokens...)
	treeShowsNoToken(t, h)
	h.ok("revoke", "remote") // stands for its end, whenever the machine comes to it
	if p.Active(t, tokens[0]) {
		t.Fatal("the token is active")
	}
	start := time.Now()
	if r := client.Call("echo", map[string]any{"message": "late"}); r.Failed == "" && !r.IsError {
		t.Errorf("with a dead token the call gave %+v", r)
	}
	if time.Since(start) > 30*time.Second {
		t.Error("the client was kept waiting")
	}
	if len(tokensSeen(check)) != 1 {
		t.Error("the child was given a second token")
	}
}
