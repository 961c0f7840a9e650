package engine

import (
	"context"
	"errors"
	"time"

	"bearerd/engine/oauth"
)

// explain says why there is no token to give.
func (s *Source) explain() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.explainLocked()
}

func (s *Source) explainLocked() error {
	if s.state == Revoked {
		return s.describe(&Error{State: Revoked})
	}
	if s.trouble == nil {
		return &Error{Server: s.name, State: s.state, Reason: "no token is held"}
	}
	e := *s.trouble
	e.RetryAfter, e.Expired = max(0, time.Until(s.retryAt)), s.expired()
	return &e
}

// expired reports whether the last token's life has ended, rather than that it was refused or never there.
func (s *Source) expired() bool {
	t := s.current.Load()
	return t != nil && !t.valid(time.Now())
}

// describe turns what attempt met into the error that callers get. mu is held.
func (s *Source) describe(err error) *Error {
	e := &Error{Server: s.name, State: Failed, Expired: s.expired(), Err: err}
	var own *Error
	var wire *oauth.Error
	switch {
	case errors.As(err, &own) && own.State == Revoked:
		e.State, e.Err = Revoked, nil
		e.Reason, e.Remedy = "it was revoked", "run `bearerd refresh "+s.name+"` to get a new one"
	case errors.As(err, &own):
		e.Err, e.Reason, e.Remedy, e.RetryAfter = nil, own.Reason, "see its log, or try again later", own.RetryAfter
	case errors.As(err, &wire):
		e.Reason, e.Remedy = summary(wire), remedy(wire)
	case errors.Is(err, context.Canceled):
		e.Reason, e.Remedy = "bearerd is stopping", "start it again"
	default:
		e.Reason, e.Remedy = "the token could not be acquired", "see `bearerd status` for the cause"
	}
	return e
}

// unsent reports a local cause, such as a secret that is not set: only a person can mend it, and then wants it to work soon.
func (e *Error) unsent() bool {
	var wire *oauth.Error
	return errors.As(e.Err, &wire) && wire.Unsent
}

// final reports an answer that says no: asking again soon is pointless.
func (e *Error) final() bool {
	var wire *oauth.Error
	return e.State == Revoked || errors.As(e.Err, &wire) && wire.Final
}

// correlation is the id of the request that failed; "" when none was made.
func correlation(err error) string {
	var wire *oauth.Error
	if errors.As(err, &wire) {
		return wire.CorrelationID
	}
	return ""
}
