//go:build unix

package stdio

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"bearerd/inject/relay"
)

// The end of input is seen although what came before it cannot be passed on.
func TestTheClientGoesWhileTheServerDoesNotRead(t *testing.T) {
	c := keep(t, spawning{})
	c.open()
	c.call(1, "deaf")
	c.hears(`"deaf"`)
	c.call(2, strings.Repeat("x", 200_000))
	_ = c.in.Close()
	c.ends(128+15, 5*time.Second)
}

// What the client says last reaches a server that reads.
func TestTheLastWordsAreDelivered(t *testing.T) {
	c := keep(t, spawning{})
	c.say(`{"jsonrpc":"2.0","id":"i","method":"initialize","params":{}}`)
	c.call(1, strings.Repeat("x", 200_000))
	_ = c.in.Close()
	c.hears(`"i"`)
	c.hears(`"id":1`)
	c.ends(0, 5*time.Second)
}

// A server that closes its stdout, and lives, has failed.
func TestAServerThatClosesItsStdout(t *testing.T) {
	c := keep(t, spawning{restart: "on_failure"})
	c.open()
	c.call(1, "close")
	c.hears(`"id":1,"error"`, "server_ended")
	c.call(2, "")
	c.hears(`"id":2,"result"`)
	if !strings.Contains(c.said.String(), "its stdout was closed while it ran") {
		t.Errorf("it said\n%s", c.said)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if !strings.Contains(c.troubles[0].Reason, "its stdout was closed") {
		t.Errorf("%+v", c.troubles)
	}
}

func TestAServerThatClosesItsStdoutForGood(t *testing.T) {
	c := keep(t, spawning{restart: "never"})
	c.open()
	c.call(1, "close")
	c.hears(`"id":1,"error"`, "session_ended", "its stdout was closed")
	c.ends(1, 5*time.Second)
}

// A line without end from the client ends the session, and says why.
func TestAClientWithoutEnd(t *testing.T) {
	c := keep(t, spawning{})
	c.open()
	c.call(1, "hang")
	go func() {
		block := []byte(strings.Repeat("x", 1<<20))
		for range 300 {
			if _, err := c.in.Write(block); err != nil {
				return
			}
		}
	}()
	c.hears(`"id":1`, "session_ended", "256 MiB")
	c.ends(0+1, 10*time.Second, "client", "256 MiB")
}

// The end of the last process answers everything, once, with the reason.
func TestTheLastProcessAnswersForAll(t *testing.T) {
	c := keep(t, spawning{restart: "never"})
	c.open()
	c.call(1, "hang")
	c.call(2, "exit 3")
	for range 2 {
		c.hears("session_ended", "exit code 3", "not started again")
	}
	c.ends(3, 5*time.Second)
}

// So does a session that no process can go on with. What a server says is made fit to be shown.
func TestAProcessThatOffersLess(t *testing.T) {
	c := keep(t, spawning{capabilities: `"\u001b[31mred":{}`, token: lives(2 * time.Second)}, spawning{token: lives(time.Hour)})
	c.open()
	c.call(1, "hang")
	time.Sleep(2100 * time.Millisecond)
	c.call(2, "")
	for range 2 {
		if line := c.hears("session_ended", "it lacks the capability [red]"); strings.Contains(line, "u001b") {
			t.Error(line)
		}
	}
	c.ends(1, 5*time.Second, "it lacks the capability [red]")
}

// Whoever is told to stop stops all processes in the same moment.
func TestStopDuringAnExchange(t *testing.T) {
	c := keep(t, spawning{behaviour: "stubborn", grace: time.Minute, token: lives(time.Second)},
		spawning{behaviour: "stubborn mute", grace: time.Minute, token: lives(time.Hour)})
	c.open()
	for deadline := time.Now().Add(mostPatience); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		n := 0
		c.k.each(func(*child) { n++ })
		if n == 2 {
			break
		}
	}
	time.Sleep(300 * time.Millisecond) // until it has started to ignore signals
	c.stop()
	c.ends(128+9, 2500*time.Millisecond)
}

// A server that is not to be started again is not, also while another is being tried.
func TestNoRestartDuringAnExchange(t *testing.T) {
	for name, next := range map[string]spawning{
		"the next does not answer": {behaviour: "mute"},
		"there is no next":         {err: errors.New("no")},
	} {
		t.Run(name, func(t *testing.T) {
			c := keep(t, spawning{restart: "never"}, next)
			c.open()
			c.k.Changed()
			time.Sleep(500 * time.Millisecond)
			c.call(1, "exit 3")
			c.hears("session_ended", "exit code 3")
			c.ends(3, 5*time.Second)
		})
	}
}

// A refusal that was decided while the old process served is in force once its token has ended.
func TestARefusalOutlivesTheOldProcess(t *testing.T) {
	c := keep(t, spawning{token: lives(4 * time.Second)}, spawning{err: errors.New("no such command")})
	c.open()
	for n := range 6 { // then the pause is longer than anybody waits
		for deadline := time.Now().Add(mostPatience); ; time.Sleep(10 * time.Millisecond) {
			c.k.Changed()
			c.mu.Lock()
			seen := len(c.troubles)
			c.mu.Unlock()
			if seen > n {
				break
			}
			if time.Now().After(deadline) {
				t.Fatal("it does not try")
			}
		}
	}
	time.Sleep(time.Until(time.Now().Add(4 * time.Second)))
	c.call(1, "")
	begun := time.Now()
	c.hears("not_started", "no such command", "the next attempt is in")
	if time.Since(begun) > 5*time.Second {
		t.Errorf("it took %v", time.Since(begun))
	}
}

// Requests that wait for others, which may take as long as they want, do not wait for ever.
func TestParkRefusesInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		clientR, clientW := io.Pipe()
		serverR, serverW := io.Pipe()
		out := make(lineWriter, 10)
		k := &Keeper{session: relay.New("s", out, slog.New(slog.DiscardHandler))}
		heard := make(lineWriter, 10)
		l := k.session.Attach(heard, serverR, func([]byte) {})
		go func() { _ = k.session.Serve(t.Context(), clientR) }()
		defer func() { _, _ = clientW.Close(), serverW.Close() }()
		if err := k.session.Switch(t.Context(), l, nil); err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(clientW, `{"id":1,"method":"tools/call"}`+"\n")
		<-heard
		k.session.Hold(l)
		parked := make(chan error)
		go func() { parked <- k.park(t.Context()) }()
		_, _ = io.WriteString(clientW, `{"id":2,"method":"tools/call"}`+"\n")
		begun := time.Now()
		if line := <-out; !strings.Contains(line, `"id":2`) || !strings.Contains(line, `"busy"`) || time.Since(begun) != relay.ReplayLimit {
			t.Errorf("%v: %s", time.Since(begun), line)
		}
		_, _ = io.WriteString(serverW, `{"id":1,"result":{}}`+"\n")
		<-out
		if err := <-parked; err != nil {
			t.Error(err)
		}
		l.Fail(hasEnded)
	})
}

type lineWriter chan string

func (w lineWriter) Write(p []byte) (int, error) {
	w <- string(p)
	return len(p), nil
}

// A start that takes as long as clients wait is not waited for again in silence.
func TestAStartThatTakesTooLong(t *testing.T) {
	k := &Keeper{Name: "search"}
	slow := &shownError{"a fresh process did not answer", context.DeadlineExceeded}
	if trouble := k.failed(slow); trouble.held || trouble.Reason != slow.text {
		t.Errorf("%+v", trouble)
	}
	if trouble := k.failed(errors.New("no")); !trouble.held {
		t.Errorf("%+v", trouble)
	}
}
