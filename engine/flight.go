package engine

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"bearerd/secrets"
)

// flight is one acquisition that any number of callers wait for.
type flight struct {
	after    uint64        // a stored token of a later generation will do
	tries    int           // requests to send at the most
	forced   bool          // a person's wish: neither a tombstone nor another process's failure stops it
	asked    bool          // a request waits for it that a person may be asked for; guarded by Source.mu
	asks     int           // how often one was
	scope    string        // that upstream demands: a person must approve it
	revoked  bool          // begun in the state Revoked: it may find that another process has ended that
	gaveUp   bool          // it asked in vain: somebody may want to know
	done     chan struct{} // closed at the end, when token and err are set
	fallback chan struct{} // closed when a first try failed, but a valid token is held
	token    *Token
	err      *Error
}

// failure is err as an error that is nil when there is none.
func (f *flight) failure() error {
	if f.err == nil {
		return nil
	}
	return f.err
}

// landed is a flight that has ended with t.
func landed(t *Token) *flight {
	f := &flight{token: t, done: make(chan struct{})}
	close(f.done)
	return f
}

// join returns the flight under way or begins one, unless the last one failed too recently to try again. The caller has
// looked without the lock: a flight that has landed since then will do.
func (s *Source) join(after uint64, asked bool) (*flight, error) {
	s.mu.Lock()
	defer s.unlock()
	held := s.current.Load()
	switch {
	case s.retired:
		return nil, ErrGone
	case s.flight != nil:
		s.flight.asked = s.flight.asked || asked
		return s.flight, nil
	case held != nil && held.Generation > after && held.fresh(time.Now()):
		return landed(held), nil
	case time.Now().Before(s.retryAt) && !(asked && s.mayAskPerson() && s.trouble != nil && s.trouble.consent):
		return nil, s.explainLocked()
	}
	f, err := s.begin(after, false)
	if err == nil {
		f.asked = asked
	}
	return f, err
}

// force returns the flight under way or begins one, whatever happened before, a revocation too.
func (s *Source) force(after uint64) (*flight, error) {
	s.mu.Lock()
	defer s.unlock()
	if s.retired {
		return nil, ErrGone
	}
	if s.flight != nil {
		return s.flight, nil
	}
	s.failures = 0
	return s.begin(after, true)
}

// begin starts a flight. mu is held.
func (s *Source) begin(after uint64, forced bool) (*flight, error) {
	after = max(after, s.floor)
	f := &flight{after: after, tries: 1, forced: forced, revoked: s.state == Revoked}
	f.done, f.fallback = make(chan struct{}), make(chan struct{})
	if s.failures == 0 {
		f.tries = maxTries
	}
	if s.timer != nil {
		s.timer.Stop()
	}
	if !s.engine.spawn(func(ctx context.Context) { s.fly(ctx, f) }) {
		return nil, &Error{Server: s.name, State: s.state, Reason: "bearerd is stopping", Remedy: "start it again"}
	}
	s.flight = f
	if s.state == Authorized {
		s.state = Refreshing
	}
	return f, nil
}

// fly tries until a token is there, the tries are used up, or an answer is final.
func (s *Source) fly(ctx context.Context, f *flight) {
	defer s.land(f)
	ctx, done := s.untilRetired(ctx)
	defer done()
	start := time.Now()
	for try := 1; ; try++ {
		t, err := s.attempt(ctx, f)
		if err == nil {
			f.token, f.err = t, nil
			return
		}
		wait := s.failed(f, err)
		if s.isRetired() {
			return
		}
		if ctx.Err() != nil || f.err.final() || f.err.unsent() || try == f.tries || wait > longestWait || hangs(err, start) {
			if !onlyLooked(err) {
				s.stats.failed(f.err)
				f.gaveUp = ctx.Err() == nil
			}
			return
		}
		s.changed()
		s.engine.log.Warn(fmt.Sprintf("Retrying token acquisition for %s, attempt %d/%d", s.name, try+1, f.tries),
			"server", s.name, "in", wait.Round(time.Millisecond), "correlation_id", correlation(err))
		if !sleep(ctx, wait) {
			return
		}
	}
}

