package relay

import (
	"strings"
	"testing"
	"testing/synctest"
)

func TestACrash(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		old := r.opened()
		for _, line := range []string{call(1), `{"id":2,"method":"tools/list"}`, `{"id":3,"method":"prompts/list"}`, call(4)} {
			r.say("%s", line)
			old.hears("%s", line)
		}
		r.say(`{"method":"notifications/cancelled","params":{"requestId":4}}`)
		old.crash()
		r.fails("1", "ended")
		r.say(call(5))
		r.say(`{"jsonrpc":"2.0","id":6,"method":"ping"}`)
		r.hears(`{"jsonrpc":"2.0","id":6,"result":{}}`)
		fresh := r.serve(r.greeted())
		fresh.hears(`{"id":2,"method":"tools/list"}`)
		fresh.hears(`{"id":3,"method":"prompts/list"}`)
		fresh.hears(call(5))
		for id := range 6 {
			fresh.say(result(id))
		}
		for _, id := range []int{0, 1, 2, 3, 4, 5} { // what it was not asked is its own business
			r.hears(result(id))
		}
	})
}

func TestTheSecondServerAnswersInitialize(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		old := r.serve(r.start())
		r.say(hello)
		old.hears(hello)
		old.crash()
		if r.s.Answered() {
			t.Error("nothing was answered")
		}
		fresh := r.start()
		replayed(t, fresh.replay())
		r.serve(fresh)
		fresh.hears(hello)
		fresh.say(`{"id":"é/1",%s}`, welcome)
		r.hears(`{"id":"é/1",%s}`, welcome)
		if !r.s.Answered() {
			t.Error("initialize was answered")
		}
		quiet(t, r.lines)
	})
}

// What a server has not got all of, as it has ended, is for the next one.
func TestARequestThatWasNotDeliveredIsNotLost(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		old := r.opened()
		old.die()
		<-old.link.Read()
		r.say(call(1))
		synctest.Wait()
		old.link.Fail(Reason{Code: "ended"})
		fresh := r.serve(r.greeted())
		fresh.hears(call(1))
		fresh.say(result(1))
		r.hears(result(1))
		quiet(t, r.lines)
	})
}

func TestACrashWhileTheHeldIsSent(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.opened().crash()
		for id := range 3 {
			r.say(call(id))
		}
		bad := r.startDeaf()
		bad.lines = make(chan string, 100)
		done := bad.replay()
		read := func(n int) { // n bytes
			b := make([]byte, n)
			for at := 0; at < n; {
				m, err := bad.stdin.Read(b[at:])
				if err != nil {
					t.Fatal(err)
				}
				at += m
			}
			bad.lines <- string(b)
		}
		go func() {
			read(len(strings.Replace(hello, `é\/1`, "bearerd-1", 1)) + 1)
			read(len(initialized) + 1)
			read(len(call(0)) + 1)
			read(10) // of the next
		}()
		bad.asked(hello, welcome)
		bad.hears(initialized)
		replayed(t, done)
		r.switchTo(bad, nil)
		bad.hears(call(0))
		bad.die()
		synctest.Wait()
		bad.crash()
		r.fails("0", "ended")
		good := r.start()
		done = good.replay()
		good.asked(hello, welcome)
		good.hears(initialized)
		replayed(t, done)
		r.serve(good)
		good.hears(call(1))
		good.hears(call(2))
		quiet(t, r.lines)
	})
}

func TestRefuse(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		old := r.opened()
		r.say(call(0))
		old.hears(call(0))
		old.crash()
		r.fails("0", "ended")
		r.say(call(1))
		r.say(`[{"id":2,"method":"x"},{"id":"3","method":"x"},{"method":"notifications/x"}]`)
		synctest.Wait()
		r.s.Refuse(Reason{Code: "crash_loop", Text: "it ends"})
		r.fails("1", "crash_loop")
		r.fails("2", "crash_loop")
		r.fails(`"3"`, "crash_loop")
		r.say(call(4))
		r.fails("4", "crash_loop")
		r.say(`{"id":5,"method":"ping"}`)
		r.hears(`{"jsonrpc":"2.0","id":5,"result":{}}`)
		r.say(`{"method":"notifications/cancelled","params":{"requestId":4}}`)
		r.say(`{"id":4,"result":{}}`)
		fresh := r.serve(r.greeted())
		r.say(call(6))
		fresh.hears(call(6))
		quiet(t, r.lines)
	})
}

// A client may open its session while there is no server to hear the second half.
func TestInitializedWhileRefusing(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		old := r.serve(r.start())
		r.say(hello)
		old.hears(hello)
		old.say(`{"id":"é/1",%s}`, welcome)
		r.hears(`{"id":"é/1",%s}`, welcome)
		old.crash()
		r.s.Refuse(Reason{Code: "crash_loop"})
		r.say(initialized)
		r.serve(r.greeted())
	})
}

func TestHoldFromTheEndOfAToken(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		old := r.opened()
		r.say(call(1))
		old.hears(call(1))
		r.s.Hold(r.start().link) // not the one that serves
		r.s.Hold(old.link)
		r.say(call(2))
		quiet(t, old.lines)
		fresh := r.greeted()
		sw := r.switchTo(fresh, nil)
		sw.waits()
		old.say(result(1))
		r.hears(result(1))
		sw.switched()
		fresh.hears(call(2))
	})
}

// A token that ends while its process is still getting what was held: that goes through, so that a client gets on also where
// tokens live shorter than a start takes. What comes then waits.
func TestHoldWhileTheHeldIsSent(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.say(call(1))
		r.say(call(2))
		synctest.Wait()
		slow := r.serve(r.startDeaf())
		r.s.Hold(slow.link)
		slow.lines = follow(slow.stdin)
		slow.hears(call(1))
		slow.hears(call(2))
		synctest.Wait()
		r.say(call(3))
		quiet(t, slow.lines)
		slow.say(result(1))
		slow.say(result(2))
		fresh := r.serve(r.start())
		fresh.hears(call(3))
		r.say(call(4)) // the next one is not held back
		fresh.hears(call(4))
	})
}

// What a client says while there is no server is held up to a limit, then it is not read on.
func TestWhatIsHeldIsLimited(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		big := `{"method":"notifications/x","params":"` + strings.Repeat("x", 8<<20) + `"}`
		said := make(chan int, 100)
		go func() {
			for n := range 12 {
				r.say("%s", big)
				said <- n
			}
			close(said)
		}()
		synctest.Wait()
		if n := len(said); n < 8 || n > 9 {
			t.Errorf("%d lines of 8 MiB are held", n)
		}
		f := r.serve(r.start())
		for range 12 {
			f.hears("%s", big)
		}
	})
}

// The answer to a question of a server that ends before it gets it is not for the next one.
func TestAHeldAnswerIsForOneServer(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.say(call(1))
		synctest.Wait()
		bad := r.serve(r.startDeaf())
		bad.say(`{"id":0,"method":"roots/list"}`)
		r.hears(`{"id":0,"method":"roots/list"}`)
		r.say(`{"id":0,"result":{}}`)
		synctest.Wait()
		bad.die()
		synctest.Wait()
		bad.link.Fail(Reason{Code: "ended"})
		good := r.serve(r.start())
		good.hears(call(1))
		quiet(t, good.lines)
	})
}
