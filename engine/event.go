package engine

import (
	"context"
	"time"
)

// EventKind says what has happened to a server's token.
type EventKind string

// The kinds of events.
const (
	TokenAcquired    EventKind = "acquired"       // the first one of a grant, or one of an unattended grant
	TokenRefreshed   EventKind = "refreshed"      // with a refresh token
	TokenFailed      EventKind = "failed"         // an acquisition or a refresh was given up for now
	TokenRevoked     EventKind = "revoked"        // here, and at the provider if that is possible
	TokenInvalidated EventKind = "invalidated"    // dropped: the next use gets another
	SignInBegun      EventKind = "sign_in_begun"  //
	SignedIn         EventKind = "signed_in"      //
	SignInFailed     EventKind = "sign_in_failed" //
	Changed          EventKind = "changed"        // the status is another, for another reason than these
)

// Event is what has happened to the token of one server. It holds no part of a token, and nothing that an authorization
// server wrote.
type Event struct {
	At            time.Time
	Server        string
	Kind          EventKind
	Token         string // the fingerprint, see Status; "": none
	Scope         string // as granted
	Reason        string // of a failure, in words of ours
	CorrelationID string // of the request; "": none was made
}

// Observe has f called for every event from here on, in no particular goroutine. f must be quick, must not block and must
// not call the engine or its sources. It is called once, before the engine is used.
func (e *Engine) Observe(f func(Event)) { e.observe = f }

// tell hands an event on.
func (e *Engine) tell(ev Event) {
	if e.observe == nil {
		return
	}
	ev.At = time.Now()
	e.observe(ev)
}

// event is one about t; nil: about no token.
func (t *Token) event(kind EventKind) Event {
	if t == nil {
		return Event{Kind: kind}
	}
	return Event{Kind: kind, Token: t.access.Fingerprint(), Scope: t.Scope, CorrelationID: t.correlation}
}

// shown is what Status shows, but for what time alone changes.
type shown struct {
	state                     State
	token                     *Token
	trouble                   *Error
	retryAt                   time.Time
	store, storeError, wanted string
	uncommitted, signingIn    bool
	doubted                   time.Time // until when it stays so
}

// shows is what Status would show now. mu is held.
func (s *Source) shows() shown {
	now := shown{
		state: s.state, token: s.current.Load(), trouble: s.trouble, store: s.store, storeError: s.storeError, wanted: s.wanted,
		uncommitted: s.uncommitted != nil, signingIn: s.login != nil || s.asking,
	}
	if s.trouble != nil {
		now.retryAt = s.retryAt
	}
	if s.disbelief.doubts(now.token) {
		now.doubted = s.disbelief.next()
	}
	return now
}

// unlock gives mu back and tells if Status shows something else than when it was told of last. Where happened follows, mu
// is given back without it: one event for one thing.
func (s *Source) unlock() {
	now := s.shows()
	news := now != s.told && !s.retired
	s.told = now
	s.mu.Unlock()
	if news {
		s.engine.tell(Event{Server: s.name, Kind: Changed})
	}
}

// changed tells if Status shows something else. mu is not held.
func (s *Source) changed() {
	s.mu.Lock()
	s.unlock()
}

// happened tells of ev, which covers all that Status shows by now. mu is not held.
func (s *Source) happened(ev Event) {
	s.mu.Lock()
	s.told = s.shows()
	s.mu.Unlock()
	ev.Server = s.name
	s.engine.tell(ev)
}

// SigningIn tells of the browser sign-in that waits for its answer: where that is to arrive, and until when. ok is false
// if none does, or if that cannot be read.
func (s *Source) SigningIn(ctx context.Context) (redirect string, expires time.Time, ok bool) {
	p, _, err := s.pendingLogin(ctx)
	if err != nil || !p.waits() {
		return "", time.Time{}, false
	}
	return p.Redirect, p.Expires, true
}
