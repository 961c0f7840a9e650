package main_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

const (
	raceServer = "soak" // the server block, and the client at the provider
	raceLease  = 60 * time.Second
	raceSlack  = 8 * time.Second // beyond a lease: the poll of those who wait, the request, a busy machine
)

// raceRecord is what a race reads of a record.
type raceRecord struct {
	Correlation string `json:"correlation_id"`
	Access      string `json:"access_token"`
	Refresh     string `json:"refresh_token"`
	Rotation    int    `json:"rotation"`
	Pending     bool   `json:"pending"`
	Lease       *struct {
		Place string `json:"place"`
	} `json:"lease"`
}

func decodeRecord(t testing.TB, b []byte) (r raceRecord) {
	if err := json.Unmarshal(b, &r); err != nil {
		t.Errorf("a record: %v", err)
	}
	return r
}

// race is many processes with one refresh token. They are killed and stopped until it was spent often enough.
type race struct {
	t        *testing.T
	provider *oidcPeer
	supply   string // the file of OAUTH_REFRESH_TOKEN
	record   func() raceRecord
	runners  []*runner
	shared   bool // each process has a state folder of its own
	goal     int  // rotations
	mayLeave int  // how many processes at once
	orders   func(spent int) *order

	armed  atomic.Int32 // the step at which the next process is stopped; resting: none
	lag    atomic.Int64 // nanoseconds after it
	caught chan *runner

	mu            sync.Mutex
	interruptions []*interruption
	held          time.Time // when a process that may have held the lease was last interrupted
	mourning      bool      // the grant was revoked, and the new refresh token is not in use yet
	settled       time.Time // the end of the last mourning
	recovered     []time.Duration
}

// order is an interruption to come.
type order struct {
	kill  bool
	aim   step          // wait for this step of any process; resting: do not
	lag   time.Duration // after the step
	pause time.Duration // until it goes on
}

// raceGrant is the oauth_config of a race. It is the same in every home, and so are the credentials.
func raceGrant(h *home, p *oidcPeer, supply string) string {
	secret := supply + ".secret"
	if err := os.WriteFile(secret, []byte(oidcSecret(raceServer)+"\n"), 0o600); err != nil {
		h.t.Fatal(err)
	}
	h.private(oidcSecret(raceServer))
	return h.grant(p.TokenURL, p.CAFile, raceServer, "", `OAUTH_GRANT_TYPE = "refresh_token"`, "OAUTH_TOKEN_EXPIRY_BUFFER = 1",
		fmt.Sprintf("OAUTH_CLIENT_SECRET = file(%q)\nOAUTH_REFRESH_TOKEN = file(%q)", secret, supply))
}

// supplied writes a new refresh token where OAUTH_REFRESH_TOKEN refers to.
func (r *race) supplied() {
	token := r.provider.chain(raceServer)
	for _, c := range r.runners {
		c.h.private(token)
	}
	aside := r.supply + ".new"
	if err := os.WriteFile(aside, []byte(token+"\n"), 0o600); err != nil {
		r.t.Fatal(err)
	}
	if err := os.Rename(aside, r.supply); err != nil {
		r.t.Fatal(err)
	}
}

// fairSince is when the time began that a process may be without a token for: whoever waits for a lease waits anew when
// its next holder is interrupted, too, and without a living grant there is none.
func (r *race) fairSince() time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.mourning:
		return time.Now()
	case r.held.After(r.settled):
		return r.held
	}
	return r.settled
}

// passed is called when a process has come to a step.
func (r *race) passed(c *runner, p *running, s step) {
	if s != resting && r.armed.CompareAndSwap(int32(s), int32(resting)) {
		time.Sleep(time.Duration(r.lag.Load()))
		freeze(p)
		r.caught <- c
	}
}

// run holds the race, and then looks that all is well.
func (r *race) run() {
	ctx, cancel := context.WithCancel(r.t.Context())
	var wg sync.WaitGroup
	r.caught = make(chan *runner, 1)
	r.t.Cleanup(func() {
		cancel()
		wg.Wait()
		for _, c := range r.runners {
			c.end()
		}
	})
	r.supplied()
	for _, c := range r.runners {
		c.away = true
		c.start()
		c.back()
		wg.Go(func() { c.watch(ctx) })
	}
	r.await("every process has a token at first", time.Now(), peerPatience)
	revoked := r.hold(ctx, &wg)
	r.awaitReturns()
	r.await("every process has a token at last", time.Now(), raceLease+raceSlack)
	r.verdict(revoked)
}

// hold gives orders until the refresh token was spent often enough. It returns how many grants were revoked.
func (r *race) hold(ctx context.Context, wg *sync.WaitGroup) (revoked int) {
	limit := time.Now().Add(time.Duration(r.goal) * 12 * time.Second)
	for {
		time.Sleep(300 * time.Millisecond)
		state := r.provider.chainState(raceServer)
		if state.Revoked > revoked {
			revoked = state.Revoked
			r.mourn()
			continue
		}
		if state.Spent >= r.goal || r.t.Failed() || ctx.Err() != nil {
			return revoked
		}
		if time.Now().After(limit) {
			r.t.Fatalf("%d rotations in %d times 12 s", state.Spent, r.goal)
		}
		if o := r.orders(state.Spent); o != nil && r.gone() < r.mayLeave {
			if c := r.victim(o); c != nil {
				wg.Go(func() { r.interrupt(ctx, c, o) })
			}
		}
	}
}

// victim is the process that an order is for, out of the race already.
func (r *race) victim(o *order) *runner {
	if o.aim == resting {
		c := r.runners[rand.N(len(r.runners))]
		if !c.leave() {
			return nil
		}
		return c
	}
	r.lag.Store(int64(o.lag))
	r.armed.Store(int32(o.aim))
	select {
	case c := <-r.caught:
		c.leave()
		return c
	case <-time.After(15 * time.Second):
	}
	if !r.armed.CompareAndSwap(int32(o.aim), int32(resting)) {
		c := <-r.caught
		c.leave()
		return c
	}
	return nil
}

func (r *race) gone() (n int) {
	for _, c := range r.runners {
		c.mu.Lock()
		if c.away {
			n++
		}
		c.mu.Unlock()
	}
	return n
}

func (r *race) awaitReturns() {
	for deadline := time.Now().Add(3 * time.Minute); r.gone() > 0; time.Sleep(100 * time.Millisecond) {
		if time.Now().After(deadline) {
			r.t.Fatal("a process did not come back")
		}
	}
}

// await waits until every process that is there has a valid token.
func (r *race) await(what string, since time.Time, limit time.Duration) {
	r.t.Helper()
	for deadline := time.Now().Add(limit); ; time.Sleep(100 * time.Millisecond) {
		var without []string
		late := time.Now().After(deadline)
		for _, c := range r.runners {
			if c.validSince(since) {
				continue
			}
			without = append(without, c.name)
			if late {
				r.t.Logf("%s: %s", c.name, c.h.run("status", raceServer, "--json").stdout)
			}
		}
		if len(without) == 0 {
			return
		}
		if late {
			r.t.Fatalf("waited %s in vain: %s; without: %s", limit, what, strings.Join(without, " "))
		}
	}
}
