//go:build unix

package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"time"
)

// remoteWays are the ways of one client to server-everything. That client speaks HTTP, but to mcp-remote over its stdin.
var remoteWays = []string{"direct", "bearerd", "mcp-remote"}

// remoteSample is one measurement of one way. Times are in microseconds.
type remoteSample struct {
	Way                string
	Turn               int
	P50, P99           float64
	AddedP50, AddedP99 float64 // over direct in the same turn
	CPU                float64 // of the proxy's for each call
	Resident           float64 // KiB of the proxy afterwards
}

const (
	initialize = `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},` +
		`"clientInfo":{"name":"bench","version":"1"}}}`
	initialized = `{"jsonrpc":"2.0","method":"notifications/initialized"}`
	echoCall    = `{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"echo","arguments":{"message":"hello"}}}`
)

// way is a session with server-everything. say sends a message and reads the answer whole; a notification has none.
type way struct {
	name string
	pids func() []int
	say  func(ctx context.Context, message string) (answer []byte, err error)
}

// startEverything starts the MCP server.
func (s *stack) startEverything(ctx context.Context, set settings) error {
	cmd := exec.CommandContext(ctx, "node", "everything.mjs")
	cmd.Dir = set.peers
	p, err := s.start(everything, cmd)
	if err != nil {
		return err
	}
	if _, err := io.WriteString(p.stdin, `{"transport":"streamableHttp"}`+"\n"); err != nil {
		return err
	}
	var ready struct{ URL string }
	if err := json.NewDecoder(p.stdout).Decode(&ready); err != nil {
		return fmt.Errorf("waiting for server-everything: %w", err)
	}
	s.upstreams[everything] = ready.URL
	return nil
}

// measureRemote lets the ways take turns.
func (s *stack) measureRemote(ctx context.Context, set settings, list []*target, r *report) error {
	ways := []*way{list[0].session(), list[1].session()}
	remote, err := s.startRemote(ctx, set)
	if err != nil {
		return err
	}
	ways = append(ways, remote)
	for _, w := range ways {
		if err := w.begin(ctx); err != nil {
			return fmt.Errorf("%s: %w", w.name, err)
		}
	}
	for turn := range set.turns {
		found := make([]remoteSample, len(ways))
		for i := range ways {
			n := (turn + i) % len(ways)
			if found[n], err = ways[n].measure(ctx, time.Duration(set.seconds)*time.Second); err != nil {
				return fmt.Errorf("%s: %w", ways[n].name, err)
			}
			found[n].Turn = turn
		}
		for n := range found {
			found[n].AddedP50, found[n].AddedP99 = found[n].P50-found[0].P50, found[n].P99-found[0].P99
		}
		r.Remote = append(r.Remote, found...)
	}
	return nil
}

// begin does the handshake and some calls to warm up.
func (w *way) begin(ctx context.Context) error {
	for _, message := range append([]string{initialize, initialized}, slices.Repeat([]string{echoCall}, 100)...) {
		if _, err := w.say(ctx, message); err != nil {
			return err
		}
	}
	return nil
}

// measure calls the tool, one call after the other, for some time.
func (w *way) measure(ctx context.Context, d time.Duration) (remoteSample, error) {
	found := remoteSample{Way: w.name}
	before, err := processorTime(w.pids())
	if err != nil {
		return found, err
	}
	var took []time.Duration
	for end := time.Now().Add(d); time.Now().Before(end); {
		start := time.Now()
		answer, err := w.say(ctx, echoCall)
		if err != nil {
			return found, err
		}
		if !bytes.Contains(answer, []byte("hello")) {
			return found, fmt.Errorf("the call was answered %q", answer)
		}
		took = append(took, time.Since(start))
	}
	after, err := processorTime(w.pids())
	if err != nil {
		return found, err
	}
	slices.Sort(took)
	found.P50, found.P99 = float64(took[len(took)/2].Microseconds()), float64(took[len(took)*99/100].Microseconds())
	found.CPU = (after - before) / float64(len(took))
	found.Resident, err = resident(w.pids())
	return found, err
}

// session is a way over HTTP, with or without a proxy.
func (t *target) session() *way {
	client, id := &http.Client{Transport: &http.Transport{}}, ""
	r := t.routes[everything]
	return &way{name: t.name, pids: t.pids, say: func(ctx context.Context, message string) ([]byte, error) {
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, r.url, bytes.NewReader([]byte(message)))
		if err != nil {
			return nil, err
		}
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Accept", "application/json, text/event-stream")
		req.Header.Set("Authorization", r.authorization)
		if id != "" {
			req.Header.Set("Mcp-Session-Id", id)
			req.Header.Set("MCP-Protocol-Version", "2025-11-25")
		}
		resp, err := client.Do(req)
		if err != nil {
			return nil, err
		}
		defer func() { _ = resp.Body.Close() }()
		answer, err := io.ReadAll(resp.Body)
		if err == nil && resp.StatusCode/100 != 2 {
			err = errors.New("answered " + resp.Status)
		}
		if id == "" {
			id = resp.Header.Get("Mcp-Session-Id")
		}
		return answer, err
	}}
}

// startRemote starts mcp-remote before server-everything.
func (s *stack) startRemote(ctx context.Context, set settings) (*way, error) {
	program := filepath.Join(set.peers, "node_modules", "mcp-remote", "dist", "proxy.js")
	cmd := exec.CommandContext(ctx, "node", program, s.upstreams[everything])
	cmd.Env = append(os.Environ(), "MCP_REMOTE_CONFIG_DIR="+filepath.Join(s.dir, "mcp-remote"))
	p, err := s.start("mcp-remote", cmd)
	if err != nil {
		return nil, err
	}
	lines := bufio.NewReaderSize(p.stdout, 64<<10)
	pids := func() []int { return []int{p.cmd.Process.Pid} }
	return &way{name: "mcp-remote", pids: pids, say: func(_ context.Context, message string) ([]byte, error) {
		if _, err := io.WriteString(p.stdin, message+"\n"); err != nil || message == initialized {
			return nil, err
		}
		for {
			line, err := lines.ReadBytes('\n')
			if err != nil || bytes.Contains(line, []byte(`"result"`)) {
				return line, err
			}
		}
	}}, nil
}
