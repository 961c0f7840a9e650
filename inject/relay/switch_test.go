package relay

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
)

// A client that sends its next request in the very moment of the answer leaves no quiet moment but that one.
func TestSwitchesBetweenTwoCalls(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		old := r.opened()
		r.say(call(1))
		old.hears(call(1))
		fresh := r.greeted()
		sw := r.switchTo(fresh, nil)
		sw.waits()
		go func() { // before anybody has had a look
			if line := <-r.lines; line == result(1)+"\n" {
				r.say(call(2))
			}
		}()
		old.say(result(1))
		fresh.hears(call(2))
		sw.switched()
		fresh.say(result(2))
		r.hears(result(2))
		quiet(t, old.lines)
	})
}

func TestNeverSwitchesInTheMiddle(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		old := r.opened()
		r.say(call(1))
		old.hears(call(1))
		old.say(`{"id":0,"method":"roots/list"}`)
		r.hears(`{"id":0,"method":"roots/list"}`)
		sw := r.switchTo(r.greeted(), nil)
		sw.waits()
		old.say(result(1))
		sw.waits() // the question is open
		r.say(`{"id":0,"result":{}}`)
		old.hears(`{"id":0,"result":{}}`)
		sw.switched()
	})
}

func TestAQuestionInABatchIsAnsweredToo(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		old := r.opened()
		old.say(`{"id":0,"method":"roots/list"}`)
		r.hears(`{"id":0,"method":"roots/list"}`)
		sw := r.switchTo(r.greeted(), nil)
		sw.waits()
		r.say(`[{"id":0,"result":{}}]`)
		sw.switched()
	})
}

func TestNeverSwitchesWhileALineIsWritten(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		old := r.serve(r.startDeaf())
		r.say(`{"method":"notifications/x"}`)
		synctest.Wait()
		sw := r.switchTo(r.start(), nil)
		sw.waits()
		old.lines = follow(old.stdin)
		old.hears(`{"method":"notifications/x"}`)
		sw.switched()
	})
}

func TestACancelledRequestDoesNotBlockASwitch(t *testing.T) {
	for name, line := range map[string]string{
		"alone":      `{"method":"notifications/cancelled","params":{"requestId":1.0}}`,
		"in a batch": `[{"method":"notifications/cancelled","params":{"requestId":1.0}}]`,
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, r *rig) {
				old := r.opened()
				r.say(call(1))
				old.hears(call(1))
				fresh := r.greeted()
				sw := r.switchTo(fresh, nil)
				sw.waits()
				r.say("%s", line)
				old.hears("%s", line)
				sw.switched()
				old.say(result(1)) // it answers nonetheless
				r.hears(result(1))
				quiet(t, fresh.lines)
			})
		})
	}
}

// An id that is used twice is the client's mistake: it must not block for ever.
func TestAnIDUsedTwiceDoesNotBlockASwitch(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		old := r.opened()
		for range 2 {
			r.say(call(1))
			old.hears(call(1))
		}
		r.s.Hold(old.link)
		r.say(call(1))
		fresh := r.greeted()
		r.switchTo(fresh, nil).switched()
		fresh.hears(call(1))
	})
}

func TestABusyClientIsHelped(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		old := r.opened()
		r.say(call("slow"))
		old.hears(call("slow"))
		fresh, busy := r.greeted(), make(chan struct{})
		sw := r.switchTo(fresh, busy)
		sw.waits()
		close(busy)
		sw.switched()
		r.say(call(2))
		fresh.hears(call(2))
		old.say(`{"method":"notifications/progress","params":{"progressToken":1}}`)
		r.hears(`{"method":"notifications/progress","params":{"progressToken":1}}`)
		old.say(`{"method":"notifications/tools/list_changed"}`)
		old.say(`{"method":"notifications/resources/updated","params":{"uri":"x"}}`)
		old.say(`{"id":5,"method":"sampling/createMessage"}`)
		r.hears(`{"id":5,"method":"sampling/createMessage"}`)
		r.say(`{"id":5,"result":{}}`)
		old.hears(`{"id":5,"result":{}}`)
		r.say(`{"method":"notifications/cancelled","params":{"requestId":"no"}}`)
		fresh.hears(`{"method":"notifications/cancelled","params":{"requestId":"no"}}`)

		finished := make(chan struct{})
		go func() { old.link.Finish(t.Context()); close(finished) }()
		synctest.Wait()
		select {
		case <-finished:
			t.Fatal("it does not wait for the old server")
		default:
		}
		old.say(result("slow"))
		r.hears(result("slow"))
		<-finished
		fresh.say(result(2))
		r.hears(result(2))
	})
}

