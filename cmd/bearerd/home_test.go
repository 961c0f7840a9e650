package main_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"bearerd/engine/oauth/oauthtest"
)

// home is one user's: a configuration, a state folder, and all that bearerd said there. Nothing private may be said at
// all, so every test is a leak test too.
type home struct {
	t     testing.TB
	dir   string // short, as a unix socket lives below it
	mark  string // a variable that bearerd passes on to its children, so that they can be found
	env   []string
	proxy string // HOST:PORT
	admin string
	said  buffer // stderr of all processes

	mu       sync.Mutex
	canaries []string // guarded by mu
	clients  []*peerClient
}

func newHome(t testing.TB, env ...string) *home {
	t.Helper()
	dir, err := os.MkdirTemp("", "b")
	if err != nil {
		t.Fatal(err)
	}
	h := &home{t: t, dir: dir, mark: "XDG_TEST_MARK=" + rand.Text(), proxy: freeAddress(t), admin: freeAddress(t)}
	h.env = append(env, h.mark, "PATH="+os.Getenv("PATH"), "HOME="+dir, "BEARERD_CONFIG="+h.path("bearerd.hcl"), raceOptions)
	t.Cleanup(h.close)
	return h
}

// close ends what is still running, and looks at all that was said.
func (h *home) close() {
	_ = os.RemoveAll(h.dir)
	for deadline := time.Now().Add(10 * time.Second); len(h.processes()) > 0 && time.Now().Before(deadline); {
		time.Sleep(20 * time.Millisecond) // what a client has started ends a moment after it
	}
	for pid, argv := range h.processes() {
		h.t.Errorf("left behind: %s", argv)
		kill(pid)
	}
	for _, c := range h.clients { // the stderr of an exec that a client has started
		_, _ = h.said.Write([]byte(c.node.stderr.String()))
	}
	said := h.said.String()
	for _, leak := range findLeaks(map[string]string{"stderr": said}, h.privates()) {
		h.t.Error(leak)
	}
	if strings.Contains(said, "DATA RACE") || strings.Contains(said, "panic:") {
		h.t.Error("bearerd has a data race or has panicked")
	}
	if h.t.Failed() {
		h.t.Logf("stderr of bearerd:\n%s", said)
	}
}

func (h *home) path(name string) string { return filepath.Join(h.dir, name) }

func (h *home) write(name, text string) (path string) {
	h.t.Helper()
	if err := os.WriteFile(h.path(name), []byte(text), 0o600); err != nil {
		h.t.Fatal(err)
	}
	return h.path(name)
}

// configure writes the configuration: everything is logged, and the servers are those given.
func (h *home) configure(servers ...string) {
	h.t.Helper()
	const head = "log { level = \"debug\" }\nstore \"file\" { path = \"state\" }\nproxy { listen = %q }\nadmin { listen = %q }\n"
	h.write("bearerd.hcl", fmt.Sprintf(head, h.proxy, h.admin)+strings.Join(servers, "\n"))
}

// server is a server block; the lines are its attributes and blocks.
func server(name string, lines ...string) string {
	return fmt.Sprintf("server %q {\n%s\n}\n", name, strings.Join(lines, "\n"))
}

// attribute writes one with its value as JSON, which is HCL as well as long as it holds no template.
func attribute(name string, value any) string {
	b, _ := json.Marshal(value) // strings and lists of them
	return name + " = " + string(b)
}

// grant is an enabled oauth_config for a client whose secret is in a file.
func (h *home) grant(tokenURL, caFile, client, secret string, lines ...string) string {
	h.t.Helper()
	lines = append([]string{
		"enabled = true", attribute("OAUTH_VERSION", "2.1"), attribute("OAUTH_TOKEN_URL", tokenURL),
		attribute("OAUTH_CA_BUNDLE_PATH", caFile), attribute("OAUTH_CLIENT_ID", client),
	}, lines...)
	if secret != "" {
		h.private(secret)
		h.write(client+".secret", secret+"\n")
		lines = append(lines, fmt.Sprintf("OAUTH_CLIENT_SECRET = file(%q)", client+".secret"))
	}
	return "oauth_config {\n" + strings.Join(lines, "\n") + "\n}"
}

// oidcGrant is grant for a client of oidcClient.
func (h *home) oidcGrant(p *oidcPeer, client string, lines ...string) string {
	h.t.Helper()
	return h.grant(p.TokenURL, p.CAFile, client, oidcSecret(client), lines...)
}

