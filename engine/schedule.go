package engine

import (
	"context"
	"errors"
	"hash/fnv"
	"math/rand/v2"
	"time"

	"bearerd/secrets"
)

// The rules of trying again.
const (
	maxTries      = 3 // for callers that wait
	firstPause    = 2 * time.Second
	longestPause  = 5 * time.Minute
	finalPause    = 15 * time.Minute // after an answer that says no: somebody may mend the other side
	longestWait   = 10 * time.Second // a longer pause is not waited for by callers
	maxRetryAfter = time.Hour
	recheckPause  = time.Minute      // between two looks at a secret that was refused
	outagePause   = 10 * time.Second // the longest between two tries while the store is away
	revokedPause  = time.Second      // between two looks whether another process has ended a revocation
	followPause   = 5 * time.Second  // between two looks at what other processes of this host do
	sharedPause   = 30 * time.Second // the least between two looks at a record that hosts share
	clockCheck    = 5 * time.Second
	clockJump     = 2 * time.Second
)

// pause is how long to wait after the nth failure in a row: 2 s, 4 s, 8 s, doubling to 5 min, with up to a quarter
// added by chance so that many clients of a server that comes back do not return as one.
func pause(failures int, err *Error) time.Duration {
	wait := longestPause
	if failures < 9 {
		wait = min(firstPause<<(failures-1), longestPause)
	}
	switch {
	case err.State == NeedsReauth:
		wait = recheckPause
	case err.final():
		wait = finalPause
	case errors.Is(err.Err, secrets.ErrUnavailable):
		wait = min(wait, outagePause)
	case errors.Is(err.Err, secrets.ErrDenied): // nobody tells when a policy is mended
		wait = min(wait, recheckPause)
	}
	wait += rand.N(wait / 4)
	return max(wait, min(err.retryAfter(), maxRetryAfter))
}

// due is when a token is renewed unasked: when it turns stale or up to a tenth of its buffer earlier, by the server's
// name, so that servers that started together do not renew together.
func (s *Source) due(t *Token) time.Time {
	h := fnv.New32a()
	_, _ = h.Write([]byte(s.name))
	if s.engine.shared { // and hosts that share a grant do not either
		_, _ = h.Write([]byte(s.owner))
	}
	buffer := time.Duration(t.deadAt - t.staleAt)
	early := buffer / 10 * time.Duration(h.Sum32()%1000) / 1000
	return time.Unix(0, t.staleAt).Add(-early)
}

// plan sets the timer for the next renewal or the next try. mu is held.
func (s *Source) plan() {
	if s.timer != nil {
		s.timer.Stop()
	}
	if s.retired || s.state == Revoked || !s.engine.eager.Load() {
		return
	}
	if at, ok := s.next(); ok {
		s.timer = time.AfterFunc(time.Until(at), s.wake)
	}
}

// next is when wake has something to do; false: never. A token that is not due yet waits for that even after a renewal
// that was wished for has failed. mu is held.
func (s *Source) next() (at time.Time, ok bool) {
	t := s.current.Load()
	unloved := t != nil && t.unloved()
	if t != nil && !t.Expires.IsZero() && !unloved {
		at = s.due(t)
	}
	if s.trouble != nil && s.retryAt.After(at) {
		at = s.retryAt
	}
	return at, unloved || t != nil && !t.Expires.IsZero() || t == nil && s.trouble != nil
}

// wake begins a flight if one is due.
func (s *Source) wake() {
	s.mu.Lock()
	defer s.unlock()
	if s.retired || s.flight != nil || s.state == Revoked {
		return // a revocation ends by a person's wish
	}
	t := s.current.Load()
	if at, ok := s.next(); t != nil && !ok || time.Now().Before(at) {
		s.plan()
		return
	}
	_, _ = s.begin(generation(t), false) // it fails only while the engine closes
}

// Mended makes sources that failed try again at once: a secret that they may want has been set.
// It looks at client certificates too.
func (e *Engine) Mended() {
	e.spawn(func(ctx context.Context) { e.attendCertificates(ctx, true) })
	for _, s := range *e.sources.Load() {
		s.mu.Lock()
		failed := s.trouble != nil
		s.retryAt = time.Time{}
		s.mu.Unlock()
		if failed && e.eager.Load() {
			s.wake()
		}
	}
}

func (s *Source) stopTimer() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.retired = true
	s.endLogin()
	if s.timer != nil {
		s.timer.Stop()
	}
}

// watchClock wakes every source when the wall clock has moved otherwise than the monotonic one: timers stand still
// while a laptop sleeps, tokens do not.
func (e *Engine) watchClock(ctx context.Context) {
	last := time.Now()
	for sleep(ctx, clockCheck) {
		now := time.Now()
		drift := now.Round(0).Sub(last.Round(0)) - now.Sub(last)
		if drift.Abs() > clockJump {
			e.log.Info("the clock has jumped: checking every token", "by", drift.Round(time.Second))
			e.wakeAll()
		}
		last = now
	}
}

// sleep waits; false when ctx ended first.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
