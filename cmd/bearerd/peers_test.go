// The external tests of the program drive it as a user does, against the real programs of testdata/peers: an
// authorization server, MCP servers and MCP clients. The peers_ files start those programs and know nothing of bearerd.
package main_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const (
	legacyWire = "2025-11-25"
	modernWire = "2026-07-28"

	peerPatience = 60 * time.Second // for one answer of a peer; Node starts slowly when both cores are busy
)

// peersDir is the absolute path of testdata/peers, with Node and the packages proved to be there.
func peersDir(t testing.TB) string {
	t.Helper()
	dir, err := filepath.Abs("../../testdata/peers")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := exec.LookPath("node"); err != nil {
		t.Fatal("integration tests need Node.js 20 or later on the PATH: `node` was not found")
	}
	if _, err := os.Stat(filepath.Join(dir, "node_modules", ".package-lock.json")); err != nil {
		t.Fatal("the npm packages of testdata/peers are not installed: run `make peers`")
	}
	return dir
}

// mcpRemoteCommand is the program and the first argument that start mcp-remote; the URL comes next.
func mcpRemoteCommand(t testing.TB) []string {
	return []string{"node", filepath.Join(peersDir(t), "node_modules/mcp-remote/dist/proxy.js")}
}

// everythingCommand starts server-everything over stdio. Its tool get-env answers its whole environment as JSON.
func everythingCommand(t testing.TB) []string {
	return []string{"node", filepath.Join(peersDir(t), "node_modules/@modelcontextprotocol/server-everything/dist/index.js")}
}

// nodePeer is one running script of testdata/peers. Orders and answers are lines of JSON on its stdin and stdout.
type nodePeer struct {
	t      testing.TB
	name   string
	stdin  *json.Encoder
	stdout *bufio.Reader
	pipe   interface{ SetReadDeadline(time.Time) error }
	stderr *buffer
	stop   func() error // ends it and everything it started; returns how it exited
}

// startNode runs a script and gives it its first order. It ends with the test at the latest.
func startNode(t testing.TB, script string, order any) *nodePeer {
	t.Helper()
	ctx, kill := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, "node", script)
	cmd.Dir = peersDir(t)
	cmd.SysProcAttr = ownGroup()
	cmd.Cancel = func() error { killGroup(cmd.Process.Pid); return nil }
	cmd.WaitDelay = time.Second
	stderr := &buffer{}
	cmd.Stderr = stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatalf("starting %s: %v", script, err)
	}
	n := &nodePeer{t: t, name: script, stdin: json.NewEncoder(stdin), stdout: bufio.NewReader(stdout), stderr: stderr}
	n.pipe, _ = stdout.(*os.File)
	stopped := false
	n.stop = func() error {
		if stopped {
			return nil
		}
		stopped = true
		stdin.Close() // the peer ends by itself now
		timer := time.AfterFunc(10*time.Second, kill)
		defer timer.Stop()
		defer kill()
		return cmd.Wait()
	}
	t.Cleanup(func() {
		n.stop()
		if t.Failed() && stderr.String() != "" {
			t.Logf("%s said on stderr:\n%s", script, strings.TrimSpace(stderr.String()))
		}
	})
	n.order(order)
	return n
}

func (n *nodePeer) order(order any) {
	n.t.Helper()
	if err := n.stdin.Encode(order); err != nil {
		n.t.Fatalf("%s took no order: %v", n.name, err)
	}
}

// answer reads the next line into v.
func (n *nodePeer) answer(v any) {
	n.t.Helper()
	if err := n.read(v); err != nil {
		n.t.Fatal(err)
	}
}

// read is answer for any goroutine.
func (n *nodePeer) read(v any) error {
	if err := n.pipe.SetReadDeadline(time.Now().Add(peerPatience)); err != nil {
		return err
	}
	line, err := n.stdout.ReadBytes('\n')
	if err != nil {
		return fmt.Errorf("%s gave no answer: %w", n.name, err)
	}
	if err := json.Unmarshal(line, v); err != nil {
		return fmt.Errorf("%s answered %q: %w", n.name, line, err)
	}
	return nil
}
