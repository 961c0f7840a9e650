package main_test

import (
	"bytes"
	"io"
	"net/http"
	"os/exec"
	"slices"
	"testing"
	"time"
)

// bridges are the programs that stand for a url server over stdio.
type bridges struct {
	*home
	t   *testing.T
	url string
}

// startBridges is for a server that asks for no token, so that all have the same to do; exec gets one all the same.
func startBridges(t *testing.T, url string) *bridges {
	return &bridges{figuresHome(t, time.Hour, "info", attribute("url", url)), t, url}
}

func (b *bridges) bearerd() *pipe { return b.pipe(&b.said) }

func (b *bridges) mcpRemote() *pipe {
	command := mcpRemoteCommand(b.t)
	return startPipe(b.t, exec.Command(command[0], append(command[1:], b.url)...), "MCP_REMOTE_CONFIG_DIR="+b.path("mcp-remote"))
}

// TestFiguresBridgeStart: the time from the start of the process to the answer to initialize. Aim: 50 ms.
func TestFiguresBridgeStart(t *testing.T) {
	needFigures(t)
	const rounds = 11
	for name, url := range map[string]string{"server-everything": startEverythingHTTP(t), "small Go server": startFigures(t)} {
		b := startBridges(t, url)
		var ours, theirs []time.Duration
		for round := range rounds {
			for _, way := range []struct {
				start func() *pipe
				took  *[]time.Duration
			}{{b.bearerd, &ours}, {b.mcpRemote, &theirs}} {
				start := time.Now()
				p := way.start()
				p.ask("initialize", initializeParams)
				took := time.Since(start)
				p.ended()
				if round > 0 { // the first one warms the disk
					*way.took = append(*way.took, took)
				}
			}
		}
		t.Logf("%-20s first answer: exec %.1f ms (%.1f to %.1f), mcp-remote %.1f ms (%.1f to %.1f), x %.1f", name,
			milliseconds(median(ours)), milliseconds(slices.Min(ours)), milliseconds(slices.Max(ours)),
			milliseconds(median(theirs)), milliseconds(slices.Min(theirs)), milliseconds(slices.Max(theirs)),
			float64(median(theirs))/float64(median(ours)))
	}
}

// direct calls a server over HTTP itself.
func direct(t *testing.T, url string) (ask func(params string) time.Duration) {
	t.Helper()
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	session := ""
	post := func(body string) time.Duration {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, bytes.NewReader([]byte(body)))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Accept", "application/json, text/event-stream")
		if session != "" {
			r.Header.Set("Mcp-Session-Id", session)
			r.Header.Set("Mcp-Protocol-Version", legacyWire)
		}
		start := time.Now()
		resp, err := transport.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if _, err := io.Copy(io.Discard, resp.Body); err != nil || resp.StatusCode/100 != 2 {
			t.Fatalf("%s: %s %v", url, resp.Status, err)
		}
		took := time.Since(start)
		if session == "" {
			session = resp.Header.Get("Mcp-Session-Id")
		}
		return took
	}
	post(`{"jsonrpc":"2.0","id":1,"method":"initialize","params":` + initializeParams + `}`)
	post(`{"jsonrpc":"2.0","method":"notifications/initialized"}`)
	return func(params string) time.Duration {
		return post(`{"jsonrpc":"2.0","id":2,"method":"tools/call","params":` + params + `}`)
	}
}

// TestFiguresBridge: what the bridge adds to a call over HTTP, and what it holds. Aims: 0.3 ms, 14 MB.
func TestFiguresBridge(t *testing.T) {
	needFigures(t)
	for _, server := range []struct {
		name, url, big string
	}{
		{"small Go server", startFigures(t), bigCall},
		{"server-everything", startEverythingHTTP(t), bigEcho(80 << 10)},
	} {
		t.Run(server.name, func(t *testing.T) {
			b := startBridges(t, server.url)
			ask, ours, theirs := direct(t, server.url), b.bearerd(), b.mcpRemote()
			ours.begin()
			theirs.begin()
			time.Sleep(5 * time.Second)
			idle, _ := memory(t, ours.cmd.Process.Pid)
			other, _ := memory(t, theirs.cmd.Process.Pid)
			for _, call := range []struct {
				name, params  string
				rounds, calls int
			}{{"a small call", smallCall, 15, 300}, {"a large result", server.big, 7, 20}} {
				var r rivals
				r.add("HTTP", func() time.Duration { return ask(call.params) })
				r.add("exec", func() time.Duration { return ours.ask("tools/call", call.params) })
				r.add("mcp-remote", func() time.Duration { return theirs.ask("tools/call", call.params) })
				r.compare(1, 50) // warm
				r.log(t, server.name+", "+call.name, call.rounds, call.calls)
			}
			time.Sleep(5 * time.Second)
			after, peak := memory(t, ours.cmd.Process.Pid)
			otherAfter, otherPeak := memory(t, theirs.cmd.Process.Pid)
			t.Logf("exec holds %.1f MB after the handshake and 5 s, %.1f MB 5 s after the calls, %.1f MB at most", idle, after, peak)
			t.Logf("mcp-remote holds %.1f MB, %.1f MB, %.1f MB", other, otherAfter, otherPeak)
		})
	}
}
