package relay

import (
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// The end of a session answers each request once: what is held and what comes at once, what is open at its server's end.
func TestTheEndOfASession(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		old := r.opened()
		for id := range 2 {
			r.say(call(id))
			old.hears(call(id))
		}
		r.s.Hold(old.link)
		r.say(call("held"))
		r.say(`{"id":"list","method":"tools/list"}`)
		synctest.Wait()
		r.s.End(Reason{Code: "session_ended"})
		r.fails(`"held"`, "session_ended")
		r.fails(`"list"`, "session_ended")
		old.say(result(0))
		r.hears(result(0))
		r.say(call("late"))
		r.fails(`"late"`, "session_ended")
		old.crash()
		r.fails("1", "session_ended")
		r.s.Refuse(Reason{Code: "crash_loop"})
		r.switchTo(r.start(), nil).waits()
		r.say(call("later"))
		r.fails(`"later"`, "session_ended")
		quiet(t, r.lines)
	})
}

func TestAServerEndsTheSessionOnlyWhileItServes(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		old := r.opened()
		fresh := r.serve(r.greeted())
		if old.link.End(Reason{Code: "session_ended"}) {
			t.Error("another one serves")
		}
		r.say(call(1))
		fresh.hears(call(1))
		if !fresh.link.End(Reason{Code: "session_ended"}) {
			t.Error("it serves")
		}
		fresh.crash()
		r.fails("1", "session_ended")
	})
}

// What was decided while a server served is in force once it does not.
func TestARefusalThatIsForeseen(t *testing.T) {
	for name, leave := range map[string]func(*rig, *fake){
		"its token ends": func(r *rig, f *fake) { r.s.Hold(f.link) },
		"it ends":        func(_ *rig, f *fake) { f.crash() },
	} {
		bubble(t, func(t *testing.T, r *rig) {
			old := r.opened()
			r.s.Refuse(Reason{Code: "not_started", Text: "no", Next: time.Now().Add(time.Minute)})
			r.say(call(0))
			old.hears(call(0))
			old.say(result(0))
			r.hears(result(0))
			leave(r, old)
			time.Sleep(18 * time.Second)
			r.say(call(1))
			line := next(t, name, r.lines)
			if !strings.Contains(line, `"not_started"`) || !strings.Contains(line, "no; the next attempt is in 42 s") {
				t.Errorf("%s: %s", name, line)
			}
			fresh := r.serve(r.greeted())
			r.s.Hold(fresh.link)
			r.say(call(2))
			quiet(t, r.lines)
		})
	}
}

// The wall clock decides, whether or not anybody was awake to see the end of a token.
func TestUntil(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		old := r.opened()
		r.s.Until(old.link, time.Now().Add(time.Minute))
		time.Sleep(time.Minute - 1)
		r.say(call(1))
		old.hears(call(1))
		time.Sleep(time.Nanosecond)
		r.say(call(2))
		quiet(t, old.lines)
		old.say(result(1))
		r.hears(result(1))
		r.serve(r.greeted()).hears(call(2))
	})
}

func TestFault(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		f := r.opened()
		f.die()
		<-f.link.Read()
		if err := f.link.Fault(); err != nil {
			t.Error(err)
		}
		g := r.s.Attach(io.Discard, endless{}, nil)
		<-g.Read()
		if err := g.Fault(); err == nil || !strings.Contains(err.Error(), "256 MiB") {
			t.Error(err)
		}
	})
}

// A client that answers nothing must not fill the memory.
func TestOrphansAreLimited(t *testing.T) {
	o := orphans{has: map[string]bool{}}
	for i := range 3 * mostOrphans {
		o.add(fmt.Sprint(i))
		o.add("again")
		if i%2 == 0 {
			delete(o.has, fmt.Sprint(i)) // answered
		}
	}
	if len(o.has) > mostOrphans || len(o.order) > mostOrphans || !o.has["again"] || !o.has[fmt.Sprint(3*mostOrphans-1)] {
		t.Errorf("%d, %d", len(o.has), len(o.order))
	}
}

// What a client says of both openings is compared with what each of them has promised.
func TestDiscoverAfterInitialize(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		old := r.opened()
		r.say(discover)
		old.hears(discover)
		old.say(`{"id":"d",%s}`, found)
		r.hears(`{"id":"d",%s}`, found)
		r.greeted()
	})
}

func TestProgressGoesToWhoHasAsked(t *testing.T) {
	const progress = `{"method":"notifications/progress","params":{"progressToken":%s,"progress":1}}`
	bubble(t, func(t *testing.T, r *rig) {
		old := r.opened()
		question := `{"id":7,"method":"sampling/createMessage","params":{"_meta":{"progressToken":"p"}}}`
		old.say("%s", question)
		r.hears("%s", question)
		busy := make(chan struct{})
		close(busy)
		fresh := r.greeted()
		r.switchTo(fresh, busy).switched()
		r.say(progress, `"p"`)
		old.hears(progress, `"p"`)
		r.say(progress, "2")
		fresh.hears(progress, "2")
	})
}
