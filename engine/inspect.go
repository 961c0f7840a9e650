package engine

import (
	"context"
	"errors"
	"log/slog"
	"net/http"

	"bearerd/engine/oauth"
)

// What follows is for somebody who looks at a grant and must change nothing: an Engine whose stores refuse every write, and
// that nobody has told to KeepFresh.

// Held is what is stored of a grant.
type Held struct {
	Token      *Token // valid or not; nil: none, or none that may be used here
	Registered string // the client that was registered for it; "": none
	Err        error  // an *Error: why the grant cannot be renewed; nil: it can, as far as anybody knows
}

// Held reads what is stored of the grant of s. No refresh token is sent anywhere. The error is that of the store.
func (s *Source) Held(ctx context.Context) (*Held, error) {
	s.present(ctx)
	g, err := s.inspected(ctx)
	if err != nil {
		return nil, err
	}
	h := &Held{Token: s.tokenOf(&g.record)}
	if g.Client != nil {
		h.Registered = g.Client.ID
	}
	switch {
	case g.Revoked:
		h.Token, h.Err = nil, s.Explain(&Error{State: Revoked})
	case s.chain != "":
		if _, err = s.toSpend(ctx, g); err == nil {
			err = s.mayRotate(g)
		}
		if err != nil {
			h.Err = s.Explain(err)
		}
	}
	return h, nil
}

// inspected is recall without a commit.
func (s *Source) inspected(ctx context.Context) (*reading, error) {
	g, err := s.load(ctx)
	if err != nil {
		return g, err
	}
	switch j := s.journal(ctx); {
	case s.chain == "":
	case j == nil:
		s.remember(ctx, g)
	case j.newer(&g.record):
		g.record = *j
	}
	return g, nil
}

// Found is who gives tokens for a server, as it is found out now.
type Found struct {
	Challenge oauth.Challenge // what upstream asked for; zero: nothing had to be discovered
	Metadata  *oauth.Metadata // nil: nothing had to be discovered
	Target    *oauth.Target   // whom a token is asked for
}

// Find is what a login or an acquisition of s would find out first, whatever is stored of an earlier discovery. An issuer that
// is pinned stays the only one. The error is an *Error; what was found before it comes with it.
func (s *Source) Find(ctx context.Context) (*Found, error) {
	found := &Found{}
	g, err := s.inspected(ctx)
	if err != nil {
		return found, s.Explain(err)
	}
	if s.server.Load().OAuth.Discovers() {
		m, challenge, err := s.discover(ctx, nil, g.Issuer, false)
		if challenge != nil {
			found.Challenge = *challenge
		}
		if err != nil {
			return found, s.Explain(err)
		}
		found.Metadata = m
		if err := s.accept(g, m, false); err != nil {
			return found, s.Explain(err)
		}
	}
	if found.Target, err = s.target(&g.record); err != nil {
		return found, s.Explain(err)
	}
	if o := s.server.Load().OAuth; o.Delegated() && o.UsePKCE {
		err = s.mayUsePKCE(g)
	}
	return found, err
}

// Try asks t once for a token by client credentials, and keeps nothing of it. The error is an *Error.
func (s *Source) Try(ctx context.Context, t *oauth.Target) (*oauth.Token, error) {
	token, err := s.ask(ctx, t, func(log *slog.Logger, id string) (*oauth.Token, error) {
		return oauth.ClientCredentials(ctx, log, t, s.engine.resolve, id)
	})
	if err != nil {
		return nil, s.Explain(err)
	}
	return token, nil
}

// Explain says what an error of the wire means for s, and what to do. It is an *Error.
func (s *Source) Explain(err error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.describe(err)
}

// Needless reports whether what was found says that the server wants no token.
func (f *Found) Needless() bool {
	status := f.Challenge.Status
	return f.Metadata != nil && f.Metadata.DefaultEndpoints && status >= http.StatusOK && status < http.StatusMultipleChoices
}

// Cause is the last of the words for an error: those of the wire, without the name of the server and the remedy.
func (e *Error) Cause() string {
	if wire, ok := errors.AsType[*oauth.Error](e.Err); ok {
		return wire.Error()
	}
	if e.Err != nil {
		return e.Reason + ": " + e.Err.Error()
	}
	return e.Reason
}
