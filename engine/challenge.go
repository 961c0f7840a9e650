package engine

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"bearerd/engine/oauth"
)

// How often an upstream's 401 causes a renewal.
const (
	challengePause   = 5 * time.Second // the least time between two
	longestChallenge = 15 * time.Minute
	fruitless        = 3 // new tokens in a row that upstream did not take, from which on the pause doubles
)

// disbelief is what upstream makes of new tokens.
type disbelief struct {
	at    time.Time // when another one was last asked for because upstream refused the present one
	token *Token    // that it refused last, and had not taken before; nil: none
	inRow int       // such tokens, one after the other
}

// refuse notes that upstream refused t.
func (d *disbelief) refuse(t *Token) {
	if t.taken.Load() || time.Since(d.at) > 2*longestChallenge { // it was not one after the other
		d.token, d.inRow = nil, 0
	}
	if t != d.token && !t.taken.Load() {
		d.token = t
		d.inRow++
	}
}

// next is when another token may be asked for again.
func (d *disbelief) next() time.Time {
	pause := challengePause
	for n := fruitless; n <= d.inRow && pause < longestChallenge; n++ {
		pause = min(2*pause, longestChallenge)
	}
	return d.at.Add(pause)
}

// doubts reports whether upstream refuses t, and it stays in use since it was renewed too lately.
func (d *disbelief) doubts(t *Token) bool { return t != nil && t == d.token && !t.taken.Load() }

// Challenged is told that upstream refused a request that carried t (nil: none), for want of a token that it likes (401) or
// of a scope (403 insufficient_scope). next is the token to use from now on;
// again says, with an error too, that upstream refused the request before acting on it, so that it may be sent once more. Some
// servers relay a 401 of theirs after having acted: only a Bearer challenge (RFC 6750 §3) says that the token was the reason.
// Then it is dropped at once; else it stays in use until a newer one is there.
//
// While upstream refuses tokens that were just renewed, the error wraps ErrNotHelped, and its RetryAfter says when one is
// renewed again.
func (s *Source) Challenged(ctx context.Context, t *Token, status int, h http.Header) (next *Token, again bool, err error) {
	c := oauth.ParseChallenge(h)
	switch {
	case status == http.StatusForbidden && c.Error == "insufficient_scope":
		return s.stepUp(ctx, t, s.fit(ctx, t, c))
	case status != http.StatusUnauthorized:
		return nil, false, s.refused("upstream answered " + http.StatusText(status))
	}
	again = c.Bearer || t == nil
	if held := s.current.Load(); held != nil && held != t && held.valid(time.Now()) {
		return held, again, nil
	}
	if t != nil && !s.mayAsk(t, c.Bearer) {
		return nil, again, s.notBelieved()
	}
	said := c.Bearer || len(h.Values("WWW-Authenticate")) == 0 // a gateway's Basic says nothing of tokens
	if o := s.server.Load().OAuth; said && (o.Discovers() || o.Delegated()) {
		s.heard(s.fit(ctx, t, c))
	}
	f, err := s.join(generation(t), true)
	if err != nil {
		return nil, again, err
	}
	next, err = s.await(ctx, f)
	return next, again, err
}

// Refused is told that upstream refused t too, the token that Challenged has just given: nothing is fetched for that.
func (s *Source) Refused(t *Token) {
	s.mu.Lock()
	defer s.unlock()
	if s.current.Load() == t {
		s.doubt(t)
	}
}

// mayAsk reports whether a newer token may be asked for in place of the refused one, unless one was for the same reason too
// lately. One that is surely refused is dropped, here and for whoever would take it from the store.
func (s *Source) mayAsk(t *Token, surely bool) bool {
	may, dropped := s.dropRefused(t, surely)
	if dropped {
		ev := t.event(TokenInvalidated)
		ev.Reason = "upstream refused it"
		s.happened(ev)
	} else if !may {
		s.changed()
	}
	return may
}

func (s *Source) dropRefused(t *Token, surely bool) (may, dropped bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.current.Load() != t {
		return true, false // another request that it was refused to has dropped it
	}
	s.doubt(t)
	if !t.questioned.Load() { // else a newer one is asked for already
		now := time.Now()
		if now.Before(s.disbelief.next()) {
			return false, false
		}
		s.disbelief.at = now
	}
	if !surely {
		t.questioned.Store(true)
		return true, false
	}
	s.floor = t.Generation
	s.publish(nil)
	s.stats.invalidations.Add(1)
	return true, true
}

// doubt notes that upstream refused the present token. mu is held.
func (s *Source) doubt(t *Token) {
	before := s.disbelief.inRow
	s.disbelief.refuse(t)
	if s.disbelief.doubts(t) {
		t.doubted.Store(s)
	}
	if n := s.disbelief.inRow; n > before && n >= fruitless {
		s.engine.log.Warn("upstream refuses each new token of "+s.name+": another one is fetched only after a pause", "server", s.name,
			"refused", n, "not_before", s.disbelief.next(), "correlation_id", t.correlation)
	}
}

// believe forgets what upstream has refused: a person has acted. The least pause holds all the same.
func (s *Source) believe() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.disbelief.token, s.disbelief.inRow = nil, 0
}

// Taken says that upstream answered t with anything but a 401: it ends the pauses between renewals that were in vain.
func (t *Token) Taken() {
	if t.taken.Load() || t.taken.Swap(true) {
		return
	}
	if s := t.doubted.Load(); s != nil {
		s.changed()
	}
}

// notBelieved is the error while upstream refuses a token that was just renewed.
func (s *Source) notBelieved() *Error {
	s.mu.Lock()
	wait := time.Until(s.disbelief.next())
	s.mu.Unlock()
	e := s.refused("upstream refuses a token that was just renewed")
	e.RetryAfter = max(time.Second, wait)
	return e
}

const checkAudience = "check OAUTH_AUDIENCE, OAUTH_RESOURCE and OAUTH_SCOPE against what the server expects"

func (s *Source) refused(reason string) *Error {
	return &Error{Server: s.name, State: s.status(), Reason: reason, RetryAfter: challengePause, Err: fmt.Errorf("%w: %s", ErrNotHelped, reason),
		Remedy: checkAudience}
}
