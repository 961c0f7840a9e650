package stdio

import (
	"context"
	"syscall"
	"time"
)

// MCP clients close stdin, wait 2 s, send SIGTERM, wait 2 s and send SIGKILL, which would leave the child and its token
// behind. So once the context of Stop is done the graces are these at most, 1.5 s together.
const (
	hurriedStop  = 500 * time.Millisecond
	hurriedKill  = time.Second
	hurriedDrain = 100 * time.Millisecond
)

const (
	survivorGrace = time.Second            // between SIGTERM and SIGKILL for what a child has left behind
	vanishing     = time.Second            // what the kernel is given to carry out a SIGKILL
	lookAgain     = 10 * time.Millisecond  // how often it is looked whether all has gone
	drain         = 500 * time.Millisecond // for the end of stderr, and again for a client that does not read it
)

// Stop ends the child, whose stdin the caller has closed: it waits stop_grace, sends SIGTERM to the group, waits kill_grace and
// sends SIGKILL to the group. Once ctx is done SIGKILL follows within 1.5 s, whatever the graces, and holds for all that the child
// has left behind. It returns when the child has exited; Wait is to be called in any case. Any number of callers may stop
// a child at once, and the one in the greatest hurry prevails.
func (p *Process) Stop(ctx context.Context) {
	if p.exitsWithin(ctx, p.stopGrace, hurriedStop) {
		return
	}
	p.terminate()
	if !p.exitsWithin(ctx, p.killGrace, hurriedKill) {
		p.Signal(syscall.SIGKILL)
		<-p.exited
	}
}

// exitsWithin waits for grace; once ctx is done for hurried at most.
func (p *Process) exitsWithin(ctx context.Context, grace, hurried time.Duration) bool {
	timer := time.NewTimer(grace)
	defer timer.Stop()
	if ctx.Err() == nil {
		select {
		case <-p.exited:
			return true
		case <-timer.C:
			return false
		case <-ctx.Done():
		}
	}
	p.hurry()
	hurry := time.NewTimer(hurried)
	defer hurry.Stop()
	select {
	case <-p.exited:
		return true
	case <-timer.C:
	case <-hurry.C:
	}
	return false
}

// hurry notes the time at which nothing may be left.
func (p *Process) hurry() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.killAt.IsZero() {
		p.killAt = time.Now().Add(hurriedStop + hurriedKill)
	}
}

func (p *Process) terminate() {
	p.mu.Lock()
	again := p.terminated
	p.terminated = true
	p.mu.Unlock()
	if !again {
		p.Signal(syscall.SIGTERM)
	}
}

// Wait returns when the child has exited, nothing of its tree is left and its stderr was passed on: the exit code, or 128+n
// when signal n ended it. It is to be called once, and may be called while Stop runs. What the child leaves behind gets SIGTERM,
// and SIGKILL a second later. A process that is out of reach and holds stderr open, or a client that does not read
// bearerd's, cannot hold it up for more than a second.
func (p *Process) Wait() int {
	<-p.exited
	p.endTree()
	p.drained()
	return p.reap()
}

// endTree ends what the child has left behind. The child is not reaped yet, so the number of its group is still its own.
func (p *Process) endTree() {
	ours.ends(p.PID())
	known := remains{}
	if !ours.left(p, known, syscall.SIGTERM) || p.gone(known, 0, survivorGrace) {
		return
	}
	ours.left(p, known, syscall.SIGKILL)
	p.gone(known, syscall.SIGKILL, vanishing)
}

// gone waits until nothing is left, but not longer than grace, nor, before SIGKILL, than whoever is in a hurry has time. sig is
// sent whenever it looks, 0 for none.
func (p *Process) gone(known remains, sig syscall.Signal, grace time.Duration) bool {
	deadline := time.Now().Add(grace)
	poll := time.NewTicker(lookAgain)
	defer poll.Stop()
	for ours.left(p, known, sig) {
		if now := <-poll.C; now.After(deadline) || sig == 0 && p.late(now) {
			return false
		}
	}
	return true
}

func (p *Process) late(now time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return !p.killAt.IsZero() && now.After(p.killAt)
}

// drained waits until stderr has been passed on. A process that is out of reach may hold it open: then it is closed. A client
// that does not read bearerd's stderr may hold up its last lines: then they are left to the goroutine that is writing them.
func (p *Process) drained() {
	patience := drain
	p.mu.Lock()
	if !p.killAt.IsZero() {
		patience = hurriedDrain
	}
	p.mu.Unlock()
	if !within(patience, p.stderr.done) {
		_ = p.stderr.from.Close()
		within(patience, p.stderr.done)
	}
}

func within(d time.Duration, done <-chan struct{}) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-done:
		return true
	case <-timer.C:
		return false
	}
}

func (p *Process) reap() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.reaped = true
	ours.reap(p.cmd)
	if status, ok := p.cmd.ProcessState.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return 128 + int(status.Signal())
	}
	return p.cmd.ProcessState.ExitCode()
}
