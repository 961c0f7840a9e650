package engine

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/google/uuid"

	"bearerd/engine/oauth"
	"bearerd/secrets"
)

// ErrNoRevocation says that the provider was not told, for want of an endpoint.
var ErrNoRevocation = errors.New("Token revocation not configured (no OAUTH_REVOCATION_URL): the token was dropped here, " +
	"but its provider accepts it until it expires")

// Revoke revokes the token at its provider (RFC 7009) and drops it here and in the store, leaving a tombstone, so that
// no process renews the grant before `refresh` is run. sent counts the tokens that the provider was told of. When it
// cannot be reached nothing is dropped.
func (s *Source) Revoke(ctx context.Context) (sent int, err error) {
	at := s.provider(ctx)
	if err := s.lookUpRevocation(ctx, at); err != nil {
		return 0, err
	}
	configured := at.RevocationURL != ""
	if configured {
		// A request that is in flight, here or in another process, brings a token that must be revoked too.
		unlock, _ := s.engine.lockOrGoOn(ctx, s.name)
		unlock()
		if sent, err = s.revokeUpstream(ctx, at, maxTries); err != nil {
			return sent, err
		}
	}
	held := len(s.held(ctx)) > 0
	err = s.forget(ctx, true, TokenRevoked)
	switch {
	case err != nil && sent > 0:
		return sent, fmt.Errorf("the provider has revoked it, but: %w", err)
	case err != nil:
		return sent, err
	case !configured:
		if held {
			s.engine.log.Warn("[OAuthService] Dropped token for "+s.name+" without revoking it", "server", s.name)
		}
		return 0, fmt.Errorf("server %q: %w", s.name, ErrNoRevocation)
	}
	return sent, nil
}

// provider is where tokens are revoked, as far as it is known.
func (s *Source) provider(ctx context.Context) *oauth.Target {
	g, err := s.load(ctx)
	r := g.record
	if c := s.localCopy(ctx); err != nil && c != nil {
		r.Metadata, r.Client = c.Metadata, c.Client
	}
	at, _ := s.target(&r) // what is not known is left out
	return at
}

// lookUpRevocation finds the endpoint of a server that the API made, where neither its file nor what was discovered names
// it. A file by hand says what it means.
func (s *Source) lookUpRevocation(ctx context.Context, at *oauth.Target) error {
	server := s.server.Load()
	if at.RevocationURL != "" || !server.Made || server.OAuth.TokenURL == "" || len(s.held(ctx)) == 0 {
		return nil
	}
	found, err := oauth.RevocationURL(ctx, s.engine.log.With("server", s.name), server, s.engine.resolve, uuid.NewString())
	if err != nil {
		return &Error{Server: s.name, State: s.status(), Reason: "where to revoke its token cannot be looked up", Err: err,
			Remedy: "the token is kept: try again"}
	}
	at.RevocationURL = found
	return nil
}

// revokeUpstream tells the provider of every token that is held, in the record or here.
func (s *Source) revokeUpstream(ctx context.Context, at *oauth.Target, tries int) (sent int, err error) {
	for _, t := range s.held(ctx) {
		if err := s.revokeOne(ctx, at, t, tries); err != nil {
			return sent, err
		}
		sent++
	}
	return sent, nil
}

func (s *Source) revokeOne(ctx context.Context, at *oauth.Target, t heldToken, tries int) error {
	log := s.engine.log.With("server", s.name)
	for try := 1; ; try++ {
		id := uuid.NewString()
		err := oauth.Revoke(ctx, log, at, s.engine.resolve, t.value, t.hint, id)
		if err == nil {
			log.Info("[OAuthService] Revoked token for "+s.name, "hint", t.hint, "correlation_id", id)
			return nil
		}
		wrapped := &Error{Server: s.name, State: s.status(), Reason: "revocation failed", Err: err,
			Remedy: "the token is kept: try again"}
		log.Warn("[OAuthService] Revocation failed for "+s.name, "correlation_id", id,
			"attempt", fmt.Sprintf("%d/%d", try, tries), "error", err)
		if try >= tries || wrapped.final() || !sleep(ctx, pause(try, wrapped)) {
			return wrapped
		}
	}
}

// heldToken is a token and its token_type_hint (RFC 7009 §2.1).
type heldToken struct {
	value secrets.Secret
	hint  string
}

// held lists the tokens that are in use here or stored, the refresh token first: without it nobody gets another.
func (s *Source) held(ctx context.Context) (tokens []heldToken) {
	g, err := s.recall(ctx)
	r := g.record
	if j := s.journal(ctx); err != nil && j != nil {
		r, err = *j, nil // the store is away, and what it has is not the newest
	}
	if err == nil && r.Refresh != "" {
		tokens = append(tokens, heldToken{secrets.New(r.Refresh), "refresh_token"})
	}
	stored := secrets.New(r.AccessToken)
	if err == nil && !stored.IsZero() {
		tokens = append(tokens, heldToken{stored, "access_token"})
	}
	if t := s.current.Load(); t != nil && !t.access.Equal(stored) {
		tokens = append(tokens, heldToken{t.access, "access_token"})
	}
	return tokens
}

// RevokeOnShutdown revokes the tokens of the servers that ask for it, side by side. It leaves no tombstones: the next
// start gets new tokens. One try each; the caller bounds ctx.
func (e *Engine) RevokeOnShutdown(ctx context.Context) {
	var wg sync.WaitGroup
	for _, s := range e.Sources() {
		if s.server.Load().RevokeOnShutdown {
			wg.Go(func() { s.revokeOnShutdown(ctx) })
		}
	}
	wg.Wait()
}

func (s *Source) revokeOnShutdown(ctx context.Context) {
	at := s.provider(ctx)
	release, err := s.engine.limits.take(ctx, at.RevocationURL)
	if err == nil {
		_, err = s.revokeUpstream(ctx, at, 1)
		release()
	}
	if err == nil {
		err = s.forget(ctx, false, TokenRevoked)
	}
	if err != nil {
		s.engine.log.Warn("[OAuthService] Token of "+s.name+" was not revoked and removed at shutdown", "server", s.name, "error", err)
	}
}
