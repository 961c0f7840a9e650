package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"bearerd/engine/oauth"
	"bearerd/secrets"
)

// When metadata is looked at again.
const (
	metadataLife  = 24 * time.Hour // at the next renewal
	metadataPause = time.Minute    // when a person signs in
)

// heard keeps what upstream asks for: the next flight looks who may give it.
func (s *Source) heard(c oauth.Challenge) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.challenge = &c
}

// demanded is the scope that upstream's last challenge named.
func (s *Source) demanded() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.challenge == nil {
		return ""
	}
	return s.challenge.Scope
}

// settle discovers, where the configuration leaves something out, what the record does not hold yet or upstream's answer
// makes doubtful. It changes g, which the caller saves. Metadata that is only old is used when it cannot be had anew.
func (s *Source) settle(ctx context.Context, g *reading) error {
	if !s.server.Load().OAuth.Discovers() {
		return nil
	}
	s.mu.Lock()
	challenge := s.challenge
	doubtful := challenge != nil && challenge != s.settled
	s.mu.Unlock()
	old := time.Since(g.Found) > metadataLife
	if g.Metadata != nil && !doubtful && !old {
		return nil
	}
	m, err := s.discover(ctx, challenge, g.Issuer)
	switch {
	case err != nil && g.Metadata != nil && old && !doubtful:
		s.engine.log.Warn("the metadata of "+s.name+" cannot be read anew: going on with what is known", "server", s.name, "error", err)
		s.mu.Lock()
		s.settled = s.challenge // that of the probe raises no doubt
		s.mu.Unlock()
		return nil
	case err != nil:
		return err
	}
	if err := s.accept(g, m); err != nil {
		return err
	}
	if g.rev, err = s.engine.save(ctx, &g.record, g.rev); errors.Is(err, secrets.ErrConflict) {
		return errLeased // another process has written: look again
	} else if err != nil {
		s.storeTrouble(err)
	}
	s.mu.Lock()
	s.settled = s.challenge
	s.mu.Unlock()
	return nil
}

// settledTarget is whom to ask for a token.
func (s *Source) settledTarget(ctx context.Context, g *reading) (*oauth.Target, error) {
	if err := s.settle(ctx, g); err != nil {
		return nil, err
	}
	t, err := s.target(&g.record)
	if err != nil {
		return nil, &Error{Server: s.name, State: Failed, local: true, Reason: "no way to prove the client that both sides have", Err: err}
	}
	return t, nil
}

// discover asks who gives tokens for the server.
func (s *Source) discover(ctx context.Context, challenge *oauth.Challenge, prefer string) (*oauth.Metadata, error) {
	server, id := s.server.Load(), uuid.NewString()
	release, err := s.engine.limits.take(ctx, server.Resource())
	if err != nil {
		return nil, err
	}
	defer release()
	log := s.engine.log.With("server", s.name)
	if challenge == nil {
		probed, err := oauth.Probe(ctx, log, server, s.engine.resolve, id)
		if err != nil {
			return nil, err
		}
		s.heard(probed)
		challenge = &probed
	}
	m, err := oauth.Discover(ctx, log, server, s.engine.resolve, *challenge, prefer, id)
	if err != nil {
		return nil, err
	}
	log.Info("[OAuthService] Discovered the authorization server of "+s.name, "issuer", m.Issuer, "correlation_id", id)
	m.IssuerScopes = slices.DeleteFunc(m.IssuerScopes, func(scope string) bool { return scope != "offline_access" }) // the rest is never asked for
	return m, nil
}

// accept puts metadata into the record. Where it names another issuer than before, nothing of the old one is reused; a
// configured client goes to no other one by itself.
func (s *Source) accept(g *reading, m *oauth.Metadata) error {
	configured := s.server.Load().OAuth.ClientID != ""
	if configured && g.Pinned != "" && g.Pinned != m.Issuer {
		return &Error{Server: s.name, State: NeedsReauth, local: true,
			Reason: "its authorization server has changed, and the configured client belongs to the one before",
			Remedy: fmt.Sprintf("if that is right, run `bearerd logout %s`, then `bearerd %s %s`", s.name, s.again(), s.name),
			Err:    fmt.Errorf("the server names %s, not %s", m.Issuer, g.Pinned)}
	}
	if before := issuerOf(&g.record); before != "" && before != m.Issuer {
		s.engine.log.Warn("the authorization server of "+s.name+" has changed: nothing of the one before is used", "server", s.name,
			"issuer", m.Issuer, "before", before)
		s.drop(false, 0)
		g.AccessToken, g.Refresh, g.Origin, g.Dead, g.Asked, g.Wanted, g.Client = "", "", "", "", "", "", nil
	}
	g.Metadata, g.Found, g.Issuer = m, time.Now(), m.Issuer
	if configured {
		g.Pinned = m.Issuer
	}
	return nil
}

func issuerOf(r *record) string {
	if r.Issuer == "" && r.Metadata != nil {
		return r.Metadata.Issuer
	}
	return r.Issuer
}

// again is the command that gets a token once what was in its way is mended.
func (s *Source) again() string {
	if s.server.Load().OAuth.Delegated() {
		return "login"
	}
	return "refresh"
}
