package engine

import (
	"context"
	"errors"
	"time"
)

// TokenOrNone is Token for a request that can go out without one: where upstream must first say who gives tokens, and a
// person may then be asked at once, it gives neither a token nor an error.
func (s *Source) TokenOrNone(ctx context.Context) (*Token, error) {
	if t := s.current.Load(); t != nil && t.fresh(time.Now()) || !s.mayAskPerson() || s.isKnown() {
		return s.Token(ctx)
	}
	t, err := s.slow(ctx, false)
	var own *Error
	if err == nil || !errors.As(err, &own) || !own.consent {
		return t, err
	}
	if !s.isKnown() {
		return nil, nil
	}
	return s.slow(ctx, true)
}

// isKnown reports whether upstream has said what it asks for, or need not be heard.
func (s *Source) isKnown() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.challenge != nil || !s.server.Load().OAuth.Discovers()
}

// signingIn reports whether err is for want of a person who signs in at this moment, by `bearerd login` here or in another
// process of this host.
func (s *Source) signingIn(ctx context.Context, err error) bool {
	var own *Error
	if !errors.As(err, &own) || !own.consent && !(own.State == Revoked && s.server.Load().OAuth.Delegated()) {
		return false
	}
	s.mu.Lock()
	here := s.login != nil
	s.mu.Unlock()
	if here || s.mayAskPerson() { // whose own asking has ended with err
		return here
	}
	p, _, err := s.pendingLogin(ctx)
	return err == nil && p.active()
}

// afterLogin waits until that has ended; false: ctx ended first.
func (s *Source) afterLogin(ctx context.Context) bool {
	for {
		s.mu.Lock()
		login := s.login
		s.mu.Unlock()
		if p, _, err := s.pendingLogin(ctx); login == nil && (err != nil || !p.active()) {
			return ctx.Err() == nil
		}
		select {
		case <-login: // never, where it is nil
			return true
		case <-s.gone:
			return true
		case <-time.After(waitPause / 2):
		case <-ctx.Done():
			return false
		}
	}
}

// awaitAlive waits for a flight. A token of it that was invalidated before anybody had it is not given.
func (s *Source) awaitAlive(ctx context.Context, f *flight, asked bool) (*Token, error) {
	t, err := s.await(ctx, f)
	if err == nil && t.Dropped() {
		return s.fetched(ctx, asked)
	}
	return t, err
}
