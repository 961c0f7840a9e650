package main_test

import (
	"encoding/json"
	"errors"
	"math/rand/v2"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// oldest is the process of server-everything in this home that was started first: that one serves, or has just served.
func (h *home) oldest() (pid int) {
	for p, argv := range h.processes() {
		if strings.HasPrefix(argv, "node ") && strings.Contains(argv, "server-everything") && (pid == 0 || p < pid) {
			pid = p
		}
	}
	return pid
}

// The server is killed at random moments: the calls that are open then fail, once, with an error that says so. The session
// goes on.
func TestSoakRotationWithKills(t *testing.T) {
	t.Parallel()
	const callers = 3
	for name, open := range map[string]func(*home, string, string) session{"go": (*home).goSession, "node": (*home).nodeSession} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rotating <- struct{}{}
			t.Cleanup(func() { <-rotating })
			h := newHome(t)
			l, _, grant := h.startLedger(shortLife)
			h.configure(server("s", stdioServer(t), grant))
			var kills atomic.Int64
			l.kind = func(c called) string {
				if kills.Load() > 0 && strings.Contains(c.Failed, `"s"`) && strings.Contains(c.Failed, "ended") {
					return ""
				}
				return "it does not say that the server has ended"
			}
			s := open(h, "s", legacyWire)
			halt := s.loop(append(plainCalls[:3:3], slowCall), callers, 10*time.Millisecond, l.note)
			h.killAtRandom(l, &kills)
			l.rotations(t, max(rotationGoal(), l.tally().tokens))
			halt()
			s.end()
			got := l.tally()
			t.Logf("%d kills: %s", kills.Load(), got)
			if kills.Load() < 2 && runtime.GOOS == "linux" {
				t.Errorf("the server was killed %d times", kills.Load())
			}
			if most := int(kills.Load()) * callers; got.failed > most {
				t.Errorf("%d calls failed, want at most %d", got.failed, most)
			}
		})
	}
}

// killAtRandom kills the server twice, and with BEARERD_SOAK twice more. A third time within a minute were a crash loop.
func (h *home) killAtRandom(l *ledger, kills *atomic.Int64) {
	t := h.t.(*testing.T)
	last := time.Now()
	for n := range 2 + rotationGoal()/50 {
		if n >= 2 {
			time.Sleep(time.Until(last.Add(65 * time.Second)))
		}
		l.rotations(t, l.tally().tokens+1)
		time.Sleep(rand.N(1500 * time.Millisecond))
		if pid := h.oldest(); pid != 0 {
			kills.Add(1)
			kill(pid) // it may have ended meanwhile
			last = time.Now()
		}
	}
}

// A fresh process that cannot start leaves the session as it is: another is tried, and requests are held meanwhile, or
// refused with the reason when it takes long.
func TestRotationFreshProcessFails(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	l, _, grant := h.startLedger(shortLife)
	h.configure(server("s", modernServer(t, legacyWire, "PEER_CRASH", h.path("crash")), grant))
	c := h.goClient("s", legacyWire)
	c.who()
	failures := func() int { return strings.Count(c.stderr.String(), "no fresh process can take over") }
	halt := c.loop(modernCalls, 2, 10*time.Millisecond, l.note)
	h.write("crash", "")
	eventually(t, "a fresh process fails", func() bool { return failures() == 1 })
	_ = os.Remove(h.path("crash"))
	l.rotations(t, 2)
	if got := l.tally(); got.failed != 0 {
		t.Errorf("calls failed: %s", got)
	}
	halt()

	refused := 0
	h.write("crash", "")
	eventually(t, "the calls are refused", func() bool {
		if done := c.call(whoamiCall); done.Failed != "" {
			refused++
			if !strings.Contains(done.Failed, `"s"`) || !strings.Contains(done.Failed, "3") {
				t.Errorf("a call failed with %q, which does not name the server and its exit code", done.Failed)
			}
		}
		return refused > 0
	})
	if said := h.ok("status"); !strings.Contains(said, "s (bearerd exec, pid ") {
		t.Errorf("status says %q", said)
	}
	_ = os.Remove(h.path("crash"))
	eventually(t, "the session goes on", func() bool { return c.call(whoamiCall).Failed == "" })
	c.close()
}

// A server that starts so slowly that its token ends before it has answered initialize: the process that takes over is told
// what the client said.
func TestRotationDuringStart(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	_, _, grant := h.startLedger(6 * time.Second)
	command := everythingCommand(t)
	script := "[ -e " + h.path("started") + " ] || { touch " + h.path("started") + "; sleep 7; }; exec " + strings.Join(command, " ")
	h.configure(server("s", scripted(script), grant))
	c := h.goClient("s", legacyWire)
	if tools := c.tools(); !slices.Contains(tools, "trigger-sampling-request") {
		t.Errorf("a server that knows what the client can do offers more than %q", tools)
	}
	c.close(terminated)
}

