package main_test

import (
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

// rotationGoal is how often a server is exchanged in each test; BEARERD_SOAK makes them long.
func rotationGoal() int {
	if os.Getenv("BEARERD_SOAK") != "" {
		return 100
	}
	return 10
}

// rotating holds how many of these tests run at once: each starts a Node every 1.5 s, and a token of 2 s leaves no time to wait
// for a processor.
var rotating = make(chan struct{}, 3)

const shortLife = 2 * time.Second

// terminated is how server-everything ends now and then: 350 ms after its start it asks for the roots, and where the client has
// gone by then it waits for the answer, until SIGTERM.
const terminated = 128 + 15

// Calls of server-everything.
var (
	plainCalls = []template{calling("get-env", `{}`), calling("echo", `{"message":"message #"}`), calling("get-sum", `{"a":"#","b":7}`)}
	slowCall   = calling("trigger-long-running-operation", `{"duration":0.4,"steps":4}`)
	askCalls   = []template{calling("trigger-sampling-request", `{"prompt":"prompt #"}`), calling("trigger-elicitation-request", `{}`)}
	toggleCall = calling("toggle-subscriber-updates", `{}`)

	modernCalls = []template{calling("whoami", `{}`), calling("echo", `{"message":"message #"}`), calling("count", `{"n":4,"pause":100}`)}
)

// everythingResource is one of server-everything; it says that it has changed when it is told to.
const everythingResource = "demo://resource/dynamic/text/1"

// session is a client's, whichever client it is.
type session struct {
	loop      func(calls []template, callers int, pause time.Duration, note func(called)) (halt func())
	subscribe func(uri string)
	end       func() (updated int, longest time.Duration) // in order; nothing may have gone wrong
	stderr    func() string                               // of exec
}

// goSession is one of the go-sdk.
func (h *home) goSession(name, wire string) session {
	c := h.goClient(name, wire)
	return session{
		loop: c.loop, subscribe: c.subscribe, stderr: c.stderr.String,
		end: func() (int, time.Duration) {
			c.close(terminated)
			updates := append(c.updates(), time.Now())
			longest := time.Duration(0)
			for i := 1; i < len(updates); i++ {
				longest = max(longest, updates[i].Sub(updates[i-1]))
			}
			return len(updates) - 1, longest
		},
	}
}

// nodeSession is one of @modelcontextprotocol/client.
func (h *home) nodeSession(name, wire string) session {
	target := h.exec(name, wire)
	target.Handlers = wire == legacyWire
	c := h.client(target)
	return session{
		loop: c.loop, subscribe: c.subscribe, stderr: c.node.stderr.String,
		end: func() (int, time.Duration) {
			heard := c.heard()
			for _, fault := range heard.Faults[:min(len(heard.Faults), 10)] {
				h.t.Error("the client: " + fault)
			}
			if err := c.Close(); err != nil {
				h.t.Errorf("closing the client: %v", err)
			}
			return heard.Updated, time.Duration(heard.Longest) * time.Millisecond
		},
	}
}

// modernServer is modern-stdio.mjs on one wire, with variables: NAME, VALUE, …
func modernServer(t testing.TB, wire string, variables ...string) string {
	env := map[string]string{"PEER_WIRE": wire}
	for pair := range slices.Chunk(variables, 2) {
		env[pair[0]] = pair[1]
	}
	return attribute("command", "node") + "\n" + attribute("args", []string{peersDir(t) + "/modern-stdio.mjs"}) + "\n" + attribute("env", env)
}

// A session outlives its server's tokens, again and again: no call fails, none is lost or answered twice, and each is made
// with a valid token.
func TestSoakRotation(t *testing.T) {
	t.Parallel()
	everything, goSDK, node := stdioServer(t), (*home).goSession, (*home).nodeSession
	all := slices.Concat(plainCalls, askCalls, []template{slowCall, toggleCall})
	for _, tt := range []struct {
		name, server, wire string
		open               func(h *home, name, wire string) session
		calls              []template
		callers            int
		resource           string
	}{
		{"one caller, go", everything, legacyWire, goSDK, plainCalls, 1, ""},
		{"four callers, node", everything, legacyWire, node, plainCalls, 4, ""},
		{"progress, go", everything, legacyWire, goSDK, append(plainCalls[:3:3], slowCall), 4, ""},
		{"everything at once, go", everything, legacyWire, goSDK, all, 3, everythingResource},
		{"everything at once, node", everything, legacyWire, node, all, 3, everythingResource},
		{"stateless, node", modernServer(t, modernWire), modernWire, node, modernCalls, 3, "peer://clock"},
		{"stateless, go", modernServer(t, modernWire), modernWire, goSDK, modernCalls, 3, "peer://clock"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			rotating <- struct{}{}
			t.Cleanup(func() { <-rotating })
			h := newHome(t)
			l, _, grant := h.startLedger(shortLife)
			h.configure(server("s", tt.server, grant))
			s := tt.open(h, "s", tt.wire)
			if tt.resource != "" {
				s.subscribe(tt.resource)
			}
			start := time.Now()
			halt := s.loop(tt.calls, tt.callers, 10*time.Millisecond, l.note)
			l.rotations(t, rotationGoal())
			halt()
			took := time.Since(start)
			updated, longest := s.end()
			h.nothingRuns()
			got := l.tally()
			t.Logf("%s: %s; %d updates, at most %s between two", took.Round(time.Second), got, updated, longest)
			got.check(t, took, tt.calls, s.stderr())
			switch {
			case tt.resource == everythingResource && updated < got.started:
				t.Errorf("%d updates of the resource, want %d", updated, got.started)
			case tt.resource == "peer://clock" && longest > 5*time.Second:
				t.Errorf("for %s there was no update of the resource", longest)
			}
		})
	}
}

// check looks at what must hold for every session.
func (got tally) check(t *testing.T, took time.Duration, calls []template, stderr string) {
	t.Helper()
	children := max(strings.Count(stderr, "Starting default (STDIO) server"), got.pids)
	if children < got.tokens || children > got.issued+3 { // a token may end before its process is ready
		t.Errorf("%d processes for %d tokens of %d", children, got.tokens, got.issued)
	}
	if most := int(took/shortLife)*2 + 5; got.issued > most {
		t.Errorf("%d tokens were issued in %s, want at most %d", got.issued, took, most)
	}
	if got.late > got.tokens {
		t.Errorf("%d calls took longer than %s and saw their token end", got.late, lateBy)
	}
	for _, what := range calls {
		if got.calls[what.Name] < rotationGoal()/2 {
			t.Errorf("%s was called %d times", what.Name, got.calls[what.Name])
		}
	}
}
