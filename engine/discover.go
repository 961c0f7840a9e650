package engine

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
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
func (s *Source) heard(c oauth.Challenge) *oauth.Challenge {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.challenge, s.heardAt = &c, time.Now()
	return s.challenge
}

// unheard forgets the scope of upstream's last challenge: the authorization server does not know it.
func (s *Source) unheard() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.wanted = ""
	if s.challenge == nil || s.challenge.Scope == "" {
		return
	}
	c := *s.challenge
	c.Scope = ""
	if s.settled == s.challenge {
		s.settled = &c
	}
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
// makes doubtful, and keeps it.
func (s *Source) settle(ctx context.Context, g *reading) error {
	found, err := s.look(ctx, g, false)
	if err != nil || !found {
		return err
	}
	if g.rev, err = s.engine.save(ctx, &g.record, g.rev); errors.Is(err, secrets.ErrConflict) {
		return errLeased // another process has written: look again
	} else if err != nil {
		s.storeTrouble(err)
	}
	return nil
}

// look is settle in memory alone. Metadata that is known is used when it cannot be had anew. login says that a person is
// there, who may begin a grant with another authorization server.
func (s *Source) look(ctx context.Context, g *reading, login bool) (found bool, err error) {
	if !s.server.Load().OAuth.Discovers() {
		return false, nil
	}
	s.mu.Lock()
	challenge := s.challenge
	doubtful := challenge != nil && challenge != s.settled
	s.mu.Unlock()
	age := time.Since(g.Found)
	if g.Metadata != nil && !doubtful && age < metadataLife && age > -clockSkew {
		return false, nil
	}
	m, challenge, err := s.discover(ctx, challenge, g.Issuer, login)
	if err == nil {
		err = s.accept(g, m, login)
	}
	if failed := (&Error{Err: err}); err != nil && (g.Metadata == nil || isOwn(err) || doubtful && failed.final() || failed.unsent()) {
		return false, err
	}
	if err != nil {
		s.engine.log.Warn("the metadata of "+s.name+" cannot be read anew: going on with what is known", "server", s.name, "error", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err == nil || !doubtful { // the challenge of a probe raises no doubt
		s.settled = challenge
	}
	return err == nil, nil
}

func isOwn(err error) bool {
	var own *Error
	return errors.As(err, &own)
}

// withoutMetadata takes what was discovered from the local copy when the record could not be read: what is configured goes
// to nobody of whom it is not known that he is the one of before.
func (s *Source) withoutMetadata(ctx context.Context, g *reading, err error) error {
	if err == nil || !s.server.Load().OAuth.Discovers() || s.engine.local.Fetch != nil {
		return nil
	}
	if c := s.copied(ctx); c != nil && c.Metadata != nil {
		g.Metadata, g.Found, g.Issuer, g.Pinned, g.PinnedClient, g.Asked = c.Metadata, c.Found, c.Issuer, c.Pinned, c.PinnedClient, c.Asked
		return nil
	}
	return &Error{Server: s.name, State: withoutRecord(err), Reason: "the store cannot be read, and it says whom the client may go to",
		Remedy: storeRemedy(err), Err: err}
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

// discover asks who gives tokens for the server. It gives the challenge that it went by too.
func (s *Source) discover(
	ctx context.Context, challenge *oauth.Challenge, prefer string, login bool,
) (*oauth.Metadata, *oauth.Challenge, error) {
	server, id := s.server.Load(), uuid.NewString()
	release, err := s.engine.limits.take(ctx, server.Resource())
	if err != nil {
		return nil, challenge, err
	}
	defer release()
	log := s.engine.log.With("server", s.name)
	if s.outdated(challenge, login) {
		probed, err := oauth.Probe(ctx, log, server, s.engine.resolve, id)
		if err != nil {
			return nil, challenge, err
		}
		probed = s.fit(ctx, nil, probed)
		if challenge = &probed; probed.Status < 500 { // else it has said nothing
			challenge = s.heard(probed)
		}
	}
	m, err := oauth.Discover(ctx, log, server, s.engine.resolve, *challenge, prefer, id)
	if err != nil {
		return nil, challenge, err
	}
	log.Info("[OAuthService] Discovered the authorization server of "+s.name, "issuer", m.Issuer, "correlation_id", id)
	m.Scopes = s.fitScopes(ctx, m.Scopes)
	m.IssuerScopes = slices.DeleteFunc(m.IssuerScopes, func(scope string) bool { return scope != "offline_access" }) // the rest is never asked for
	return m, challenge, nil
}

// outdated reports whether upstream should be asked what it wants: it has not said so, or long ago, and a person is there.
func (s *Source) outdated(c *oauth.Challenge, login bool) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return c == nil || c.Status != 0 && c.Status != http.StatusUnauthorized || login && time.Since(s.heardAt) > metadataPause
}

// errVague is what comes of metadata that was there and cannot be found: nobody has said that it is another's now.
var errVague = errors.New("the server's metadata, which was there before, cannot be found")

// accept puts metadata into the record. Where it names another issuer than before, nothing of the old one is reused, and a
// grant that lives ends by a person's new sign-in alone; a configured client goes to no other issuer by itself.
func (s *Source) accept(g *reading, m *oauth.Metadata, login bool) error {
	if had := g.Metadata; had != nil && (had.Resource != "" && m.Resource == "" || !had.DefaultEndpoints && m.DefaultEndpoints) {
		return errVague
	}
	if pinned := s.pinned(&g.record); pinned != "" && !sameIssuer(pinned, m.Issuer) {
		return &Error{Server: s.name, State: NeedsReauth, local: true,
			Reason: "its authorization server has changed, and the configured client belongs to the one before",
			Remedy: fmt.Sprintf("if that is right, run `bearerd logout %s`, then `bearerd %s %s`", s.name, s.again(), s.name),
			Err:    fmt.Errorf("the server names %s, not %s", m.Issuer, pinned)}
	}
	if before := issuerOf(&g.record); before != "" && !sameIssuer(before, m.Issuer) {
		if s.chain != "" && !g.spent() && !login { // it comes back if the metadata does
			return s.needsPerson("its authorization server has changed")
		}
		s.engine.log.Warn("the authorization server of "+s.name+" has changed: nothing of the one before is used", "server", s.name,
			"issuer", m.Issuer, "before", before)
		g.AccessToken, g.Refresh, g.Origin, g.Dead, g.Asked, g.Wanted, g.Client = "", "", "", "", "", "", nil
	}
	g.Metadata, g.Found, g.Issuer = m, time.Now(), m.Issuer
	return nil
}

// sameIssuer lets providers write the slash after a bare host or not.
func sameIssuer(a, b string) bool { return strings.TrimSuffix(a, "/") == strings.TrimSuffix(b, "/") }

// pinned is the only issuer that what is configured goes to; "": it has been nowhere yet, or its endpoint is written.
func (s *Source) pinned(r *record) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.Pinned != "" && r.PinnedClient == s.server.Load().OAuth.ClientID {
		return r.Pinned
	}
	return s.pin // the store may not take it
}

// pinTo notes where what is configured has been accepted.
func (s *Source) pinTo(r *record) {
	o := s.server.Load().OAuth
	if r.Metadata == nil || o.TokenURL != "" || o.ClientID == "" && len(o.CustomHeaders) == 0 && len(o.AdditionalParams) == 0 {
		return
	}
	r.Pinned, r.PinnedClient = r.Metadata.Issuer, o.ClientID
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pin = r.Pinned
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
