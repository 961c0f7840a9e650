package relay

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
)

const (
	level       = `{"jsonrpc":"2.0","id":2,"method":"logging/setLevel","params":{"level":"debug"}}`
	subscribe   = `{"id":3,"method":"resources/subscribe","params":{"uri":"x:\/é"}}`
	unsubscribe = `{"id":4,"method":"resources/unsubscribe","params":{"uri":"x:/é"}}`
)

// does has the client ask, and f answer.
func (r *rig) does(f *fake, line string) {
	r.t.Helper()
	id := line[strings.Index(line, `"id":`)+5:]
	id = id[:strings.Index(id, ",")]
	r.say("%s", line)
	f.hears("%s", line)
	f.say(`{"id":%s,"result":{}}`, id)
	r.hears(`{"id":%s,"result":{}}`, id)
}

func TestReplaysTheSessionInTheClientsWords(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		old := r.opened()
		r.does(old, level)
		r.does(old, subscribe)
		fresh := r.start()
		done := fresh.replay()
		fresh.asked(hello, welcome)
		fresh.hears(initialized)
		fresh.asked(level, `"result":{}`)
		fresh.asked(subscribe, `"error":{"code":-1,"message":"no"}`) // it is left at that
		replayed(t, done)
		fresh.say(`{"method":"notifications/resources/updated","params":{"uri":"x"}}`)
		r.serve(fresh)
		fresh.say(`{"method":"notifications/message"}`)
		r.hears(`{"method":"notifications/message"}`)
		quiet(t, fresh.lines)
	})
}

func TestWhatIsSaidBetweenReplayAndSwitchIsReplayedToo(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		old := r.opened()
		r.does(old, subscribe)
		r.say(call(9))
		old.hears(call(9))
		fresh := r.start()
		done := fresh.replay()
		fresh.asked(hello, welcome)
		fresh.hears(initialized)
		fresh.asked(subscribe, `"result":{}`)
		replayed(t, done)
		r.does(old, level)
		r.does(old, unsubscribe)
		sw := r.switchTo(fresh, nil)
		sw.waits()
		old.say(result(9))
		r.hears(result(9))
		fresh.asked(level, `"result":{}`)
		fresh.asked(`{"jsonrpc":"2.0","id":0,"method":"resources/unsubscribe","params":{"uri":"x:/é"}}`, `"result":{}`)
		sw.switched()
		quiet(t, fresh.lines)
	})
}

// The client says notifications/initialized when a fresh server has been told of initialize alone.
func TestInitializedBetweenReplayAndSwitch(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		old := r.serve(r.start())
		r.say(hello)
		old.hears(hello)
		old.say(`{"id":"é/1",%s}`, welcome)
		r.hears(`{"id":"é/1",%s}`, welcome)
		r.say(call(9))
		old.hears(call(9))
		fresh := r.start()
		done := fresh.replay()
		fresh.asked(hello, welcome)
		replayed(t, done)
		sw := r.switchTo(fresh, nil)
		sw.waits()
		r.say(initialized)
		old.hears(initialized)
		old.say(result(9))
		fresh.hears(initialized)
		sw.switched()
		quiet(t, fresh.lines)
	})
}

func TestInitializedInABatchIsReplayedAlone(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		old := r.serve(r.start())
		r.say(hello)
		old.hears(hello)
		old.say(`{"id":"é/1",%s}`, welcome)
		batch := `[{"method":"notifications/initialized"},{"id":8,"method":"tools/call"}]`
		r.say("%s", batch)
		old.hears("%s", batch)
		fresh := r.start()
		done := fresh.replay()
		fresh.asked(hello, welcome)
		fresh.hears(`{"jsonrpc":"2.0","method":"notifications/initialized"}`)
		replayed(t, done)
	})
}

func TestAnotherPromise(t *testing.T) {
	for name, c := range map[string]struct {
		answer string
		ok     bool
	}{
		"the same":           {welcome, true},
		"more":               {`"result":{"capabilities":{"logging":{"x":1},"prompts":{},"tools":{"listChanged":true}},"protocolVersion":"2025-11-25"}`, true},
		"another version":    {strings.ReplaceAll(welcome, "2025-11-25", "2025-06-18"), false},
		"no tools":           {strings.ReplaceAll(welcome, `"tools"`, `"tasks"`), false},
		"less of tools":      {strings.ReplaceAll(welcome, `true`, `false`), false},
		"tools of no kind":   {strings.ReplaceAll(welcome, `{"listChanged":true}`, `null`), false},
		"no capabilities":    {`"result":{"protocolVersion":"2025-11-25"}`, false},
		"nothing understood": {`"result":"x"`, false},
	} {
		bubble(t, func(t *testing.T, r *rig) {
			r.opened()
			fresh := r.start()
			done := fresh.replay()
			fresh.asked(hello, c.answer)
			if c.ok {
				fresh.hears(initialized)
			}
			if err := <-done; errors.Is(err, ErrChanged) == c.ok {
				t.Errorf("%s: %v", name, err)
			}
		})
	}
}

func TestAServerThatDoesNotOpenTheSession(t *testing.T) {
	for name, c := range map[string]struct {
		does func(*fake)
		want error
	}{
		"no answer":         {func(f *fake) { next(f.t, "the server", f.lines) }, context.DeadlineExceeded},
		"does not read":     {func(*fake) {}, context.DeadlineExceeded},
		"ends":              {func(f *fake) { next(f.t, "the server", f.lines); _ = f.out.Close() }, ErrEnded},
		"reads no more":     {func(f *fake) { _ = f.stdin.Close() }, ErrEnded},
		"has been given up": {func(f *fake) { f.crash() }, ErrEnded},
	} {
		bubble(t, func(t *testing.T, r *rig) {
			r.opened()
			fresh := r.startDeaf()
			if name != "does not read" && name != "reads no more" {
				fresh.lines = follow(fresh.stdin)
			}
			done := fresh.replay()
			c.does(fresh)
			if err := <-done; !errors.Is(err, c.want) {
				t.Errorf("%s: %v, want %v", name, err, c.want)
			}
		})
	}
	bubble(t, func(t *testing.T, r *rig) {
		r.opened()
		fresh := r.start()
		done := fresh.replay()
		fresh.asked(hello, `"error":{"code":1,"message":"not today"}`)
		if err := <-done; err == nil || !strings.Contains(err.Error(), "not today") {
			t.Errorf("got %v", err)
		}
	})
}

// The context of Replay and Switch ends them although a server takes nothing.
func TestReplayEndsWithItsContext(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.opened()
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		fresh := r.startDeaf()
		go func() { done <- fresh.link.Replay(ctx) }()
		synctest.Wait()
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
	})
}