func TestLateAnswersAreDropped(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		old := r.opened()
		r.say(call(1))
		old.hears(call(1))
		busy := make(chan struct{})
		close(busy)
		r.switchTo(r.greeted(), busy).switched()
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		old.link.Finish(ctx)
		old.link.Fail(Reason{Code: "token_expired"})
		r.fails("1", "token_expired")
		old.say(result(1))
		old.say(`{"id":1,"method":"roots/list"}`)
		quiet(t, r.lines)
	})
}

// A server that takes over must have opened the session itself: a slow initialize goes with it.
func TestABusySwitchTakesTheOpeningAlong(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		old := r.serve(r.start())
		r.say(hello)
		old.hears(hello)
		busy := make(chan struct{})
		close(busy)
		fresh := r.start()
		r.switchTo(fresh, busy).switched()
		fresh.hears(hello)
		old.say(`{"id":"é/1","result":{}}`)
		fresh.say(`{"id":"é/1",%s}`, welcome)
		r.hears(`{"id":"é/1",%s}`, welcome)
		quiet(t, r.lines)
		old.link.Finish(t.Context())
	})
}

func TestAServerThatEndsBeforeItTakesOver(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		old := r.opened()
		r.say(call(1))
		fresh := r.greeted()
		sw := r.switchTo(fresh, nil)
		fresh.crash()
		if err := <-sw.done; !errors.Is(err, ErrEnded) {
			t.Fatal(err)
		}
		if err := r.s.Switch(t.Context(), fresh.link, nil); !errors.Is(err, ErrEnded) {
			t.Fatalf("a server that has ended takes over: %v", err)
		}
		old.hears(call(1))
		old.say(result(1))
		r.hears(result(1))
		r.serve(r.greeted())
	})
}

// Before the first server has taken over it may have ended.
func TestAFirstServerThatEndsAtOnce(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		first := r.start()
		first.crash()
		if err := r.s.Switch(t.Context(), first.link, nil); !errors.Is(err, ErrEnded) {
			t.Fatalf("got %v", err)
		}
		r.say(call(1))
		second := r.start()
		replayed(t, second.replay())
		r.serve(second)
		second.hears(call(1))
	})
}

// Whether it has taken over is decided once: a context that ends then, or a server, does not undo it.
func TestASwitchIsDecidedOnce(t *testing.T) {
	for range 50 { // select takes any of several
		bubble(t, func(t *testing.T, r *rig) {
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			r.say(call(1))
			synctest.Wait()
			f := r.start()
			if err := r.s.Switch(ctx, f.link, nil); err != nil {
				t.Fatal(err)
			}
			f.hears(call(1))
		})
	}
}

func TestPark(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		old := r.opened()
		r.say(call(1))
		old.hears(call(1))
		ctx, cancel := context.WithCancel(t.Context())
		parked := make(chan error, 1)
		go func() { parked <- r.s.Park(ctx) }()
		synctest.Wait()
		cancel()
		if err := <-parked; !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
		go func() { parked <- r.s.Park(t.Context()) }()
		synctest.Wait()
		old.say(result(1))
		r.hears(result(1))
		if err := <-parked; err != nil {
			t.Fatal(err)
		}
		r.say(call(2))
		quiet(t, old.lines)
		old.crash()
		if err := r.s.Park(t.Context()); err != nil {
			t.Fatal(err)
		}
		fresh := r.start()
		fresh.link.Bare()
		r.serve(fresh) // and is told nothing
		fresh.hears(call(2))
	})
}

// The answers to what was held go to the one who asked, and its cancellation follows the request.
func TestHeldThenCancelled(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		old := r.opened()
		r.s.Hold(old.link)
		r.say(call(1))
		r.say(call(2))
		r.say(call(3))
		r.say(`{"method":"notifications/cancelled","params":{"requestId":2}}`)
		r.say(`{"method":"notifications/cancelled","params":{"requestId":99}}`)
		quiet(t, old.lines)
		fresh := r.startDeaf()
		fresh.lines = make(chan string, 10)
		stdin := follow(fresh.stdin)
		done := fresh.replay()
		relay := func() { fresh.lines <- <-stdin }
		relay()
		fresh.asked(hello, welcome)
		relay()
		fresh.hears(initialized)
		replayed(t, done)
		r.serve(fresh)
		r.say(`{"method":"notifications/cancelled","params":{"requestId":3}}`)
		expect(t, "the server", stdin, call(1)+"\n")
		expect(t, "the server", stdin, call(3)+"\n")
		expect(t, "the server", stdin, `{"method":"notifications/cancelled","params":{"requestId":3}}`+"\n")
		quiet(t, r.lines)
	})
}
