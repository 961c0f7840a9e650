package stdio

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// The grandchild ignores SIGTERM and holds the client's stdout open.
func TestNothingOfTheTreeSurvives(t *testing.T) {
	for mode, c := range map[string]struct {
		stop bool
		code int
	}{"leaver": {false, 5}, "parent": {true, 0}, "killed": {true, 137}} {
		s := server("")
		s.KillGrace = time.Millisecond
		if mode == "killed" {
			s.StopGrace = time.Millisecond
		}
		child := startChild(t, s, mode)
		pids := []int{child.PID(), child.ready(t)}
		if c.stop {
			child.ready(t)
			_ = child.in.Close()
			child.Stop(t.Context())
		}
		if code := child.Wait(); code != c.code {
			t.Errorf("%s: exit code %d, want %d", mode, code, c.code)
		}
		for _, pid := range pids {
			if alive(pid) {
				t.Errorf("%s: process %d is alive", mode, pid)
			}
		}
		if _, err := io.ReadAll(child.out); err != nil { // would block while the grandchild held it
			t.Errorf("%s: %v", mode, err)
		}
	}
}

// alive looks for the process in /proc; a zombie waits for its new parent only.
func alive(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err == nil && !strings.Contains(string(stat), ") Z ")
}

func TestTheChildLeadsItsOwnGroup(t *testing.T) {
	s := server(program(t, "child"))
	l, err := ByEnv(s, token, does("report"), nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := run(t, s, l, -1).PGID; got == syscall.Getpgrp() {
		t.Error("the child is in bearerd's group")
	}
}

func TestATerminalIsInherited(t *testing.T) {
	s := server(program(t, "child"))
	l, err := ByEnv(s, token, does("report"), nil)
	if err != nil {
		t.Fatal(err)
	}
	r, w := pipe(t)
	p, err := Start(s, l, Files{In: terminal(t), Out: w, Err: os.Stderr}, -1)
	if err != nil {
		t.Fatal(err)
	}
	if code := p.Wait(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	var got reported
	if err := json.NewDecoder(r).Decode(&got); err != nil {
		t.Fatal(err)
	}
	if got.PGID != syscall.Getpgrp() {
		t.Error("the child has left the terminal's foreground group")
	}
}

func terminal(t *testing.T) *os.File {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skip("needs a pseudo-terminal: ", err)
	}
	t.Cleanup(func() { _ = master.Close() })
	n, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	tty, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skip("needs a pseudo-terminal: ", err)
	}
	t.Cleanup(func() { _ = tty.Close() })
	return tty
}
