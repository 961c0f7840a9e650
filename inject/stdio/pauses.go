package stdio

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"
)

const (
	firstPause = time.Second
	mostPause  = time.Minute
	steady     = time.Minute // of uptime: what came before counts no more
	loopOf     = 3           // ends in a row that are a crash loop
)

// pauses are those between the attempts to have a process that serves.
type pauses struct {
	next  time.Duration
	ends  int       // processes that have ended by themselves, in a row
	fails int       // attempts that brought no process, in a row
	up    time.Time // since when there has been a process; zero: there is none
}

// serves notes that there is a process, be it one that has taken the place of another.
func (p *pauses) serves() {
	p.fails = 0
	if p.up.IsZero() {
		p.up = time.Now()
	}
	if p.ends == 0 {
		p.next = 0
	}
}

// ended notes that a process has ended by itself.
func (p *pauses) ended(code int) Trouble {
	if !p.up.IsZero() && time.Since(p.up) >= steady {
		*p = pauses{}
	}
	p.up = time.Time{}
	p.ends++
	t := Trouble{State: "restarting", Ended: p.ends, Next: p.later(), held: true}
	if p.ends >= loopOf {
		t.State, t.held = "crash_loop", false
	}
	t.Reason = fmt.Sprintf("it has ended %d times in a row, the last time with exit code %d", p.ends, code)
	if p.ends == 1 {
		t.Reason = fmt.Sprintf("it has ended with exit code %d", code)
	}
	t.Reason += ": its stderr says more"
	return t
}

// failed notes that no process could be started: for want of a token, or because it cannot take over.
func (p *pauses) failed(err error, noToken bool) Trouble {
	p.fails++
	t := Trouble{State: "not_started", Reason: err.Error(), Ended: p.ends, Next: p.later(), held: p.fails+p.ends < loopOf}
	if noToken {
		t.State, t.held = "no_token", false
	}
	return t
}

func (p *pauses) reset() { *p = pauses{up: p.up} }

// later is when the next attempt is due: from one second to one minute from now, doubling, give or take a fifth.
func (p *pauses) later() time.Time {
	p.next = min(max(2*p.next, firstPause), mostPause)
	return time.Now().Add(p.next - p.next/5 + rand.N(2*p.next/5))
}

// pause waits until t, or until one of sooner has a value or is closed; false: ctx is done.
func pause(ctx context.Context, t time.Time, sooner, orSooner <-chan struct{}) bool {
	timer := time.NewTimer(time.Until(t))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-sooner:
	case <-orSooner:
	case <-ctx.Done():
		return false
	}
	return ctx.Err() == nil
}
