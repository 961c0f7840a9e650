package engine

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"bearerd/engine/oauth"
)

// challengePause is the least time between two renewals that an upstream's 401 causes.
const challengePause = 5 * time.Second

// Challenged is told that upstream refused a request that carried t (nil: none), for want of a token that it likes (401) or
// of a scope (403 insufficient_scope). next is the token to use from now on;
// again says that upstream refused the request before acting on it, so that it may be sent once more. Some servers
// relay a 401 of theirs after having acted: only a Bearer challenge (RFC 6750 §3) says that the token was the reason.
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
	if t != nil && !s.mayAsk(t) {
		return nil, false, s.refused("upstream refuses a token that was just renewed")
	}
	said := c.Bearer || len(h.Values("WWW-Authenticate")) == 0 // a gateway's Basic says nothing of tokens
	if o := s.server.Load().OAuth; said && (o.Discovers() || o.Delegated()) {
		s.heard(s.fit(ctx, t, c))
	}
	f, err := s.join(generation(t), true)
	if err != nil {
		return nil, false, err
	}
	next, err = s.await(ctx, f)
	return next, again && err == nil, err
}

// mayAsk drops the refused token, here and for whoever would take it from the store, unless one was dropped for the same
// reason a moment ago.
func (s *Source) mayAsk(t *Token) bool {
	may, dropped := s.dropRefused(t)
	if dropped {
		ev := t.event(TokenInvalidated)
		ev.Reason = "upstream refused it"
		s.happened(ev)
	}
	return may
}

func (s *Source) dropRefused(t *Token) (may, dropped bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.current.Load() != t {
		return true, false // another request that it was refused to has dropped it
	}
	now := time.Now()
	if now.Sub(s.challengedAt) < challengePause {
		return false, false
	}
	s.challengedAt = now
	s.floor = t.Generation
	s.publish(nil)
	s.stats.invalidations.Add(1)
	return true, true
}

func (s *Source) refused(reason string) *Error {
	return &Error{Server: s.name, State: s.status(), Reason: reason, RetryAfter: challengePause, Err: fmt.Errorf("%w: %s", ErrNotHelped, reason),
		Remedy: "check OAUTH_AUDIENCE, OAUTH_RESOURCE and OAUTH_SCOPE against what the server expects"}
}