// restart says what becomes of a server that ends by itself in mid-session.
func TestRestart(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		restart string // "" is not written
		status  int
		again   bool
	}{
		{"", 5, true}, {"", 0, false},
		{"on_failure", 5, true}, {"on_failure", 0, false},
		{"always", 0, true},
		{"never", 5, false},
	} {
		name, _ := json.Marshal([]any{tt.restart, tt.status})
		t.Run(string(name), func(t *testing.T) {
			t.Parallel()
			h := newHome(t)
			lines := []string{modernServer(t, legacyWire)}
			if tt.restart != "" {
				lines = append(lines, attribute("restart", tt.restart))
			}
			h.configure(server("s", lines...))
			c := h.goClient("s", legacyWire)
			first := c.who()
			done := c.call(template{"end", json.RawMessage(`{"status":` + string('0'+rune(tt.status)) + `}`)})
			if done.Failed == "" {
				t.Fatalf("the call that ended the server gave %+v", done)
			}
			if tt.again {
				if !strings.Contains(done.Failed, `"s"`) || !strings.Contains(done.Failed, "ended") {
					t.Errorf("the call that ended the server failed with %q", done.Failed)
				}
				if next := c.who(); next.PID == first.PID {
					t.Error("no other process")
				}
				c.close()
				return
			}
			var exit *exec.ExitError
			err := c.session.Close()
			if code := 0; errors.As(err, &exit) {
				if code = exit.ExitCode(); code != tt.status {
					t.Errorf("exit code %d, want %d", code, tt.status)
				}
			} else if tt.status != 0 || err != nil {
				t.Errorf("exec ended with %v, want exit code %d", err, tt.status)
			}
			h.nothingRuns()
		})
	}
}

const helloLine = `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"` + legacyWire +
	`","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}` + "\n"

// rpcError is a line with an error.
type rpcError struct {
	ID    any
	Error *struct {
		Code    int
		Message string
		Data    json.RawMessage
	}
}

// errorFor is the error that stdout holds for an id; nil: none.
func errorFor(t *testing.T, stdout string, id any) (found *rpcError) {
	t.Helper()
	for line := range strings.Lines(stdout) {
		var m rpcError
		if err := json.Unmarshal([]byte(line), &m); err != nil {
			t.Errorf("stdout has %q", line)
		}
		if m.Error != nil && m.ID == id {
			found = &m
		}
	}
	return found
}

// A server that ends again and again before it answers is named to the client that waits, and in status.
func TestCrashLoop(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	h.configure(server("s", `command = "sh"`, `args = ["-c", "exit 3"]`, `restart = "on_failure"`))
	d := h.daemon()
	r := h.start("exec", "s")
	if _, err := r.stdin.Write([]byte(helloLine)); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the client is told", func() bool { return errorFor(t, r.stdout.String(), 1.0) != nil })
	said := errorFor(t, r.stdout.String(), 1.0).Error
	t.Logf("%d %s %s", said.Code, said.Message, said.Data)
	for _, want := range []string{`"s"`, "3"} {
		if !strings.Contains(said.Message, want) {
			t.Errorf("the error %q lacks %s", said.Message, want)
		}
	}
	eventually(t, "status names the crash loop", func() bool { return strings.Contains(h.ok("status"), "ended") })
	t.Logf("status:\n%s\n%s", h.ok("status"), h.ok("status", "--json"))
	if asJSON := h.ok("status", "--json"); !strings.Contains(asJSON, "ended") && !strings.Contains(asJSON, "crash") {
		t.Errorf("status --json says %s", asJSON)
	}
	r.stdin.Close()
	r.wait()
	eventually(t, "status forgets what is no more", func() bool { return !strings.Contains(h.ok("status"), "ended") })
	d.stop()
}

// A server that cannot even start ends exec with its code, unless restart says otherwise.
func TestRestartNeverAnswered(t *testing.T) {
	t.Parallel()
	for _, restart := range []string{"", `restart = "never"`} {
		h := newHome(t)
		h.configure(server("s", `command = "sh"`, `args = ["-c", "read line; exit 3"]`, restart))
		r := h.feed(helloLine, "exec", "s")
		if r.code != 3 {
			t.Errorf("%s: exit code %d", restart, r.code)
		}
		errorFor(t, r.stdout, 1.0) // whatever stdout has is JSON
	}
}
