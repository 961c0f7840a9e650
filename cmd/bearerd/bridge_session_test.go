package main_test

import (
	"context"
	"fmt"
	"math"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

var (
	countCall = calling("count", `{"n":4,"pause":50}`)
	echoCall  = calling("echo", `{"message":"message #"}`)
	sumCall   = calling("get-sum", `{"a":"#","b":7}`)
)

// upstream is a kind of url server, and what a client of it does.
type upstream struct {
	name, wire string
	start      func(testing.TB) string
	calls      []template
	resource   string
}

// upstreams are those that exec must reach. server-everything gives each session a process of its own state.
func upstreams() []upstream {
	everything := slices.Concat([]template{echoCall, sumCall, slowCall, toggleCall}, askCalls)
	goServer := func(t testing.TB) string { return startGoPeer(t, false).URL }
	stateless := func(t testing.TB) string { return startGoPeer(t, true).URL }
	return []upstream{
		{"streamable", legacyWire, startEverythingHTTP, everything, everythingResource},
		{"sse", legacyWire, startEverythingSSE, everything, everythingResource},
		{"stateless", modernWire, startModernHTTP, []template{echoCall, calling("count", `{"n":4}`)}, ""},
		{"go-sdk", legacyWire, goServer, []template{echoCall, countCall}, clockResource},
		{"go-sdk stateless", modernWire, stateless, []template{echoCall, countCall}, clockResource},
	}
}

// clients are those that a session is held with.
var clients = map[string]func(*home, string, string) session{"go": (*home).goSession, "node": (*home).nodeSession}

// note judges a call. @modelcontextprotocol/client drops progress that comes in one piece with the answer; tap.mjs sees it.
func (b *bridging) note(client string) func(called) {
	if client != "node" {
		return b.ledger.note
	}
	return func(c called) {
		c.Progress = math.MaxInt
		b.ledger.note(c)
	}
}

// A session outlives its tokens. All the client does goes well, and each request that reaches upstream carries a valid token.
func TestBridgeSession(t *testing.T) {
	t.Parallel()
	long := 20 * time.Second
	if testing.Short() {
		long = 6 * time.Second
	}
	for _, up := range upstreams() {
		for client, open := range clients {
			t.Run(up.name+" "+client, func(t *testing.T) {
				t.Parallel()
				rotating <- struct{}{}
				t.Cleanup(func() { <-rotating })
				b := startBridging(t, up.start(t), shortLife)
				s := open(b.home, "web", up.wire)
				if up.resource != "" {
					s.subscribe(up.resource)
				}
				halt := s.loop(up.calls, 3, 10*time.Millisecond, b.note(client))
				time.Sleep(long)
				halt()
				b.showsNoToken()
				updated, longest := s.end()
				b.ended(0)
				got := b.ledger.tally()
				t.Logf("%s; %d requests with %d tokens; %d updates, at most %s between two", got, len(b.passages()), b.tokens(), updated, longest)
				for _, call := range up.calls {
					if got.calls[call.Name] == 0 {
						t.Errorf("%s was never called", call.Name)
					}
				}
				if n := b.tokens(); n < int(long/shortLife) {
					t.Errorf("%d tokens were used", n)
				}
				switch {
				case up.resource == everythingResource && updated < got.started:
					t.Errorf("%d updates of the resource, want %d", updated, got.started)
				case up.resource == clockResource && (updated < 10 || longest > 5*time.Second):
					t.Errorf("%d updates of the resource, at most %s between two", updated, longest)
				}
				if want := map[string]int{"streamable": 1, "go-sdk": 1}[up.name]; b.count(method(http.MethodDelete)) != want {
					t.Errorf("%d sessions were ended, want %d", b.count(method(http.MethodDelete)), want)
				}
			})
		}
	}
}

// Pings are answered while a request is open for long.
func TestBridgePings(t *testing.T) {
	t.Parallel()
	for _, up := range upstreams()[:2] {
		t.Run(up.name, func(t *testing.T) {
			t.Parallel()
			b := startBridging(t, up.start(t), time.Hour)
			c := b.goClient("web", up.wire)
			done := make(chan called, 1)
			go func() { done <- c.call(calling("trigger-long-running-operation", `{"duration":5,"steps":5}`)) }()
			pings, slowest := 0, time.Duration(0)
			for waiting := true; waiting; {
				select {
				case result := <-done:
					b.ledger.note(result)
					waiting = false
				case <-time.After(50 * time.Millisecond):
					start := time.Now()
					if err := c.session.Ping(t.Context(), nil); err != nil {
						t.Fatalf("ping %d: %v", pings, err)
					}
					pings++
					slowest = max(slowest, time.Since(start))
				}
			}
			if pings < 20 || slowest > 2*time.Second {
				t.Errorf("%d pings, the slowest took %s", pings, slowest)
			}
			c.close()
			b.ended(0)
		})
	}
}

// A call that the client gives up ends at the server, and the session goes on.
func TestBridgeCancellation(t *testing.T) {
	t.Parallel()
	for _, wire := range []string{legacyWire, modernWire} {
		t.Run(wire, func(t *testing.T) {
			t.Parallel()
			peer := startGoPeer(t, wire == modernWire)
			b := startBridging(t, peer.URL, time.Hour)
			c := b.goClient("web", wire)
			if got := c.session.InitializeResult().ProtocolVersion; got != wire {
				t.Errorf("the wire is %s", got)
			}
			for n := range int64(3) {
				ctx, cancel := context.WithCancel(t.Context())
				ended := make(chan error, 1)
				go func() {
					_, err := c.session.CallTool(ctx, &mcp.CallToolParams{Name: "wait", Arguments: map[string]any{}})
					ended <- err
				}()
				eventually(t, "the server runs the call", func() bool { return peer.waiting.Load() == n+1 })
				cancel()
				if err := <-ended; err == nil {
					t.Error("a call that was given up has a result")
				}
				eventually(t, "the server knows that the call was given up", func() bool {
					if wire == modernWire {
						return b.left.Load() == n+1
					}
					return peer.cancelled.Load() == n+1
				})
				if got := c.text(calling("echo", `{"message":"hello"}`)); got != "hello" {
					t.Errorf("echo gave %q", got)
				}
			}
			if n := b.count(rpc("notifications/cancelled")); wire == legacyWire && n != 3 {
				t.Errorf("the server was told %d times", n)
			}
			if err := c.session.Close(); err != nil { // the calls given up have no answer, so that close would complain
				t.Error(err)
			}
			b.ended(0)
		})
	}
}

// MCP Inspector's command line works through exec.
func TestBridgeInspector(t *testing.T) {
	t.Parallel()
	for _, up := range upstreams()[:2] {
		t.Run(up.name, func(t *testing.T) {
			t.Parallel()
			b := startBridging(t, up.start(t), time.Hour)
			tools, _ := b.inspect("web", "--method", "tools/list")["tools"].([]any)
			if len(tools) < 5 {
				t.Errorf("tools/list gave %v", tools)
			}
			answer := b.inspect("web", "--method", "tools/call", "--tool-name", "echo", "--tool-arg", "message=hello")
			if got := fmt.Sprint(answer["content"]); got != "[map[text:Echo: hello type:text]]" {
				t.Errorf("tools/call gave %s", got)
			}
			b.ended(0)
		})
	}
}
