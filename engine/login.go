package engine

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"bearerd/config"
	"bearerd/engine/oauth"
	"bearerd/secrets"
)

// ErrOtherFlow is returned for an answer whose state is not that of the pending login. Nothing has changed by it.
var ErrOtherFlow = errors.New("this answer belongs to no sign-in that is under way")

// ErrNoLogin is returned for a server whose grant needs no person.
var ErrNoLogin = errors.New("no person needs to sign in for this server")

const (
	loginLife       = 5 * time.Minute
	defaultRedirect = config.DefaultRedirect
)

// Login is an authorization that a person is to give.
type Login struct {
	URL     string    // for the browser: http or https. It holds the state, so it goes to no log
	Expires time.Time // five minutes after it began
	Resumed bool      // it was pending already: a browser may show it
}

// pending is a login that waits for its answer, under flow/NAME in the sealed store of this host. There is one for a server.
type pending struct {
	Fingerprint string          `json:"fingerprint"`
	URL         string          `json:"url,omitempty"`
	Redirect    string          `json:"redirect_uri,omitempty"`
	State       string          `json:"state,omitempty"`
	Verifier    string          `json:"verifier,omitempty"`
	Device      string          `json:"device_code,omitempty"`
	Interval    time.Duration   `json:"interval,omitempty"` // between two requests with the device code
	Scope       string          `json:"scope,omitempty"`
	Metadata    *oauth.Metadata `json:"metadata,omitempty"` // as it was when the person was sent there (RFC 9207 §2.4)
	Client      *client         `json:"client,omitempty"`
	Expires     time.Time       `json:"expires_at,omitzero"`
	Asked       bool            `json:"asked,omitempty"`      // by a request, not by a command
	Generation  uint64          `json:"generation,omitempty"` // of the record then: what was revoked since is not brought back
	Rotation    uint64          `json:"rotation,omitempty"`
	Origin      string          `json:"origin,omitempty"`
	Opened      []time.Time     `json:"opened,omitempty"`    // when requests have opened a browser
	NotBefore   time.Time       `json:"not_before,omitzero"` // a person did not approve: no request asks again before
}

func flowKey(server string) string { return "flow/" + server }

// pendingLogin reads what is pending; nil when there is nothing of the present credential.
func (s *Source) pendingLogin(ctx context.Context) (p *pending, rev secrets.Revision, err error) {
	b, rev, err := s.engine.local.Store.Get(ctx, flowKey(s.name))
	if errors.Is(err, secrets.ErrNotFound) {
		return nil, "", nil
	}
	if err != nil {
		return nil, "", fmt.Errorf("reading the pending sign-in of %q: %w", s.name, err)
	}
	p = &pending{}
	if json.Unmarshal(b, p) != nil || p.Fingerprint != s.fingerprint {
		return nil, rev, nil
	}
	return p, rev, nil
}

func (s *Source) keepPending(ctx context.Context, p *pending, rev secrets.Revision) error {
	b, err := json.Marshal(p)
	if err != nil {
		return err
	}
	if _, err = s.engine.local.Store.Put(ctx, flowKey(s.name), b, rev); err != nil {
		return fmt.Errorf("keeping the pending sign-in of %q: %w", s.name, err)
	}
	return nil
}

// pause is how long no request may ask a person: never for long, whatever the clock was when it was written.
func (p *pending) pause() time.Duration {
	if p == nil {
		return 0
	}
	if wait := time.Until(p.NotBefore); wait <= refusalPause {
		return wait
	}
	return 0
}

// opened is when requests have opened a browser lately.
func (p *pending) opened() []time.Time {
	if p == nil {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(p.Opened), func(at time.Time) bool { return time.Since(at).Abs() > openPause })
}

// active reports whether a person is signing in, by a browser or a device.
func (p *pending) active() bool {
	return p.waits() || p != nil && p.Device != "" && time.Now().Before(p.Expires)
}

func (p *pending) waits() bool { return p != nil && p.State != "" && time.Now().Before(p.Expires) }

// Redirect is where the answer to a login is to arrive.
type Redirect struct {
	URI     string // of loopback, or wherever the sign-in before was begun for
	Movable bool   // another port does as well
	Pending bool   // a login waits there, unless its process has gone
}

// Redirect says where the answer to the next login is to arrive.
func (s *Source) Redirect(ctx context.Context) (Redirect, error) {
	o := s.server.Load().OAuth
	if !o.Delegated() {
		return Redirect{}, fmt.Errorf("server %q: %w", s.name, ErrNoLogin)
	}
	movable := o.ClientID == "" && o.ClientMetadataURL == "" // else the port was agreed with somebody
	p, _, err := s.pendingLogin(ctx)
	if err != nil {
		return Redirect{}, err
	}
	if p.waits() {
		return Redirect{URI: p.Redirect, Movable: movable, Pending: true}, nil
	}
	registered := ""
	if g, err := s.load(ctx); err == nil && g.Client != nil && movable {
		registered = g.Client.Redirect
	}
	return Redirect{URI: cmp.Or(o.RedirectURI, registered, defaultRedirect), Movable: movable}, nil
}

