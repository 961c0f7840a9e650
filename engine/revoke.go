package engine

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"

	"bearerd/engine/oauth"
	"bearerd/secrets"
)

// ErrNoRevocation says that the provider was not told, for want of an endpoint.
var ErrNoRevocation = errors.New("Token revocation not configured (no OAUTH_REVOCATION_URL): the token was dropped here, " +
	"but its provider accepts it until it expires")

// Revoke revokes the token at its provider (RFC 7009) and drops it here and in the store, leaving a tombstone, so that
// no process renews the grant before `refresh` is run. When the provider cannot be reached nothing is dropped.
func (s *Source) Revoke(ctx context.Context) error {
	if err := s.revokeUpstream(ctx, maxTries); err != nil && !errors.Is(err, ErrNoRevocation) {
		return err
	}
	if err := s.forget(ctx, true); err != nil {
		return err
	}
	if s.server.Load().OAuth.RevocationURL == "" {
		return fmt.Errorf("server %q: %w", s.name, ErrNoRevocation)
	}
	return nil
}

// revokeUpstream tells the provider of every token that is held, in the record or here.
func (s *Source) revokeUpstream(ctx context.Context, tries int) error {
	o := s.server.Load().OAuth
	if o.RevocationURL == "" {
		return ErrNoRevocation
	}
	for _, access := range s.held(ctx) {
		for try := 1; ; try++ {
			id := uuid.NewString()
			err := oauth.Revoke(ctx, s.engine.log, o, s.engine.resolve, access, "access_token", id)
			if err == nil {
				s.engine.log.Info("[OAuthService] Revoked token for "+s.name, "server", s.name, "correlation_id", id)
				break
			}
			wrapped := &Error{Server: s.name, State: s.status(), Reason: "revocation failed", Err: err,
				Remedy: "the token is kept: try again"}
			s.engine.log.Warn("[OAuthService] Revocation failed for "+s.name, "server", s.name, "correlation_id", id,
				"attempt", fmt.Sprintf("%d/%d", try, maxTries), "error", err)
			if try >= tries || wrapped.final() || !sleep(ctx, pause(try, wrapped)) {
				return wrapped
			}
		}
	}
	return nil
}

// held lists the tokens that are in use here or stored.
func (s *Source) held(ctx context.Context) (tokens []secrets.Secret) {
	if t := s.current.Load(); t != nil {
		tokens = append(tokens, t.access)
	}
	if r, _, err := s.engine.load(ctx, s.name, s.fingerprint); err == nil && r.AccessToken != "" {
		if stored := secrets.New(r.AccessToken); len(tokens) == 0 || !stored.Equal(tokens[0]) {
			tokens = append(tokens, stored)
		}
	}
	return tokens
}

// RevokeOnShutdown revokes the tokens of the servers that ask for it. It leaves no tombstones: the next start gets new
// tokens. One try each; the caller bounds ctx.
func (e *Engine) RevokeOnShutdown(ctx context.Context) {
	for _, s := range e.Sources() {
		if !s.server.Load().RevokeOnShutdown {
			continue
		}
		if err := s.revokeUpstream(ctx, 1); err != nil {
			e.log.Warn("[OAuthService] Token of "+s.name+" was not revoked at shutdown", "server", s.name, "error", err)
			continue
		}
		if err := s.forget(ctx, false); err != nil {
			e.log.Warn("[OAuthService] Revoked token of "+s.name+" is still in the store", "server", s.name, "error", err)
		}
	}
}

// storeTrouble notes that a token lives in memory alone.
func (s *Source) storeTrouble(err error) {
	s.mu.Lock()
	first := !s.unwritable
	s.unwritable = true
	s.mu.Unlock()
	if first {
		s.engine.log.Error("store_unwritable: the token of "+s.name+" is served, but not kept", "server", s.name, "error", err,
			"remedy", "make the state folder writable and give it space; the next renewal is kept again")
	}
}

func (s *Source) storeWritten() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.unwritable = false
}
