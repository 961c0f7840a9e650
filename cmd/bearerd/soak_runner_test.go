package main_test

import (
	"context"
	"io"
	"sync"
	"syscall"
	"time"

	"bearerd/secrets/sealed"
)

// runner is one process of a race: `bearerd run` or `bearerd exec`. It is killed and stopped, and goes on.
type runner struct {
	race   *race
	h      *home
	name   string
	args   []string
	folder string      // its state folder
	valid  func() bool // whether it has a valid token to give

	mu      sync.Mutex
	p       *running
	trail   *trail // of p
	away    bool   // dead or stopped
	turns   int    // counts departures and returns
	ended   int    // how often it ended by itself
	since   time.Time
	lastOK  time.Time
	longest time.Duration // without a valid token, while it ran
	when    time.Time     // the end of longest
}

// start starts the process; away is true before and after.
func (c *runner) start() {
	l := &trail{last: time.Now()}
	r := &running{t: c.h.t, stdout: &buffer{}, stderr: &buffer{}, done: make(chan struct{})}
	r.cmd = c.h.command(context.Background(), c.args...)
	l.passed = func(s step) { c.race.passed(c, r, s) }
	r.cmd.Stdout, r.cmd.Stderr = r.stdout, io.MultiWriter(&c.h.said, r.stderr, l)
	var err error
	if r.stdin, err = r.cmd.StdinPipe(); err == nil {
		err = r.cmd.Start()
	}
	if err != nil {
		c.h.t.Errorf("%s: %v", c.name, err)
		close(r.done)
		return
	}
	go func() {
		defer close(r.done)
		_ = r.cmd.Wait() // wait reads the exit code
	}()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.p, c.trail = r, l
}

// leave takes the process out of the race, if nobody else has.
func (c *runner) leave() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.away {
		return false
	}
	c.away = true
	c.turns++
	return true
}

func (c *runner) back() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.away = false
	c.turns++
	c.since = time.Now()
	c.lastOK = c.since
}

func (c *runner) process() (*running, *trail) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.p, c.trail
}

// watch measures how long the process goes without a valid token, and starts it again where it ended by itself, as an
// MCP client or systemd does.
func (c *runner) watch(ctx context.Context) {
	const every = 200 * time.Millisecond
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		c.mu.Lock()
		turns, away, p := c.turns, c.away, c.p
		c.mu.Unlock()
		if away {
			continue
		}
		select {
		case <-p.done:
			c.revive(ctx)
		default:
			c.note(turns, c.valid())
		}
	}
}

func (c *runner) revive(ctx context.Context) {
	if !c.leave() {
		return
	}
	p, _ := c.process()
	c.h.t.Logf("%s ended by itself: %s", c.name, p.stderr)
	select {
	case <-time.After(2 * time.Second):
	case <-ctx.Done():
		return
	}
	c.start()
	c.mu.Lock()
	c.ended++
	c.mu.Unlock()
	c.back()
}

// note keeps what a look has shown, unless the process left or returned meanwhile.
func (c *runner) note(turns int, ok bool) {
	now, fair := time.Now(), c.race.fairSince()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.turns != turns {
		return
	}
	from := c.lastOK
	for _, t := range []time.Time{c.since, fair} {
		if t.After(from) {
			from = t
		}
	}
	if gap := now.Sub(from); gap > c.longest {
		if limit := raceLease + raceSlack; c.longest <= limit && gap > limit {
			c.h.t.Logf("%s %s runs without a valid token for %s", now.Format(time.TimeOnly), c.name, gap.Round(time.Second))
		}
		c.longest, c.when = gap, now
	}
	if ok {
		c.lastOK = now
	}
}

// validSince reports whether the process was seen with a valid token after at; one that is away counts as such.
func (c *runner) validSince(at time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.away || c.lastOK.After(at)
}

// journal is the local copy of the record in the state folder; empty where there is none.
func (c *runner) journal(ctx context.Context) (r raceRecord) {
	s, err := sealed.Open(c.folder, nil, nil)
	if err != nil {
		return r
	}
	b, _, err := s.Get(ctx, "copy/"+raceServer)
	if err != nil {
		return r
	}
	return decodeRecord(c.h.t, b)
}

// place is what a lease of this process is marked with.
func (c *runner) place() string {
	s, err := sealed.Open(c.folder, nil, nil)
	if err != nil {
		return ""
	}
	return s.Place()
}

// end stops the process in order, wherever it is.
func (c *runner) end() {
	p, _ := c.process()
	if p == nil {
		return
	}
	p.signal(sigCont)
	p.signal(syscall.SIGTERM)
	select {
	case <-p.done:
	case <-time.After(20 * time.Second):
		c.h.t.Errorf("%s did not end after SIGTERM", c.name)
		p.signal(syscall.SIGKILL)
		<-p.done
	}
}
