package relay

import (
	"errors"
	"testing"
)

const (
	envelope  = `"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}`
	discover  = `{"jsonrpc":"2.0","id":"d","method":"server/discover","params":{` + envelope + `}}`
	found     = `"result":{"supportedVersions":["2026-07-28","2025-11-25"],"capabilities":{"tools":{}}}`
	listening = `{"jsonrpc":"2.0","id":"l","method":"subscriptions/listen","params":{"notifications":{"toolsListChanged":true},` + envelope + `}}`
	acked     = `{"jsonrpc":"2.0","method":"notifications/subscriptions/acknowledged","params":{"_meta":{"io.modelcontextprotocol/subscriptionId":"l"}}}`
	over      = `{"jsonrpc":"2.0","id":"l","result":{}}`
	unlisten  = `{"method":"notifications/cancelled","params":{"requestId":"l"}}`
)

// listens has the client listen.
func (r *rig) listens() *fake {
	r.t.Helper()
	f := r.serve(r.start())
	r.say(listening)
	f.hears(listening)
	f.say(acked)
	r.hears(acked)
	return f
}

// told starts a server that is told of the subscription.
func (r *rig) told() *fake {
	r.t.Helper()
	f := r.start()
	done := f.replay()
	f.hears(listening)
	replayed(r.t, done)
	return f
}

func TestDiscoverIsReplayedAndCompared(t *testing.T) {
	for name, c := range map[string]struct {
		answer string
		ok     bool
	}{
		"the same":       {found, true},
		"more":           {`"result":{"supportedVersions":["2025-11-25","2026-07-28","x"],"capabilities":{"tools":{"a":1},"prompts":{}}}`, true},
		"a version less": {`"result":{"supportedVersions":["2026-07-28"],"capabilities":{"tools":{}}}`, false},
		"no tools":       {`"result":{"supportedVersions":["2026-07-28","2025-11-25"],"capabilities":{}}`, false},
	} {
		bubble(t, func(t *testing.T, r *rig) {
			old := r.serve(r.start())
			r.say(discover)
			old.hears(discover)
			old.say(`{"id":"d",%s}`, found)
			r.hears(`{"id":"d",%s}`, found)
			fresh := r.start()
			done := fresh.replay()
			fresh.asked(discover, c.answer)
			if err := <-done; errors.Is(err, ErrChanged) == c.ok {
				t.Errorf("%s: %v", name, err)
			}
		})
	}
}

func TestRequestsOfTheStatelessWireNeedNoReplay(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		old := r.serve(r.start())
		r.say(call(1))
		old.hears(call(1))
		old.say(result(1))
		r.hears(result(1))
		if !r.s.Answered() {
			t.Error("a server has answered")
		}
		fresh := r.start()
		replayed(t, fresh.replay())
		r.serve(fresh)
		r.say(call(2))
		fresh.hears(call(2))
		quiet(t, fresh.lines)
	})
}

func TestSubscriptionsGoOn(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		old := r.listens()
		fresh := r.told()
		fresh.say(acked)
		r.serve(fresh)
		old.say(over)
		old.say(unlisten) // another way to end it
		quiet(t, r.lines)
		fresh.say(over)
		r.hears(over)
		last := r.start()
		replayed(t, last.replay())
		quiet(t, last.lines)
	})
}

func TestTheFirstAcknowledgementPasses(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		old := r.serve(r.start())
		r.say(listening)
		old.hears(listening)
		old.crash()
		fresh := r.told()
		fresh.say(acked)
		r.hears(acked)
		r.serve(fresh)
		fresh.say(acked)
		quiet(t, r.lines)
	})
}

func TestACancelledSubscriptionEndsAtBoth(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		old := r.listens()
		r.say(call(1))
		old.hears(call(1))
		fresh := r.told()
		sw := r.switchTo(fresh, nil)
		r.say(unlisten)
		old.hears(unlisten)
		old.say(result(1))
		r.hears(result(1))
		fresh.hears(`{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"l","reason":"the client has ended the subscription"}}`)
		sw.switched()
	})
}

// A server may end a subscription while its successor has been told of it already.
func TestAnEndedSubscriptionIsNotGoneOnWith(t *testing.T) {
	for _, end := range []string{over, unlisten} {
		bubble(t, func(t *testing.T, r *rig) {
			old := r.listens()
			r.say(call(1))
			old.hears(call(1))
			fresh := r.told()
			sw := r.switchTo(fresh, nil)
			old.say("%s", end)
			r.hears("%s", end)
			old.say(result(1))
			r.hears(result(1))
			fresh.hears(`{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"l","reason":"the client has ended the subscription"}}`)
			sw.switched()
		})
	}
}

// What a fresh server refuses is over for the client when that server takes over, and no sooner.
func TestASubscriptionThatTheNextServerRefuses(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		old := r.listens()
		r.say(call(1))
		old.hears(call(1))
		fresh := r.told()
		sw := r.switchTo(fresh, nil)
		fresh.say(`{"id":"l","error":{"code":-32601,"message":"no"}}`)
		quiet(t, r.lines)
		old.say(result(1))
		r.hears(result(1))
		sw.switched()
		r.hears(`{"id":"l","error":{"code":-32601,"message":"no"}}`)
		last := r.start()
		replayed(t, last.replay())
		quiet(t, last.lines)
	})
}

// Where nothing is replayed, the client is told that its subscription is over.
func TestASubscriptionEndsWithABareServer(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		old := r.listens()
		if err := r.s.Park(t.Context()); err != nil {
			t.Fatal(err)
		}
		old.say(over)
		old.crash()
		quiet(t, r.lines)
		fresh := r.start()
		fresh.link.Bare()
		r.serve(fresh)
		r.fails(`"l"`, "server_replaced")
		quiet(t, fresh.lines)
	})
}

// A subscription that was asked for while there was no server is asked for once.
func TestAHeldSubscription(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.say(listening)
		fresh := r.serve(r.start())
		fresh.hears(listening)
		fresh.say(acked)
		r.hears(acked)
		quiet(t, fresh.lines)
		r.say(unlisten)
		fresh.hears(unlisten)
	})
}

func TestListChangedOnTheStatelessWire(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		old := r.listens()
		r.say(`{"jsonrpc":"2.0","id":"p","method":"subscriptions/listen","params":{"notifications":{"promptsListChanged":true}}}`)
		next(t, "the server", old.lines)
		r.lists(old, listTools, twoTools)
		fresh := r.start()
		done := fresh.replay()
		for range 2 {
			next(t, "the server", fresh.lines) // the subscriptions
		}
		fresh.asked(listTools, `"result":{"tools":[]}`)
		replayed(t, done)
		r.serve(fresh)
		r.hears(`{"jsonrpc":"2.0","method":"notifications/tools/list_changed","params":{"_meta":{"io.modelcontextprotocol/subscriptionId":"l"}}}`)
		quiet(t, r.lines)
	})
}
