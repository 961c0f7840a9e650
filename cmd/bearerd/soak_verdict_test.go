package main_test

import (
	"context"
	"fmt"
	"slices"
	"syscall"
	"time"
)

// phase is where an interruption met a process.
type phase string

const (
	free      phase = "free"      // it spent nothing
	leased    phase = "leased"    // it may have held the lease, and had sent nothing
	sent      phase = "sent"      // between send and journal
	journaled phase = "journaled" // the answer was in the journal, and not in the record
)

// interruption is a kill or a stop.
type interruption struct {
	order
	who         string
	phase       phase
	correlation string // of the request on its way
	at          time.Time
	lasted      time.Duration // 0: it lasts
}

// excuses reports whether the grant had to die of it. won and lost are the newest request that the provider answered with
// a token and the newest that it refused. A kill after the journal is no excuse, and neither is one before the request.
func (i *interruption) excuses(won, lost string) bool {
	mine := i.correlation != "" && (i.correlation == won || i.correlation == lost)
	beyond := i.lasted == 0 && time.Since(i.at) > raceLease-raceSlack || i.lasted > raceLease-raceSlack
	return mine && (i.phase == sent || i.phase == journaled && !i.kill && beyond)
}

func (i *interruption) String() string {
	what := "stop"
	if i.kill {
		what = "kill"
	}
	return fmt.Sprintf("%s of %s, %s, %s ago for %s", what, i.who, i.phase, time.Since(i.at).Round(time.Second), i.pause.Round(time.Second))
}

// freeze stops a process: it is as good as dead, and can be looked at.
func freeze(p *running) { _ = p.cmd.Process.Signal(sigStop) }

// interrupt kills or stops a process that has left the race, and lets it return after a pause.
func (r *race) interrupt(ctx context.Context, c *runner, o *order) {
	p, l := c.process()
	freeze(p)
	l.drained()
	i := r.look(ctx, c, o)
	r.mu.Lock()
	r.interruptions = append(r.interruptions, i)
	if i.phase != free {
		r.held = time.Now()
	}
	r.mu.Unlock()
	if i.phase != free || o.pause > 50*time.Second {
		r.t.Log(time.Now().Format(time.TimeOnly), i)
	}
	if o.kill {
		p.signal(syscall.SIGKILL)
		<-p.done
	}
	select {
	case <-time.After(o.pause):
	case <-ctx.Done():
	}
	r.mu.Lock()
	i.lasted = time.Since(i.at)
	r.mu.Unlock()
	if o.kill {
		c.start()
	} else {
		p.signal(sigCont)
	}
	c.back()
}

// look tells in which phase a stopped process is.
func (r *race) look(ctx context.Context, c *runner, o *order) *interruption {
	i := &interruption{order: *o, who: c.name, phase: free, at: time.Now()}
	_, l := c.process()
	progress, id := l.now()
	won, _ := r.newest()
	record, journal := r.record(), c.journal(ctx)
	switch {
	case progress == asking:
		i.phase = sent
	case progress == answered && id == won && record.Correlation != id:
		i.phase = sent
		if journal.Pending && journal.Correlation == id {
			i.phase = journaled
		}
	case r.shared && record.Lease != nil && record.Lease.Place == c.place():
		i.phase = leased
	}
	if i.phase != free {
		i.correlation = id
	}
	return i
}

// newest are the last request of the race that the provider answered with a token, and the last one that it refused.
func (r *race) newest() (won, lost string) {
	for _, q := range r.provider.Requests(r.t, r.provider.TokenURL, raceServer) {
		if q.Status == 200 {
			won = q.Correlation
		} else {
			lost = q.Correlation
		}
	}
	return won, lost
}

// mourn judges the end of a grant and supplies a new refresh token, which every running process must come to use.
func (r *race) mourn() {
	died := time.Now()
	r.mu.Lock()
	r.mourning = true
	r.mu.Unlock()
	time.Sleep(300 * time.Millisecond) // the provider notes a request after it has answered
	r.judge()
	r.supplied()
	how := "by itself"
	if c := r.daemon(); c != nil && len(r.recovered)%2 == 0 { // every other time a person says so
		how = "by refresh"
		if got := c.h.run("refresh", raceServer); got.code != 0 {
			r.t.Logf("refresh: %s", got.stderr)
		}
	}
	r.await("every process uses the new refresh token", time.Now(), 2*raceLease)
	r.mu.Lock()
	r.mourning, r.settled = false, time.Now()
	r.recovered = append(r.recovered, time.Since(died))
	r.mu.Unlock()
	r.t.Logf("%s the new refresh token is in use %s, %s after the end of the old one", time.Now().Format(time.TimeOnly), how,
		time.Since(died).Round(time.Second))
}

// daemon is a `bearerd run` that runs.
func (r *race) daemon() *runner {
	for _, c := range r.runners {
		c.mu.Lock()
		here := !c.away
		c.mu.Unlock()
		if here && c.args[0] == "run" {
			return c
		}
	}
	return nil
}

// judge fails the test unless an interruption between send and journal explains the end of the grant.
func (r *race) judge() {
	won, lost := r.newest()
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, i := range slices.Backward(r.interruptions) {
		if i.excuses(won, lost) {
			r.t.Logf("%s the grant is revoked; excused by the %s", time.Now().Format(time.TimeOnly), i)
			return
		}
	}
	r.t.Errorf("%s the grant was revoked, by request %s after %s, and no kill or stop explains it:\n%v",
		time.Now().Format(time.TimeOnly), lost, won, r.interruptions)
}

// verdict holds the race to its promises, and prints what it was like.
func (r *race) verdict(revoked int) {
	state := r.provider.chainState(raceServer)
	if state.Revoked != revoked || !state.Alive {
		r.t.Errorf("at the end the grant is revoked: %+v", state)
	}
	requests := 0
	for _, n := range state.Requests {
		requests += n
	}
	var kills, stops, ended int
	met := map[phase]int{}
	for _, i := range r.interruptions {
		met[i.phase]++
		if i.kill {
			kills++
		} else {
			stops++
		}
	}
	var longest time.Duration
	for _, c := range r.runners {
		longest = max(longest, c.longest)
		ended += c.ended
		r.t.Logf("%s: the longest time without a valid token is %s, until %s", c.name, c.longest.Round(10*time.Millisecond),
			c.when.Format(time.TimeOnly))
		if c.longest > raceLease+raceSlack {
			r.t.Errorf("%s ran without a valid token for %s", c.name, c.longest)
		}
	}
	r.t.Logf("%d rotations, %d kills, %d stops %v, excused %d, recovered after %v", state.Spent, kills, stops, met, revoked, r.recovered)
	r.t.Logf("longest gap %s, %d requests: %.3f for each rotation; ended by themselves: %d", longest.Round(10*time.Millisecond),
		requests, float64(requests)/float64(state.Spent), ended)
	if float64(requests) > 1.2*float64(state.Spent)+2*float64(revoked) {
		r.t.Errorf("%d requests for %d rotations", requests, state.Spent)
	}
	if ended > 4*revoked {
		r.t.Errorf("%d times a process ended by itself, with %d grants revoked", ended, revoked)
	}
}
