package engine

import (
	"crypto/tls"
	"math"
	"sync/atomic"
	"time"

	"bearerd/secrets"
)

// Token is one access token, immutable once published.
type Token struct {
	Scope      string    // as granted, space-separated; "" when none was asked for and none was named
	Issued     time.Time // when it was asked for
	Expires    time.Time // zero: the authorization server gave no expires_in
	Generation uint64    // counts the acquisitions of this grant, over restarts and processes

	// Certificate is the one to present where the token is sent, as it may be bound to it (RFC 8705 §3); nil: none.
	Certificate *tls.Certificate

	correlation   string // the X-Correlation-ID of the request that brought it
	access        secrets.Secret
	authorization secrets.Secret // "Bearer …", built once so that a request allocates nothing
	staleAt       int64          // wall clock, Unix nanoseconds: from here on it is worth renewing
	deadAt        int64          // wall clock, Unix nanoseconds: from here on it is refused
	hit           atomic.Bool    // the first cache hit has been logged
	renewable     bool           // its refresh token is kept
	copied        bool           // from the local copy, while the shared store was away
	superseded    chan struct{}
	dropped       atomic.Bool            // nothing took its place when it was superseded
	taken         atomic.Bool            // by upstream
	outdated      atomic.Bool            // it is bound to a certificate that has been replaced: use it only where a newer one cannot be had
	questioned    atomic.Bool            // upstream refused it, maybe for another reason: use it only where a newer one cannot be had at once
	doubted       atomic.Pointer[Source] // who wants to know when upstream takes it; nil: nobody
}

// Headers gives the Authorization value for a request. dpop is empty for a Bearer token; method and URL are what a
// bound token would sign.
func (t *Token) Headers(method, url string) (authorization, dpop string, err error) {
	return t.authorization.Reveal(), "", nil
}

// Access is the token itself, for the deliveries that hand it out bare.
func (t *Token) Access() secrets.Secret { return t.access }

// Superseded is closed when the token was replaced, revoked or invalidated.
func (t *Token) Superseded() <-chan struct{} { return t.superseded }

// Dropped reports, of a token that was superseded, whether it was invalidated or revoked rather than replaced by a newer one:
// whoever holds it should not use it any more.
func (t *Token) Dropped() bool { return t.dropped.Load() }

// Stale is when the token is worth renewing: OAUTH_TOKEN_EXPIRY_BUFFER before its end. Zero: never.
func (t *Token) Stale() time.Time {
	if t.Expires.IsZero() {
		return time.Time{}
	}
	return time.Unix(0, t.staleAt)
}

func (t *Token) fresh(now time.Time) bool { return now.UnixNano() < t.staleAt && !t.unloved() }
func (t *Token) valid(now time.Time) bool { return now.UnixNano() < t.deadAt }

// unloved reports whether it is worth renewing whatever its age.
func (t *Token) unloved() bool { return t.outdated.Load() || t.questioned.Load() }

// yields reports whether a valid token is used only once f has failed. A questioned one waits for the first try alone: in a
// longer outage of the authorization server nobody would gain by that.
func (t *Token) yields(f *flight) bool {
	return t.outdated.Load() || t.questioned.Load() && f.tries != 1
}

// newToken sets the moments of renewal. A token that lives shorter than twice the buffer would always be stale or
// nearly so; its buffer is a quarter of its life.
func newToken(access secrets.Secret, scope string, issued, expires time.Time, generation uint64, buffer time.Duration) *Token {
	t := &Token{
		Scope: scope, Issued: issued, Expires: expires, Generation: generation,
		access: access, authorization: secrets.New("Bearer " + access.Reveal()),
		staleAt: math.MaxInt64, deadAt: math.MaxInt64, superseded: make(chan struct{}),
	}
	if expires.IsZero() {
		return t
	}
	if life := expires.Sub(issued); life < 2*buffer {
		buffer = life / 4
	}
	t.deadAt = expires.UnixNano()
	t.staleAt = expires.Add(-buffer).UnixNano()
	return t
}

func generation(t *Token) uint64 {
	if t == nil {
		return 0
	}
	return t.Generation
}

// publish swaps the current token; deliveries that hold the old one learn of it. mu is held.
func (s *Source) publish(t *Token) {
	s.outdate(t)
	if old := s.current.Swap(t); old != nil && old != t {
		old.dropped.Store(t == nil)
		if old.taken.Load() {
			s.disbelief.token, s.disbelief.inRow = nil, 0
		}
		close(old.superseded)
	}
}