// BeginLogin prepares an authorization whose answer will arrive at redirect. One that is pending with the same redirect goes
// on; any other is replaced. It asks the network for metadata, and may register a client: with register it does so even if
// there is one.
func (s *Source) BeginLogin(ctx context.Context, redirect string, register bool) (*Login, error) {
	if !s.server.Load().OAuth.Delegated() {
		return nil, fmt.Errorf("server %q: %w", s.name, ErrNoLogin)
	}
	ctx, done := s.untilRetired(ctx)
	defer done()
	old, rev, err := s.pendingLogin(ctx)
	if err != nil {
		return nil, err
	}
	if old.waits() && old.Redirect == redirect && !register && !s.isWanting(old.Scope) {
		s.waitForLogin(old.Expires)
		s.changed()
		return &Login{URL: old.URL, Expires: old.Expires, Resumed: true}, nil
	}
	t, g, err := s.prepare(ctx, redirect, register)
	if err != nil {
		return nil, s.beforeLogin(err)
	}
	a := oauth.Authorization{RedirectURI: redirect, State: oauth.NewState(), Scope: t.Scope}
	if t.UsePKCE {
		if err := s.mayUsePKCE(g); err != nil {
			return nil, err
		}
		a.Verifier = oauth.NewVerifier()
	}
	url, err := t.URL(ctx, s.engine.resolve, a)
	if err != nil {
		return nil, s.beforeLogin(err)
	}
	p := &pending{
		Fingerprint: s.fingerprint, URL: url, Redirect: redirect, State: a.State.Reveal(), Verifier: a.Verifier.Reveal(),
		Scope: a.Scope, Metadata: g.Metadata, Client: g.Client, Expires: time.Now().Add(loginLife), Asked: s.isAsking(),
		Generation: g.Generation, Rotation: g.Rotation, Origin: g.Origin, Opened: old.opened(),
	}
	if p.Asked {
		p.Opened = append(p.Opened, time.Now())
	}
	if err := s.keepPending(ctx, p, rev); err != nil {
		return nil, err
	}
	s.waitForLogin(p.Expires)
	s.happened(Event{Kind: SignInBegun, Scope: p.Scope})
	s.engine.log.Info("[OAuthService] Waiting for a person to sign in for "+s.name, "server", s.name, "until", p.Expires)
	return &Login{URL: url, Expires: p.Expires}, nil
}

// isWanting reports whether upstream demands more than scope.
func (s *Source) isWanting(scope string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return lacking(s.wanted, scope) != ""
}

// prepare discovers and registers what an authorization needs. redirect is "" where nothing will arrive.
func (s *Source) prepare(ctx context.Context, redirect string, register bool) (*oauth.Target, *reading, error) {
	unlock, _ := s.engine.lockOrGoOn(ctx, s.name)
	defer unlock()
	for try := 1; ; try++ {
		t, g, err := s.prepared(ctx, redirect, register)
		if !errors.Is(err, errLeased) || try == maxTries || !sleep(ctx, leasePoll) {
			return t, g, err
		}
	}
}

func (s *Source) prepared(ctx context.Context, redirect string, register bool) (*oauth.Target, *reading, error) {
	if register && s.server.Load().OAuth.ClientID != "" {
		return nil, nil, &Error{Server: s.name, State: s.status(), local: true, Reason: "its client is configured, so none is registered",
			Remedy: "sign in without --register, or remove OAUTH_CLIENT_ID"}
	}
	g, err := s.load(ctx)
	if err != nil {
		return nil, nil, err
	}
	before := g.record
	if time.Since(g.Found) > metadataPause { // a person is there: look whether it is still so
		g.Found = time.Time{}
	}
	if _, err := s.look(ctx, g, true); err != nil {
		return nil, nil, err
	}
	if g.Client != nil && (register || redirect != "" && g.Client.Redirect != redirect) {
		g.Client = nil
	}
	fresh := g.record
	fresh.As = "" // who the client is is settled anew
	t, err := s.target(&fresh)
	if err == nil && fresh.Client != nil && fresh.Client.Scope != "" && lacking(t.Scope, fresh.Client.Scope) != "" {
		g.Client, fresh.Client = nil, nil // some servers hold a client to the scopes that it was registered for
		t, err = s.target(&fresh)
	}
	if err != nil {
		return nil, nil, err
	}
	if err := s.needless(g); err != nil {
		return nil, nil, err
	}
	if err := s.provable(ctx, t); err != nil {
		return nil, nil, err
	}
	if t.ClientID == "" {
		if t, err = s.register(ctx, t, g, redirect); err != nil {
			return nil, nil, err
		}
	}
	if !before.spent() { // a grant that lives stays as it is until a person has signed in
		return t, g, nil
	}
	g.rev, err = s.engine.save(ctx, &g.record, g.rev)
	if err != nil && !errors.Is(err, secrets.ErrConflict) { // another process has just done the same
		return nil, nil, err
	}
	return t, g, nil
}

