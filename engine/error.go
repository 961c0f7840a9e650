package engine

import (
	"errors"
	"fmt"
	"time"
)

// State is what a source is doing.
type State string

// The states of a source.
const (
	Pending     State = "pending"      // no token yet, none refused
	Authorized  State = "authorized"   // a valid token is held
	Refreshing  State = "refreshing"   // a valid token is held and a newer one is on its way
	NeedsReauth State = "needs_reauth" // a person must sign in
	Failed      State = "failed"       // no valid token; the engine goes on trying
	Revoked     State = "revoked"      // revoked on purpose; `refresh` ends it
)

// ErrGone is returned by a source whose server was removed or whose credential changed.
var ErrGone = errors.New("this server's settings have changed: ask again")

// ErrUnregistered is wrapped where the authorization server does not know the client any more that it had registered: the
// next login registers anew.
var ErrUnregistered = errors.New("the authorization server has forgotten the registration of the client")

// ErrNoRegistration is wrapped where a client would have to be registered, and the authorization server registers none: only
// a configured one helps.
var ErrNoRegistration = errors.New("its authorization server registers no clients by itself, and none is configured")

// ErrNotHelped is wrapped where upstream's refusal is its last word: no other token would change it.
var ErrNotHelped = errors.New("upstream refuses the token that there is")

// ErrUnknown is returned for a server name that holds no source.
var ErrUnknown = errors.New("no token is kept for this name")

// Error says why a source has no token to give. Reason and Remedy hold nothing that an authorization server wrote, so
// they may be shown to an MCP caller; the wrapped error is for the log and the command line.
type Error struct {
	Server     string
	State      State
	Expired    bool          // a token was held and its life ended
	Reason     string        // what happened
	Remedy     string        // what to do now
	RetryAfter time.Duration // when the engine tries again; 0: it does not, or not yet known
	Err        error

	local   bool // the cause is on this host: nothing was asked
	consent bool // a person must sign in
}

// Error is the whole story, for the log and the command line.
func (e *Error) Error() string {
	reason := e.Reason
	if e.Err != nil {
		reason = e.Err.Error()
	}
	text := fmt.Sprintf("server %q: %s", e.Server, reason)
	if e.Remedy != "" {
		text += ": " + e.Remedy
	}
	return text
}

// ForCaller is the text for an MCP caller. It begins with the documented words for a dead token.
func (e *Error) ForCaller() string {
	word := "invalid"
	if e.Expired {
		word = "expired"
	}
	text := fmt.Sprintf("OAuth token %s for server %q: %s", word, e.Server, e.Reason)
	if e.Remedy != "" {
		text += ": " + e.Remedy
	}
	return text
}

func (e *Error) Unwrap() error { return e.Err }