// attempt asks once, unless another process has a newer token by now. While another one holds the lease it waits.
func (s *Source) attempt(ctx context.Context, f *flight) (*Token, error) {
	for {
		t, err := s.once(ctx, f)
		if s.consents(ctx, f, err) {
			if err := s.consent(ctx, f); err != nil {
				return nil, err
			}
			continue
		}
		if !errors.Is(err, errLeased) {
			return t, err
		}
		if s.isRetired() {
			return nil, ErrGone
		}
		if !sleep(ctx, leasePoll+rand.N(2*leasePoll)) {
			return nil, ctx.Err()
		}
	}
}

// once is one look at the record and, if nothing in it will do, one acquisition. It holds the host's lock.
func (s *Source) once(ctx context.Context, f *flight) (*Token, error) {
	unlock, locked := s.lockToFly(ctx)
	defer func() { s.release(unlock) }()
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if err := s.takeMoved(ctx); err != nil {
		return nil, err
	}
	s.present(ctx)
	g, err := s.recallSoon(ctx, f)
	if errors.Is(err, errLeased) {
		return nil, err
	}
	g.locked = locked
	stored := s.tokenOf(&g.record)
	if err != nil {
		stored = s.withoutStore(ctx, err)
	}
	if err == nil && s.server.Load().OAuth.Delegated() && !s.mayAskPerson() {
		s.mu.Lock()
		s.wanted = g.Wanted // another process, or this one before a restart, may have been told
		s.mu.Unlock()
	}
	if s.chain != "" && g.Origin != "" {
		if err := s.claimOrigin(g.Origin); err != nil {
			return nil, err
		}
	}
	if !f.forced {
		if err := s.mayNotAsk(f, g, stored); err != nil {
			return nil, err
		}
	}
	if stored != nil && stored.Generation > f.after && stored.fresh(time.Now()) {
		s.adopt(stored)
		s.changed()
		s.keepShared(ctx, g, err)
		return stored, nil
	}
	if err := s.sameSecret(ctx, f); err != nil {
		return nil, err
	}
	if s.chain == "" {
		if err := s.withoutMetadata(ctx, g, err); err != nil {
			s.fallBack(f, stored)
			return nil, err
		}
		return s.acquire(ctx, f, g, stored)
	}
	if err != nil {
		s.fallBack(f, stored)
		return nil, &Error{Server: s.name, State: withoutRecord(err), Reason: "the store cannot be read, and without it no refresh token is spent",
			Remedy: storeRemedy(err), Err: err}
	}
	if f.scope != "" && lacking(f.scope, g.Asked) != "" && s.server.Load().OAuth.Delegated() {
		return nil, s.needsPerson("upstream wants the scope " + f.scope + ", which nobody has approved")
	}
	return s.rotate(ctx, f, g)
}

// untilRetired ends ctx when the source is retired: its successor would wait for the lock of this host. A refresh token on
// its way is waited for.
func (s *Source) untilRetired(ctx context.Context) (context.Context, func()) {
	if s.chain != "" {
		return ctx, func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	wg.Go(func() {
		defer cancel()
		select {
		case <-s.gone:
		case <-ctx.Done():
		}
	})
	return ctx, func() {
		cancel()
		wg.Wait()
	}
}

// hangs reports an outage that takes longer to notice than anybody waits.
func hangs(err error, start time.Time) bool {
	return errors.Is(err, secrets.ErrUnavailable) && time.Since(start) > longestWait
}

// copyPatience is how long a store that does not answer is waited for while a local copy would do.
const copyPatience = 3 * time.Second

// recallSoon is recall, which does not wait long for a store that hangs while there is a copy to serve.
func (s *Source) recallSoon(ctx context.Context, f *flight) (*reading, error) {
	if c := s.copied(ctx); s.engine.shared && !f.forced && c != nil {
		if t := s.tokenOf(c); t != nil && t.fresh(time.Now()) && t.Generation > f.after {
			var cancel context.CancelFunc
			ctx, cancel = context.WithTimeout(ctx, copyPatience)
			defer cancel()
		}
	}
	return s.recall(ctx)
}

func withoutRecord(err error) State {
	if errors.Is(err, secrets.ErrUnavailable) {
		return Pending
	}
	return Failed
}

// mayNotAsk stops an acquisition that nobody wished for while the grant is revoked or somebody has just failed.
func (s *Source) mayNotAsk(f *flight, g *reading, stored *Token) error {
	if g.Revoked || f.revoked && g.Generation <= f.after {
		return &Error{Server: s.name, State: Revoked}
	}
	if wait := time.Until(g.Backoff); wait > 0 && wait <= longestWait {
		s.fallBack(f, stored)
		return &Error{Server: s.name, RetryAfter: wait, Reason: "another process asked a moment ago and failed"}
	}
	return nil
}

// adopt publishes a token that was fetched, here or by another process. The caller tells.
func (s *Source) adopt(t *Token) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.retired {
		return
	}
	s.publish(t)
	s.state, s.trouble, s.failures, s.retryAt = Authorized, nil, 0, time.Time{}
	s.wanted = lacking(s.wanted, t.Scope)
}

