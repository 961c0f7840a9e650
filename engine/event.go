package engine

import "time"

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
