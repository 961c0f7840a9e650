package main_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

var whoamiCall = calling("whoami", `{}`)

// who is what whoami answers.
type who struct {
	Token    string `json:"token"`
	PID      int    `json:"pid"`
	Greeting string `json:"greeting"`
}

func (c *goClient) who() (w who) {
	c.t.Helper()
	if err := json.Unmarshal([]byte(c.text(whoamiCall)), &w); err != nil {
		c.t.Fatal(err)
	}
	return w
}

// peerProcesses are the processes of modern-stdio.mjs in this home.
func (h *home) peerProcesses() (pids []int) {
	for pid, argv := range h.processes() {
		if strings.HasPrefix(argv, "node ") && strings.Contains(argv, "modern-stdio.mjs") {
			pids = append(pids, pid)
		}
	}
	return pids
}

// With none the child has the client's own pipes, and keeps its token.
func TestRotationNone(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	l, _, grant := h.startLedger(shortLife)
	h.configure(server("s", modernServer(t, legacyWire), `on_rotate = "none"`, grant))
	c := h.goClient("s", legacyWire)
	before := c.who()
	for fd := range 2 {
		name := "/fd/" + strconv.Itoa(fd)
		parent, err1 := os.Readlink("/proc/" + strconv.Itoa(h.execOf(before.PID)) + name)
		child, err2 := os.Readlink("/proc/" + strconv.Itoa(before.PID) + name)
		if err1 != nil || err2 != nil || parent != child {
			t.Errorf("exec has %s, the child %s (%v, %v)", parent, child, err1, err2)
		}
	}
	time.Sleep(2 * l.life)
	if after := c.who(); after.PID != before.PID || after.Token != before.Token {
		t.Error("another process, or another token")
	}
	c.close()
}

// execOf is the parent of a process, which must be bearerd.
func (h *home) execOf(pid int) int {
	h.t.Helper()
	if runtime.GOOS != "linux" {
		h.t.Skip("only Linux has /proc")
	}
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		h.t.Fatal(err)
	}
	_, after, _ := strings.Cut(string(stat), ") ")
	parent, _ := strconv.Atoi(strings.Fields(after)[1])
	if exe, _ := os.Readlink("/proc/" + strconv.Itoa(parent) + "/exe"); filepath.Base(exe) != "bearerd" {
		h.t.Fatalf("process %d was started by %s", pid, exe)
	}
	return parent
}

// With signal the same process reads its token again, in time.
func TestRotationSignal(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	l, _, grant := h.startLedger(2 * shortLife) // a signal that comes before Node has started ends it
	h.configure(server("s", modernServer(t, legacyWire, "PEER_TOKEN_FILE", h.path("token")),
		`on_rotate = "signal"`, `token_file = "token"`, grant))
	c := h.goClient("s", legacyWire)
	halt := c.loop(modernCalls, 2, 10*time.Millisecond, l.note)
	l.rotations(t, 3)
	halt()
	c.close()
	if got := l.tally(); got.pids != 1 {
		t.Errorf("%d processes: %s", got.pids, got)
	}
	if _, err := os.Stat(h.path("token")); err == nil {
		t.Error("the token file is left behind")
	}
}

// With restart no two processes run at once. A client of the stateless wire notices nothing.
func TestRotationRestart(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	l, _, grant := h.startLedger(shortLife)
	h.configure(server("s", modernServer(t, modernWire), `on_rotate = "restart"`, grant))
	c := h.goClient("s", modernWire)
	halt := c.loop(modernCalls, 1, 50*time.Millisecond, l.note)
	done := make(chan struct{})
	go func() {
		defer close(done)
		l.rotations(t, 4)
	}()
	for running := true; running; time.Sleep(5 * time.Millisecond) {
		if pids := h.peerProcesses(); len(pids) > 1 {
			t.Fatalf("processes %v run at once", pids)
		}
		select {
		case <-done:
			running = false
		default:
		}
	}
	halt()
	c.close()
	if got := l.tally(); got.pids < 5 || got.pids > 7 {
		t.Errorf("%d processes: %s", got.pids, got)
	}
}

