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
	next time.Duration
	ends int // in a row
}

// ended notes that a process has ended by itself.
func (p *pauses) ended(code int, uptime time.Duration) Trouble {
	if uptime >= steady {
		p.reset()
	}
	p.ends++
	t := Trouble{State: "restarting", Ended: p.ends, Next: p.later()}
	if p.ends >= loopOf {
		t.State = "crash_loop"
	}
	t.Reason = fmt.Sprintf("it has ended %d times in a row, the last time with exit code %d", p.ends, code)
	if p.ends == 1 {
		t.Reason = fmt.Sprintf("it has ended with exit code %d", code)
	}
	t.Reason += ": its stderr says more"
	return t
}

// failed notes that no process could be started.
func (p *pauses) failed(err error) Trouble {
	return Trouble{State: "not_started", Reason: err.Error(), Ended: p.ends, Next: p.later()}
}

func (p *pauses) reset() { *p = pauses{} }

// later is when the next attempt is due: from one second to one minute from now, doubling, give or take a fifth.
func (p *pauses) later() time.Time {
	p.next = min(max(2*p.next, firstPause), mostPause)
	return time.Now().Add(p.next - p.next/5 + rand.N(2*p.next/5))
}

// pause waits until t, or until sooner has a value; false: ctx is done.
func pause(ctx context.Context, t time.Time, sooner <-chan struct{}) bool {
	timer := time.NewTimer(time.Until(t))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-sooner:
	case <-ctx.Done():
		return false
	}
	return ctx.Err() == nil
}