// authServer starts an oauthtest server with the one client "app", and gives its oauth_config, too.
func (h *home) authServer(lines ...string) (as *oauthtest.Server, grant string) {
	h.t.Helper()
	as, err := oauthtest.New()
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(as.Close)
	as.Register(oauthtest.Client{ID: "app", Secret: "canary-of-app"})
	if err := as.WriteCA(h.path("ca.pem")); err != nil {
		h.t.Fatal(err)
	}
	return as, h.grant(as.TokenURL(), "ca.pem", "app", "canary-of-app", lines...)
}

// command is bearerd in this home.
func (h *home) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir, cmd.Env = h.dir, h.env
	cmd.SysProcAttr = ownGroup() // a ^C at the test must not reach it before its cleanup
	cmd.WaitDelay = 5 * time.Second
	return cmd
}

// client connects client.mjs to a server: over `bearerd exec`, or with a url as client-config says.
func (h *home) client(target clientTarget) *peerClient {
	h.t.Helper()
	c := startClient(h.t, target)
	h.clients = append(h.clients, c)
	if c.Failed != "" {
		h.t.Fatalf("the client could not connect: %s", c.Failed)
	}
	return c
}

// exec is `bearerd exec NAME` for a client.
func (h *home) exec(name, wire string) clientTarget {
	env := map[string]string{}
	for _, v := range h.env {
		key, value, _ := strings.Cut(v, "=")
		env[key] = value
	}
	return clientTarget{Command: program, Args: []string{"exec", name}, Env: env, Wire: wire}
}

// text calls a tool that must succeed.
func (c *peerClient) text(tool string, arguments map[string]any) string {
	c.node.t.Helper()
	result := c.Call(tool, arguments)
	if result.Failed != "" || result.IsError {
		c.node.t.Fatalf("calling %s: %+v", tool, result)
	}
	return result.Text
}

// clientConfig is what an MCP client is told of a url server: no more than the proxy's address and its local key.
func (h *home) clientConfig(name, wire string) clientTarget {
	h.t.Helper()
	var snippet struct{ MCPServers map[string]clientTarget }
	if err := json.Unmarshal([]byte(h.ok("client-config", name)), &snippet); err != nil {
		h.t.Fatal(err)
	}
	target := snippet.MCPServers[name]
	target.Wire = wire
	key, found := strings.CutPrefix(target.Headers["Authorization"], "Bearer ")
	if !found || target.URL != "http://"+h.proxy+"/"+name {
		h.t.Fatalf("client-config %s: %+v", name, target)
	}
	h.private(key)
	return target
}

// private adds values that must be nowhere.
func (h *home) private(values ...string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.canaries = append(h.canaries, values...)
}

func (h *home) privates() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]string(nil), h.canaries...)
}

// processes are the living ones that bearerd started in this home, and itself, with their command lines.
func (h *home) processes() map[int]string {
	h.t.Helper()
	entries, _ := os.ReadDir("/proc") // only Linux has it
	found := map[int]string{}
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil || pid == os.Getpid() {
			continue
		}
		if env, err := os.ReadFile(filepath.Join("/proc", e.Name(), "environ")); err != nil || !strings.Contains(string(env), h.mark) {
			continue
		}
		if argv, err := os.ReadFile(filepath.Join("/proc", e.Name(), "cmdline")); err == nil {
			found[pid] = strings.ReplaceAll(string(argv), "\x00", " ")
		}
	}
	return found
}

// nothingRuns waits until the last process of this home is gone.
func (h *home) nothingRuns() {
	h.t.Helper()
	eventually(h.t, "no process is left", func() bool { return len(h.processes()) == 0 })
}

// files are the contents of the state folder, by path.
func (h *home) files() map[string]string {
	h.t.Helper()
	found := map[string]string{}
	err := filepath.WalkDir(h.path("state"), func(path string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		b, err := os.ReadFile(path)
		found[path] = string(b)
		return err
	})
	if err != nil {
		h.t.Error(err)
	}
	return found
}

var nextPort atomic.Int64

// freeAddress is one below the ports that systems hand out by themselves, so that no peer is given it meanwhile.
func freeAddress(t testing.TB) string {
	t.Helper()
	nextPort.CompareAndSwap(0, int64(20000+os.Getpid()%8000))
	for range 1000 {
		address := net.JoinHostPort("127.0.0.1", strconv.FormatInt(nextPort.Add(1), 10))
		if l, err := net.Listen("tcp", address); err == nil {
			_ = l.Close()
			return address
		}
	}
	t.Fatal("no port is free")
	return ""
}