// A call that outlives its token by far does not hold up the others. It fails 2 s after the end, or is waited for.
func TestRotationBusy(t *testing.T) {
	t.Parallel()
	for _, busy := range []string{"error", "wait"} {
		t.Run(busy, func(t *testing.T) {
			t.Parallel()
			h := newHome(t)
			l, _, grant := h.startLedger(shortLife)
			lines := []string{modernServer(t, legacyWire), grant}
			if busy != "error" { // which is the default
				lines = append(lines, attribute("on_rotate_busy", busy))
			}
			h.configure(server("s", lines...))
			c := h.goClient("s", legacyWire)
			slow := make(chan called, 1)
			go func() { slow <- c.call(calling("count", `{"n":16,"pause":500}`)) }()
			halt := c.loop(modernCalls, 1, 10*time.Millisecond, l.note)
			l.rotations(t, 3)
			done := <-slow
			took := done.to().Sub(done.from())
			t.Logf("the slow call: %s, %s%s", took, done.Failed, done.Text)
			if busy == "wait" && (done.Failed != "" || done.Text != "counted 16" || done.Progress != 16) {
				t.Errorf("the slow call ended with %+v", done)
			}
			if busy == "error" {
				if !strings.Contains(done.Failed, "safe") || !strings.Contains(done.Failed, `"s"`) {
					t.Errorf("the slow call failed with %q, which does not name the server or say that sending it again is safe", done.Failed)
				}
				if took < l.life+time.Second || took > l.life+5*time.Second {
					t.Errorf("the slow call failed after %s", took)
				}
			}
			halt()
			c.close()
		})
	}
}

// A new value in the environment, and an edit of the server's block, reach the server in the same session.
func TestRotationOnEdit(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	with := func(variables ...string) {
		h.configure(server("s", modernServer(t, legacyWire, variables...)))
	}
	with("PEER_GREETING", "one")
	c := h.goClient("s", legacyWire)
	if tools := c.tools(); slices.Contains(tools, "another") { // what it has not seen cannot change for the client
		t.Fatalf("the first process lists %q", tools)
	}
	first := c.who()
	if first.Greeting != "one" {
		t.Fatalf("the first process: %+v", first)
	}
	with("PEER_GREETING", "two")
	eventually(t, "another process has the new value", func() bool { w := c.who(); return w.Greeting == "two" && w.PID != first.PID })
	if n := c.changes("tools"); n != 0 {
		t.Errorf("the client was told %d times of other tools", n)
	}
	with("PEER_GREETING", "two", "PEER_TOOL", "another")
	eventually(t, "the client is told of another tool", func() bool { return c.changes("tools") > 0 })
	if tools := c.tools(); !slices.Contains(tools, "another") {
		t.Errorf("the client was told of other tools and lists %q", tools)
	}
	if got := c.text(calling("another", `{}`)); got != "another" {
		t.Errorf("the new tool says %q", got)
	}
	if n := c.changes("prompts") + c.changes("resources"); n != 0 {
		t.Errorf("the client was told %d times of other prompts or resources", n)
	}
	c.close()
}

// A new value of a secret reaches the server in the same session, whatever the token does.
func TestRotationOnNewSecret(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	_, _, grant := h.startLedger(time.Hour)
	h.write("greeting", "canary-greeting-one\n")
	h.private("canary-greeting-one", "canary-greeting-two")
	h.configure(greeter(t, `file("greeting")`, grant))
	c := h.goClient("s", legacyWire)
	first := c.who()
	h.write("greeting", "canary-greeting-two\n")
	c.greeted(first, "canary-greeting-two")
	c.close()
}

// The same with a value in Vault, which is looked at every minute.
func TestRotationOnNewVaultValue(t *testing.T) {
	t.Parallel()
	v := startVaulted(t)
	v.private("canary-greeting-one", "canary-greeting-two")
	v.put("mcp/greeting", map[string]any{"text": "canary-greeting-one"})
	v.configure(v.block, greeter(t, `vault("mcp/greeting", "text")`, v.grantInVault()))
	c := v.goClient("s", legacyWire)
	first := c.who()
	v.private(first.Token)
	v.put("mcp/greeting", map[string]any{"text": "canary-greeting-two"})
	c.greeted(first, "canary-greeting-two")
	c.close()
}

// greeter is a server whose greeting is a reference.
func greeter(t testing.TB, greeting, grant string) string {
	env := `env = { PEER_WIRE = "` + legacyWire + `", PEER_GREETING = ` + greeting + ` }`
	return server("s", `command = "node"`, attribute("args", []string{peersDir(t) + "/modern-stdio.mjs"}), env, grant)
}

// greeted waits until another process with the same token has the new greeting.
func (c *goClient) greeted(first who, greeting string) {
	c.t.Helper()
	now := first
	for deadline := time.Now().Add(90 * time.Second); now.Greeting == first.Greeting; time.Sleep(100 * time.Millisecond) {
		if now = c.who(); time.Now().After(deadline) {
			c.t.Fatal("the server keeps the old value")
		}
	}
	if now.Greeting != greeting {
		c.t.Error("the server has neither the old value nor the new one")
	}
	if now.PID == first.PID || now.Token != first.Token {
		c.t.Errorf("another process: %t; another token: %t", now.PID != first.PID, now.Token != first.Token)
	}
}