// fallBack puts a stored token that is stale but valid into service when the first try failed, and lets those go who
// would otherwise wait for all the tries.
func (s *Source) fallBack(f *flight, stored *Token) {
	if t := s.serveStored(f, stored); t != nil {
		s.engine.log.Warn("[OAuthService] Serving the present token of "+s.name+" while renewal fails", "server", s.name,
			"expires_at", t.Expires, "correlation_id", t.correlation)
	}
}

// serveStored is fallBack without a word. It gives the token that the waiting ones go with, unless they have gone already.
func (s *Source) serveStored(f *flight, stored *Token) *Token {
	s.mu.Lock()
	now := time.Now()
	if t := s.current.Load(); t == nil && stored != nil && stored.Generation > f.after && stored.valid(now) && !s.retired {
		s.publish(stored)
		s.state = Refreshing
	}
	s.unlock()
	if t := s.current.Load(); t != nil && t.valid(now) && s.letGo(f) {
		return t
	}
	return nil
}

// letGo ends the waiting of those who can do with the present token; false: it had ended.
func (s *Source) letGo(f *flight) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if isClosed(f.fallback) {
		return false
	}
	close(f.fallback)
	return true
}

// failed notes what went wrong and says how long to wait before the next try. The caller tells.
func (s *Source) failed(f *flight, err error) (wait time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failures++
	f.err = s.describe(err)
	s.tell(f.err)
	s.trouble = f.err
	wait = max(pause(s.failures, f.err), f.err.RetryAfter)
	if f.err.State == Revoked {
		wait = revokedPause
	}
	if s.noteRefused(err); time.Now().Before(s.rejected.until) {
		wait = recheckPause + rand.N(recheckPause/4)
	}
	s.retryAt = time.Now().Add(wait)
	f.err.RetryAfter = wait
	return wait
}

// land ends a flight: the state is settled, the next one is planned, the callers are let go.
func (s *Source) land(f *flight) {
	if s.touchDown(f); f.gaveUp && f.err != nil && f.err.State != Revoked && !s.isRetired() {
		s.happened(Event{Kind: TokenFailed, Reason: f.err.Reason, CorrelationID: correlation(f.err)})
	} else {
		s.changed()
	}
	close(f.done)
}

func (s *Source) touchDown(f *flight) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.flight = nil
	if f.token == nil && f.err == nil {
		f.err = &Error{Server: s.name, State: s.state, Reason: "bearerd is stopping"}
	}
	held := s.current.Load()
	switch {
	case f.err != nil && f.err.State == Revoked && generation(held) > f.after: // a person has signed in since it looked
		s.state, s.trouble, f.token, f.err = Authorized, nil, held, nil
	case f.err != nil && f.err.State == Revoked:
		s.state = Revoked
		s.publish(nil)
	case held != nil && held.valid(time.Now()):
		s.state = Authorized
	case f.err != nil:
		s.state = f.err.State
	}
	if f.err != nil && !f.err.consent { // that outlives the token which is served meanwhile
		f.err.State = s.state
	}
	if s.retired {
		f.token, f.err = nil, &Error{Server: s.name, State: s.state, Reason: ErrGone.Error(), Err: ErrGone}
	}
	s.plan()
}

func (s *Source) isRetired() bool { return isClosed(s.gone) }

func isClosed(c chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
