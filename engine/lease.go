package engine

import (
	"context"
	"crypto/rand"
	"errors"
	"os"
	"time"

	"bearerd/secrets"
)

// lease is the right to spend the refresh token of a record. Nothing happens between taking it and sending the token, so
// whoever finds a lease must think that the token may be spent already.
type lease struct {
	Owner string `json:"owner"`           // one source of one process; never used again
	Place string `json:"place,omitempty"` // whose lock the owner holds as long as it lives, see lockPlace; "": none
	Life  int64  `json:"life_ms"`         // how long others wait, from when they first saw it
}

// The times of a lease. Its life is longer than all that its owner may do under it, with a margin for clocks.
const (
	leaseLife   = 60 * time.Second
	leaseMargin = 10 * time.Second
	sendBudget  = 10 * time.Second // one request
	longestHold = 5 * time.Minute  // for the owner to come back with its journal, while the access token still lives
	leasePoll   = 250 * time.Millisecond
	lockGlance  = 2 * time.Second // for the lock of this host: the lease does the rest
)

// errLeased says that another process may spend the refresh token now: look again in a moment.
var errLeased = errors.New("another process renews it now")

// newOwner is for people, so it begins with the host's name.
func newOwner() string {
	host, _ := os.Hostname()
	return host + "/" + rand.Text()
}

// seen is when this process first saw a revision that carries a lease, by its own monotonic clock: timestamps of others
// mean nothing here.
type seen struct {
	rev secrets.Revision
	at  time.Time
}

// lockPlace names the lock of this host: the state folder, and the run of the machine, as machines may be copies of one
// another. It is "" when it cannot be told.
func (s *Source) lockPlace() string {
	folder, boot := s.engine.local.Place, bootID()
	if folder == "" || boot == "" {
		return ""
	}
	return folder + "/" + boot
}

// leased reports whether another process may hold the lease of g. One whose owner has died on this host is free: its lock
// was released, and had it left a journal, that would be committed by now.
func (s *Source) leased(g *reading) bool {
	l := g.Lease
	here := s.lockPlace()
	if l == nil || l.Owner == s.owner || g.locked && here != "" && l.Place == here {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	if s.seen.rev != g.rev {
		s.seen = seen{g.rev, now}
	}
	hold := time.Duration(min(max(l.Life, 1000), longestHold.Milliseconds())) * time.Millisecond
	if left := g.Expires.Sub(s.seen.at) - leaseMargin; !g.Expires.IsZero() && g.AccessToken != "" {
		hold = max(hold, min(left, longestHold))
	}
	return now.Sub(s.seen.at) < hold
}

// lockToFly takes the lock of this host before a record is read. A lease keeps a refresh token from being spent twice anyway,
// so its holder is not waited for where there is one: it may have been stopped, and each look at the lease would take as long.
func (s *Source) lockToFly(ctx context.Context) (unlock func(), locked bool) {
	if s.chain == "" {
		return s.engine.lockOrGoOn(ctx, s.name)
	}
	ctx, cancel := context.WithTimeout(ctx, lockGlance)
	defer cancel()
	unlock, err := s.engine.local.Lock(ctx, s.name)
	if err != nil {
		return func() {}, false
	}
	return unlock, true
}

// release gives the lock of this host back, unless a new refresh token is in memory alone: who finds the lock free takes
// this process for dead, and would spend the old one.
func (s *Source) release(unlock func()) {
	s.mu.Lock()
	keep := s.unjournaled && s.uncommitted != nil
	if keep {
		s.locks = append(s.locks, unlock)
	}
	s.mu.Unlock()
	if !keep {
		unlock()
	}
}

// stopwatch measures by the larger of the wall clock, the monotonic one, and one that runs on while the machine sleeps.
type stopwatch struct {
	start time.Time
	boot  time.Duration
}

func startStopwatch() stopwatch { return stopwatch{time.Now(), sinceBoot()} }

func (w stopwatch) elapsed() time.Duration {
	now := time.Now()
	return max(now.Sub(w.start), now.Round(0).Sub(w.start.Round(0)), sinceBoot()-w.boot)
}
