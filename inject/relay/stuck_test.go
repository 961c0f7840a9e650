package relay

import (
	"context"
	"io"
	"testing"
	"testing/synctest"
	"time"
)

// A server that does not read holds up nobody but what is said to it.
func TestAServerThatDoesNotRead(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		old := r.serve(r.startDeaf())
		r.say(call(1)) // nobody takes it
		synctest.Wait()
		fresh, busy := r.start(), make(chan struct{})
		sw := r.switchTo(fresh, busy)
		sw.waits()
		close(busy)
		sw.switched()
		fresh.say(`{"method":"notifications/message"}`)
		r.hears(`{"method":"notifications/message"}`)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		old.link.Finish(ctx)
		old.link.Fail(Reason{Code: "token_expired"})
		r.fails("1", "token_expired")
		old.die() // as its keeper does
		r.say(call(2))
		fresh.hears(call(2))
	})
}

// A server that takes over and does not read what was held must not hold up its keeper.
func TestAServerThatDoesNotReadWhatWasHeld(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.say(call(1))
		r.say(call(2))
		synctest.Wait()
		stuck := r.serve(r.startDeaf())
		begun := time.Now()
		stuck.link.Sent(time.Second)
		if time.Since(begun) != time.Second {
			t.Error("it is not sent")
		}
		stuck.die()
		synctest.Wait()
		stuck.link.Fail(Reason{Code: "ended"})
		stuck.link.Sent(time.Second)
		fresh := r.start()
		fresh.link.Sent(time.Hour)
		r.serve(fresh)
		fresh.hears(call(1)) // it has reached nobody
		fresh.hears(call(2))
	})
}

// stuckRig is a rig whose client does not read.
func stuckRig(t *testing.T) (*rig, *fake) {
	r := newRig(t)
	f := r.serve(r.start())
	r.say(call(1))
	r.say(call(2))
	synctest.Wait()
	f.say(`{"method":"notifications/message"}`)
	synctest.Wait()
	return r, f
}

func TestAClientThatDoesNotRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, f := stuckRig(t)
		defer r.close()
		begun := time.Now()
		f.link.Fail(Reason{Code: "ended"})
		r.s.Refuse(Reason{Code: "crash_loop"})
		fresh := r.start()
		replayed(t, fresh.replay())
		r.serve(fresh)
		if time.Since(begun) > 0 {
			t.Error("it took a while")
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		r.s.Written(ctx)
		if waited := time.Since(begun); waited < time.Minute || waited > 2*time.Minute {
			t.Errorf("it has waited for the client for %v", waited)
		}
		r.lines = follow(r.out)
		r.hears(`{"method":"notifications/message"}`)
		rest := []string{next(t, "the client", r.lines), next(t, "the client", r.lines)}
		r.s.Written(t.Context())
		if len(rest) != 2 {
			t.Error(rest)
		}
		quiet(t, r.lines)
	})
}

func TestAClientThatHasGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, f := stuckRig(t)
		defer r.close()
		f.link.Fail(Reason{Code: "ended"})
		select {
		case <-r.s.Deaf():
			t.Fatal("it is not deaf yet")
		default:
		}
		_ = r.out.CloseWithError(io.ErrClosedPipe)
		<-r.s.Deaf()
		r.s.Written(t.Context())
		r.serve(r.start())
	})
}

// What the session itself has to say comes before what the next server says.
func TestErrorsComeBeforeWhatFollows(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		old := r.opened()
		for range 100 {
			r.say(call(1))
			old.hears(call(1))
			old.crash()
			fresh := r.greeted()
			fresh.say(`{"id":9,"method":"roots/list"}`)
			r.fails("1", "ended")
			line := next(t, "the client", r.lines)
			r.say(`{"id":%s,"result":{}}`, line[6:len(line)-len(`,"method":"roots/list"}`)-1])
			next(t, "the server", fresh.lines)
			old = r.serve(fresh)
		}
	})
}
