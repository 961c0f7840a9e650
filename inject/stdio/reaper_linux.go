package stdio

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const reapPause = 100 * time.Millisecond // at least, between two looks at all processes

// identity tells a process from a later one with the same number.
type identity struct {
	pid     int
	started uint64
}

// remains are the processes that a child was found to have left behind.
type remains map[identity]bool

// adopt makes bearerd the parent of every orphan below it, so that what has left its group and session is found as well.
func adopt() { _ = unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) } // no older kernel than 3.4 refuses

// waitExit returns when the child has exited, and leaves it unreaped: until then its number can be no other's.
func waitExit(cmd *exec.Cmd) {
	for {
		err := unix.Waitid(unix.P_PID, cmd.Process.Pid, nil, unix.WEXITED|unix.WNOWAIT, nil)
		if err != unix.EINTR {
			return
		}
	}
}

func reap(cmd *exec.Cmd) { _ = cmd.Wait() }

// Reap reaps the orphans that end below bearerd, until ctx is done: those of the children that Start has started, and, as
// process 1 of a container, those of everybody. A child of Start is left to its own Wait.
func Reap(ctx context.Context) {
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, syscall.SIGCHLD)
	defer signal.Stop(ended)
	for ctx.Err() == nil {
		ours.reapOrphans()
		await(ctx, ended)
		await(ctx, time.After(reapPause))
	}
}

func await[T any](ctx context.Context, event <-chan T) {
	select {
	case <-event:
	case <-ctx.Done():
	}
}

func (f *family) reapOrphans() {
	f.mu.Lock()
	defer f.mu.Unlock()
	list, _ := processes()
	f.bury(list)
}

// bury reaps bearerd's zombies that nobody waits for. The caller holds the lock.
func (f *family) bury(list []process) {
	for _, p := range list {
		if p.dead && f.orphan(p) {
			_, _ = unix.Wait4(p.pid, nil, unix.WNOHANG, nil) // never -1: that would take a child's status from its Wait
		}
	}
}

func (f *family) orphan(p process) bool { return p.parent == os.Getpid() && f.children[p.pid] == nil }

// left sends sig, unless it is 0, to what the child has left behind, reports whether there was something and adds it to known.
// When /proc cannot be read, it is better to think that the group has members: kill(2) cannot tell, as its zombie is one.
func (f *family) left(p *Process, known remains, sig syscall.Signal) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	list, err := processes()
	f.bury(list)
	found := f.find(p, list, known)
	if sig != 0 && p.ownGroup {
		_ = syscall.Kill(-p.PID(), sig) // all at once, so that none can fork in between
	}
	for _, q := range found {
		known[q.identity] = true
		if sig != 0 && !p.leads(q) {
			_ = syscall.Kill(q.pid, sig)
		}
	}
	return len(found) > 0 || err != nil && p.ownGroup
}

func (p *Process) leads(q process) bool { return p.ownGroup && q.group == p.PID() && q.pid != p.PID() }

// find picks the living of the child's group, the orphans that bearerd has got from it, and all that are below these. Whose an
// orphan is cannot be seen. So while other children run, it is one that started before the oldest of them; the last child to
// end takes the rest along.
func (f *family) find(p *Process, list []process, known remains) map[int]process {
	limit := f.oldestRunning()
	found := map[int]process{}
	for more := true; more; {
		more = false
		for _, q := range list {
			_, below := found[q.parent]
			_, again := found[q.pid]
			if again || q.dead {
				continue
			}
			if below || known[q.identity] || p.leads(q) || f.orphan(q) && q.started < limit {
				found[q.pid], more = q, true
			}
		}
	}
	return found
}

// oldestRunning is when the oldest child started that has not ended.
func (f *family) oldestRunning() uint64 {
	oldest := uint64(math.MaxUint64)
	for _, m := range f.children {
		if !m.ended {
			oldest = min(oldest, m.started)
		}
	}
	return oldest
}

// process is what proc(5) says of one.
type process struct {
	identity
	parent, group int
	dead          bool // a zombie, or gone
}

func processes() ([]process, error) {
	proc, err := os.Open("/proc")
	if err != nil {
		return nil, err
	}
	defer func() { _ = proc.Close() }()
	names, err := proc.Readdirnames(-1)
	if err != nil {
		return nil, err
	}
	var list []process
	for _, name := range names {
		if pid, err := strconv.Atoi(name); err == nil {
			if p, ok := lookAt(pid); ok {
				list = append(list, p)
			}
		}
	}
	return list, nil
}

// lookAt reads "pid (name) state ppid pgrp …", where the name may hold anything. A process whose first thread has ended is
// called a zombie there although others run.
func lookAt(pid int) (p process, ok bool) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return p, false
	}
	const state, parent, group, threads, started = 0, 1, 2, 17, 19
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	if len(fields) <= started {
		return p, false
	}
	number := func(at int) int { n, _ := strconv.Atoi(string(fields[at])); return n }
	p.pid, p.parent, p.group = pid, number(parent), number(group)
	p.started = uint64(number(started))
	p.dead = bytes.ContainsAny(fields[state], "ZXx") && number(threads) <= 1
	return p, true
}

func startTime(pid int) uint64 {
	p, _ := lookAt(pid)
	return p.started
}
