package main_test

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

// startEverything is startEverythingHTTP or startEverythingSSE with a handle on its process.
func startEverything(t *testing.T, transport string) (node *nodePeer, url string) {
	t.Helper()
	node = startNode(t, "everything.mjs", map[string]string{"transport": transport})
	var ready struct{ URL string }
	node.answer(&ready)
	return node, ready.URL
}

// Upstream is restarted in mid-session and knows the session no more: another is set up behind the client's back, with its
// subscriptions. What was open at that moment may fail, and says why.
func TestBridgeUpstreamRestarts(t *testing.T) {
	t.Parallel()
	for _, transport := range []string{"streamableHttp", "sse"} {
		for client, open := range clients {
			t.Run(transport+" "+client, func(t *testing.T) {
				t.Parallel()
				rotating <- struct{}{}
				t.Cleanup(func() { <-rotating })
				node, url := startEverything(t, transport)
				b := startBridging(t, url, time.Hour)
				b.ledger.kind = excuse
				s := open(b.home, "web", legacyWire)
				s.subscribe(everythingResource)
				halt := s.loop(append(plainCallsHTTP[:2:2], toggleCall), 2, 20*time.Millisecond, b.ledger.note)
				eventually(t, "calls are made", func() bool { now := b.ledger.tally(); return now.calls["echo"] >= 5 && now.started > 0 })
				for range 2 {
					next, url := startEverything(t, transport)
					b.point(url)
					_ = node.stop()
					node = next
					before := b.ledger.tally()
					eventually(t, "the session goes on", func() bool {
						now := b.ledger.tally()
						return now.calls["echo"] >= before.calls["echo"]+5 && now.started > before.started
					})
				}
				enough := b.ledger.tally().started + 30
				eventually(t, "many updates are due", func() bool { return b.ledger.tally().started >= enough })
				halt()
				updated, _ := s.end()
				b.ended(0)
				got := b.ledger.tally()
				t.Logf("%s; %d updates", got, updated)
				if got.failed > 6 {
					t.Errorf("%d calls failed", got.failed)
				}
				if updated < got.started*3/4 { // each comes with an update at once; what was open at a restart may fail
					t.Errorf("%d updates of the resource, want about %d", updated, got.started)
				}
				want := map[string]int{"streamableHttp": 3, "sse": 4}[transport] // one tells that it is the older transport
				if n := b.count(rpc("initialize")); n != want {
					t.Errorf("%d sessions were set up", n)
				}
			})
		}
	}
}

var plainCallsHTTP = []template{echoCall, sumCall}

// excuse is for a call that fails because upstream is away: it must say which server, and what happened.
func excuse(c called) string {
	if strings.Contains(c.Failed, `"web"`) && !strings.Contains(c.Failed, "session not found") {
		return ""
	}
	return "it does not say why"
}

// A session that upstream answers 404 to is set up again, and no call fails.
func TestBridgeSessionForgotten(t *testing.T) {
	t.Parallel()
	for client, open := range clients {
		t.Run(client, func(t *testing.T) {
			t.Parallel()
			b := startBridging(t, startEverythingHTTP(t), time.Hour)
			s := open(b.home, "web", legacyWire)
			halt := s.loop(plainCallsHTTP, 3, 10*time.Millisecond, b.ledger.note)
			for n := 2; n <= 4; n++ {
				before := b.ledger.tally().calls["echo"]
				lost := ""
				eventually(t, "a request of the session comes", func() bool { lost = b.last().session; return lost != "" })
				b.forget.Store(&lost)
				eventually(t, "another session is set up", func() bool {
					return b.count(rpc("initialize")) >= n && b.ledger.tally().calls["echo"] > before+5
				})
			}
			halt()
			s.end()
			b.ended(0)
			if n := b.count(rpc("initialize")); n != 4 {
				t.Errorf("%d sessions were set up", n)
			}
		})
	}
}

