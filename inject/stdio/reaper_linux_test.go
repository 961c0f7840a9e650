package stdio

import (
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"bearerd/config"
	"bearerd/secrets"
)

// startMarked starts a child that can be found by its environment, and all that it leaves.
func startMarked(t *testing.T, s *config.Server, mode, mark string) *client {
	t.Helper()
	s.Command = program(t, "child")
	declared := does(mode)
	declared["MARK"] = secrets.New(mark)
	l, err := ByEnv(s, token, declared, nil)
	if err != nil {
		t.Fatal(err)
	}
	return start(t, s, l, -1)
}

// nothingLeft looks for processes with the mark, and for zombies that nobody waits for.
func nothingLeft(t *testing.T, mark string) {
	t.Helper()
	list, err := processes()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range list {
		env, _ := os.ReadFile(fmt.Sprintf("/proc/%d/environ", p.pid))
		if strings.Contains(string(env), mark) {
			t.Errorf("process %d is left", p.pid)
			_ = syscall.Kill(p.pid, syscall.SIGKILL)
		}
		if p.dead && p.parent == os.Getpid() {
			t.Errorf("zombie %d is left", p.pid)
		}
	}
}

// Each has forked twice and made a session of its own; it ignores SIGTERM and holds stdout open.
func TestDaemonsAreEnded(t *testing.T) {
	for mode, want := range map[string]int{"daemon": 5, "with daemon": 0} {
		mark := rand.Text()
		c := startMarked(t, server(""), mode, mark)
		daemon := c.ready(t)
		if sid, err := unix.Getsid(daemon); err != nil || sid == c.PID() {
			t.Errorf("%s: session %d, %v", mode, sid, err)
		}
		_ = c.in.Close()
		if code := c.Wait(); code != want {
			t.Errorf("%s: exit code %d, want %d", mode, code, want)
		}
		nothingLeft(t, mark)
	}
}

func TestAHurriedStopHurriesTheEndOfDaemons(t *testing.T) {
	mark := rand.Text()
	s := server("")
	c := startMarked(t, s, "with daemon", mark)
	c.ready(t)
	_ = c.in.Close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	c.Stop(ctx)
	c.mu.Lock()
	c.killAt = time.Now() // as if the child had used up the time
	c.mu.Unlock()
	before := time.Now()
	c.Wait()
	if took := time.Since(before); took > survivorGrace {
		t.Errorf("it took %s", took)
	}
	nothingLeft(t, mark)
}

// nextTick returns when whatever starts is younger than the process, to the kernel's clock.
func nextTick(t *testing.T, pid int) {
	t.Helper()
	for started := startTime(pid); ; runtime.Gosched() {
		var now unix.Timespec
		if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &now); err != nil {
			t.Fatal(err)
		}
		if uint64(now.Nano())/uint64(10*time.Millisecond) > started {
			return
		}
	}
}

// As at an exchange: the first child's daemon ends with it, the second one's lives on.
func TestDaemonsOfAnotherChildAreSpared(t *testing.T) {
	old, young := rand.Text(), rand.Text()
	a := startMarked(t, server(""), "with daemon", old)
	first := a.ready(t)
	a.ready(t)
	nextTick(t, first)
	b := startMarked(t, server(""), "with daemon", young)
	second := b.ready(t)
	b.ready(t)
	_ = a.in.Close()
	if code := a.Wait(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	nothingLeft(t, old)
	if !alive(second) || !alive(b.PID()) {
		t.Error("the second child's daemon was ended with the first child")
	}
	_ = b.in.Close()
	if code := b.Wait(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	nothingLeft(t, young)
}

// A member of the child's group is the child's, even if it is younger than another child.
func TestTheGroupIsEndedWhileAnotherChildRuns(t *testing.T) {
	mark := rand.Text()
	other := startChild(t, server(""), "polite")
	other.ready(t)
	nextTick(t, other.PID())
	c := startMarked(t, server(""), "leaver", mark)
	c.ready(t)
	if code := c.Wait(); code != 5 {
		t.Errorf("exit code %d", code)
	}
	list, err := processes()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range list {
		if p.group == c.PID() {
			t.Errorf("process %d is left", p.pid)
			_ = syscall.Kill(p.pid, syscall.SIGKILL)
		}
	}
	_ = other.in.Close()
	if code := other.Wait(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	nothingLeft(t, mark)
}

// Whoever is the last to look must not take the other for running.
func TestChildrenThatEndTogetherLeaveNothing(t *testing.T) {
	mark := rand.Text()
	var list []*client
	for range 4 {
		c := startMarked(t, server(""), "with daemon", mark)
		c.ready(t)
		list = append(list, c)
	}
	var ends sync.WaitGroup
	for _, c := range list {
		ends.Go(func() {
			_ = c.in.Close()
			if code := c.Wait(); code != 0 {
				t.Errorf("exit code %d", code)
			}
		})
	}
	ends.Wait()
	nothingLeft(t, mark)
}

// An orphan is reaped while the child that has left it runs on, and the child's own status is not lost.
func TestReap(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	var reaper sync.WaitGroup
	reaper.Go(func() { Reap(ctx) })
	defer reaper.Wait()
	defer cancel()
	mark := rand.Text()
	var list []*client
	for range 5 {
		c := startMarked(t, server(""), "with zombie", mark)
		c.ready(t)
		list = append(list, c)
	}
	quick := startChild(t, server(""), "exit 7") // a zombie, too, but with somebody who waits for it
	<-quick.Exited()
	for deadline := time.Now().Add(10 * time.Second); orphans(t) > 0; runtime.Gosched() {
		if time.Now().After(deadline) {
			t.Fatalf("%d orphans are not reaped", orphans(t))
		}
	}
	if code := quick.Wait(); code != 7 {
		t.Errorf("exit code %d", code)
	}
	for _, c := range list {
		_ = c.in.Close()
		if code := c.Wait(); code != 6 {
			t.Errorf("exit code %d", code)
		}
	}
	nothingLeft(t, mark)
}

func orphans(t *testing.T) (n int) {
	t.Helper()
	list, err := processes()
	if err != nil {
		t.Fatal(err)
	}
	ours.mu.Lock()
	defer ours.mu.Unlock()
	for _, p := range list {
		if ours.orphan(p) {
			n++
		}
	}
	return n
}

// The name of a process may hold what looks like the fields behind it.
func TestLookAtANameWithBrackets(t *testing.T) {
	s := server(program(t, "a) Z 1 1 (b"))
	c := startChild(t, s, "polite")
	c.ready(t)
	p, ok := lookAt(c.PID())
	if !ok || p.dead || p.parent != os.Getpid() || p.group != c.PID() || p.started == 0 {
		t.Errorf("got %+v", p)
	}
	_ = c.in.Close()
	c.Wait()
}
