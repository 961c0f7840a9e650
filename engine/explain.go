package engine

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"time"

	"bearerd/engine/oauth"
	"bearerd/secrets"
)

// explainLocked says why there is no token to give. mu is held.
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
		e.Reason, e.Remedy = "it was revoked", "run `bearerd "+s.again()+" "+s.name+"` to get a new one"
	case errors.As(err, &own):
		e.Err, e.Reason, e.Remedy, e.RetryAfter, e.local, e.consent = own.Err, own.Reason, own.Remedy, own.RetryAfter, own.local, own.consent
		e.State = cmp.Or(own.State, Failed)
		e.Remedy = cmp.Or(own.Remedy, "see its log, or try again later")
	case errors.Is(err, secrets.ErrUnavailable): // what the request needs is in Vault
		e.State, e.Reason, e.Remedy = Pending, "a secret cannot be read while Vault cannot be reached", "it is tried again by itself"
	case errors.Is(err, secrets.ErrDenied):
		e.Reason = "Vault does not give out a secret that the request needs: `bearerd status` says why"
	case errors.As(err, &wire) && s.server.Load().OAuth.Delegated() && s.endsGrant(wire):
		e.State, e.consent, e.Reason, e.Remedy = NeedsReauth, true, summary(wire), "run `bearerd login "+s.name+"`"
		if kind(wire) == "scope" {
			e.Remedy += " and approve all of OAUTH_SCOPE; else " + remedy(wire)
		}
	case errors.As(err, &wire) && wire.Code == "invalid_grant" && s.chain != "":
		e.State, e.Reason = NeedsReauth, "the authorization server does not accept the refresh token any more"
		e.Remedy = "put a new one where OAUTH_REFRESH_TOKEN refers to, " + s.server.Load().OAuth.RefreshToken.String()
	case errors.As(err, &wire):
		e.Reason, e.Remedy = summary(wire), remedy(wire)
		if o := s.server.Load().OAuth; wire.Code == "invalid_client" && !o.PrivateKeyPath.IsZero() {
			e.Remedy = "verify OAUTH_CLIENT_ID, OAUTH_PRIVATE_KEY_PATH and OAUTH_PRIVATE_KEY_ID against what the provider knows"
		}
		if ref := s.server.Load().OAuth.ClientSecret; wire.Code == "invalid_client" && !ref.IsZero() && ref.Kind != secrets.Literal {
			e.Remedy += "; the secret is that of " + ref.String()
		}
	case errors.Is(err, context.Canceled):
		e.Reason, e.Remedy = "bearerd is stopping", "start it again"
	default:
		e.Reason, e.Remedy = "the token could not be acquired", "see `bearerd status` for the cause"
	}
	return e
}

// endsGrant reports an answer after which only a person can go on.
func (s *Source) endsGrant(wire *oauth.Error) bool {
	var scope *oauth.ScopeError
	forgotten := wire.Code == "invalid_client" && s.server.Load().OAuth.ClientID == "" // of a configured one the secret is wrong
	return wire.Op == "authorization" || wire.Code == "invalid_grant" || forgotten || errors.As(wire, &scope)
}

// tell logs a failure that came before any request, when it is news; requests and the store are logged where they fail. mu
// is held.
func (s *Source) tell(e *Error) {
	mine := e.local || e.State == NeedsReauth && e.Err == nil
	if mine && (s.trouble == nil || s.trouble.Error() != e.Error()) {
		attrs := []any{"server", s.name, "remedy", e.Remedy}
		if e.Err != nil {
			attrs = append(attrs, "error", e.Err)
		}
		level := slog.LevelError
		switch {
		case e.consent && s.mayAskPerson(): // a request will
			level = slog.LevelInfo
		case e.consent:
			level = slog.LevelWarn
		}
		s.engine.log.Log(context.Background(), level, "No token for "+s.name+": "+e.Reason, attrs...)
	}
}

// unsent reports a local cause, such as a secret that is not set: only a person can mend it, and then wants it to work soon.
func (e *Error) unsent() bool {
	var wire *oauth.Error
	return e.local || errors.As(e.Err, &wire) && wire.Unsent && !errors.Is(e.Err, secrets.ErrUnavailable)
}

// final reports an answer that says no: asking again soon is pointless.
func (e *Error) final() bool {
	var wire *oauth.Error
	return e.State == Revoked || e.State == NeedsReauth || errors.As(e.Err, &wire) && wire.Final
}

// retryAfter is what the authorization server asked for.
func (e *Error) retryAfter() time.Duration {
	var wire *oauth.Error
	if errors.As(e.Err, &wire) {
		return wire.RetryAfter
	}
	return 0
}

// correlation is the id of the request that failed; "" when none was made.
func correlation(err error) string {
	var wire *oauth.Error
	if errors.As(err, &wire) {
		return wire.CorrelationID
	}
	return ""
}