// While upstream is away for 5 s the calls fail at once, with the reason; then the session goes on.
func TestBridgeUpstreamAway(t *testing.T) {
	t.Parallel()
	for _, up := range upstreams()[:3] {
		t.Run(up.name, func(t *testing.T) {
			t.Parallel()
			rotating <- struct{}{}
			t.Cleanup(func() { <-rotating })
			b := startBridging(t, up.start(t), shortLife)
			b.ledger.kind = excuse
			s := b.goSession("web", up.wire)
			halt := s.loop([]template{echoCall}, 2, 20*time.Millisecond, b.ledger.note)
			eventually(t, "calls are made", func() bool { return b.ledger.tally().calls["echo"] >= 5 })
			b.gate.close()
			time.Sleep(5 * time.Second)
			away := b.ledger.tally()
			if err := b.gate.open(b.server.Addr); err != nil {
				t.Fatal(err)
			}
			back := time.Now()
			eventually(t, "calls go well again", func() bool { return b.ledger.tally().calls["echo"] > away.calls["echo"]+10 })
			took := time.Since(back)
			halt()
			s.end()
			b.ended(0)
			t.Logf("%d calls failed meanwhile; %s after its return they went well", away.failed, took.Round(time.Millisecond))
			if away.failed == 0 {
				t.Error("no call failed while upstream was away")
			}
			if took > 10*time.Second {
				t.Errorf("it took %s until calls went well", took)
			}
		})
	}
}

// An edit of the url and of the headers is followed in mid-session. A server that is removed ends exec.
func TestBridgeEdits(t *testing.T) {
	t.Parallel()
	for client, open := range clients {
		t.Run(client, func(t *testing.T) {
			t.Parallel()
			b := startBridging(t, startEverythingHTTP(t), time.Hour, `headers = { X-Version = "1" }`)
			other := b.startGate(startEverythingHTTP(t), b.as)
			s := open(b.home, "web", legacyWire)
			halt := s.loop(plainCallsHTTP, 2, 20*time.Millisecond, b.ledger.note)
			eventually(t, "requests carry the header", func() bool { return b.last().version == "1" })
			b.serve(b.URL, `headers = { X-Version = "2" }`)
			eventually(t, "requests carry the new header", func() bool { return b.last().version == "2" })
			if n := b.count(rpc("initialize")); n != 1 {
				t.Errorf("%d sessions were set up before the url changed", n)
			}
			b.serve(other.URL, `headers = { X-Version = "3" }`)
			eventually(t, "requests reach the new url", func() bool { return other.count(rpc("tools/call")) >= 5 && other.last().version == "3" })
			time.Sleep(300 * time.Millisecond)
			n := len(b.passages())
			time.Sleep(500 * time.Millisecond)
			if len(b.passages()) != n {
				t.Errorf("the old url is still asked: %s", b.last())
			}
			halt()
			s.end()
			b.ended(0)
			for name, g := range map[string]*gate{"old": b.gate, "new": other} {
				if g.count(rpc("initialize")) != 1 {
					t.Errorf("%d sessions at the %s url", g.count(rpc("initialize")), name)
				}
			}
			if n := other.count(method(http.MethodDelete)); n != 1 {
				t.Errorf("%d sessions were ended at the new url", n)
			}
		})
	}
}

func TestBridgeRemoved(t *testing.T) {
	t.Parallel()
	b := startBridging(t, startEverythingHTTP(t), time.Hour)
	l := b.lines()
	if answer := l.ask(1, "initialize", initializeParams); answer.Error != nil {
		t.Fatalf("initialize: %+v", answer.Error)
	}
	b.configure(server("other", nothing))
	if code := l.wait(); code != 1 || !strings.Contains(l.stderr.String(), `server "web" was removed from the configuration`) {
		t.Errorf("exit code %d: %s", code, l.stderr)
	}
	b.ended(0)
	if n := b.count(method(http.MethodDelete)); n != 1 {
		t.Errorf("%d sessions were ended", n)
	}
}