// needless is the error for a server that has asked for nothing, and names nobody who could give it.
func (s *Source) needless(g *reading) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch c := s.challenge; {
	case g.Metadata == nil || !g.Metadata.DefaultEndpoints || c == nil || c.Status == 0:
		return nil
	case c.Status >= 200 && c.Status <= 299:
		return &Error{Server: s.name, State: s.state, local: true, Reason: "it answers without a token, and has no metadata: it needs no sign-in",
			Remedy: "write enabled = false, or remove oauth_config"}
	case c.Status == http.StatusNotFound:
		return &Error{Server: s.name, State: s.state, local: true, Reason: "nothing is found at its url (HTTP 404), nor any metadata",
			Remedy: "verify url, or write OAUTH_SERVER_URL"}
	}
	return nil
}

// provable fails while what proves the client cannot be read: a person should not sign in in vain.
func (s *Source) provable(ctx context.Context, t *oauth.Target) error {
	for field, ref := range map[string]secrets.Ref{"OAUTH_CLIENT_SECRET": t.ClientSecret, "OAUTH_PRIVATE_KEY_PATH": t.PrivateKeyPath} {
		if ref.IsZero() {
			continue
		}
		if _, err := s.engine.resolve.ResolveText(ctx, ref); err != nil {
			return &Error{Server: s.name, State: s.status(), local: true, Reason: field + " cannot be read",
				Remedy: "mend that, then sign in", Err: fmt.Errorf("%s: %w", field, err)}
		}
	}
	return nil
}

// register makes a client at the authorization server.
func (s *Source) register(ctx context.Context, t *oauth.Target, g *reading, redirect string) (*oauth.Target, error) {
	if t.RegistrationURL == "" {
		return nil, &Error{Server: s.name, State: NeedsReauth, local: true, Reason: ErrNoRegistration.Error(), Err: ErrNoRegistration,
			Remedy: "register one there with the redirect URI " + cmp.Or(redirect, defaultRedirect) +
				", and write OAUTH_CLIENT_ID (and OAUTH_CLIENT_SECRET, if it has one)"}
	}
	log, id := s.engine.log.With("server", s.name), uuid.NewString()
	if server := s.server.Load(); t.Scope != "" {
		t.Scope = union(t.Scope, strings.Join(server.AllowStepUp, " "))
	}
	made, err := oauth.Register(ctx, log, t, s.engine.resolve, redirect, id)
	if err != nil {
		return nil, err
	}
	log.Info("[OAuthService] Registered a client for "+s.name, "redirect_uri", redirect, "correlation_id", id)
	g.Client = &client{Issuer: t.Issuer, Redirect: redirect, ID: made.ClientID, Secret: made.ClientSecret.Reveal(),
		Method: made.Method, Scope: t.Scope, Expires: made.Expires}
	fresh := g.record
	fresh.As = "" // that of the grant before
	return s.target(&fresh)
}

// mayUsePKCE refuses to rely on a protection that the server does not say it has (MCP authorization, PKCE).
func (s *Source) mayUsePKCE(g *reading) error {
	m := g.Metadata
	if m == nil || m.DefaultEndpoints || s.server.Load().OAuth.CodeChallengeMethod != "" || slices.Contains(m.ChallengeMethods, "S256") {
		return nil
	}
	return &Error{Server: s.name, State: NeedsReauth, local: true,
		Reason: "its authorization server does not say that it supports PKCE with S256",
		Remedy: `if you know that it does, write OAUTH_CODE_CHALLENGE_METHOD = "S256"`}
}

// beforeLogin is the error of a login that could not begin.
func (s *Source) beforeLogin(err error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.describe(err)
}

// EndLogin gives the pending login up whose answer was to arrive at redirect; "": whichever there is.
func (s *Source) EndLogin(ctx context.Context, redirect string) error {
	if p, _, err := s.pendingLogin(ctx); err == nil && p != nil && redirect != "" && p.Redirect != redirect {
		return nil // another one has taken its place
	}
	defer s.loginEnded("it was given up")
	if err := s.engine.local.Store.Delete(ctx, flowKey(s.name)); err != nil {
		return fmt.Errorf("giving up the sign-in of %q: %w", s.name, err)
	}
	return nil
}

// waitForLogin lets those who need a token wait for the answer. The caller tells.
func (s *Source) waitForLogin(until time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.login == nil {
		s.login = make(chan struct{})
	}
	if s.loginTimer != nil {
		s.loginTimer.Stop()
	}
	s.loginTimer = time.AfterFunc(time.Until(until), func() { s.loginEnded("nobody finished it in time") })
}

// loginEnded lets them go. A sign-in that has not come to its end by then has failed for this reason.
func (s *Source) loginEnded(reason string) {
	s.mu.Lock()
	waiting := s.login != nil
	s.endLogin()
	s.mu.Unlock()
	if waiting {
		s.happened(Event{Kind: SignInFailed, Reason: reason})
	}
}

// endLogin lets go who waits for a login. mu is held.
func (s *Source) endLogin() {
	if s.loginTimer != nil {
		s.loginTimer.Stop()
	}
	if s.login != nil {
		close(s.login)
		s.login = nil
	}
}
