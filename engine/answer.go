package engine

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"slices"
	"time"

	"bearerd/engine/oauth"
	"bearerd/secrets"
)

// loginOrigin begins the Origin of a chain that came from a sign-in.
const loginOrigin = "login/"

const (
	redeemLimit  = 30 * time.Second
	maxQuery     = 16 << 10        // of an answer
	refusalPause = 5 * time.Minute // between a refusal and the next time that a request asks a person
)

// FinishLogin takes the query of the answer: it claims the pending login, once, and spends the code. It fails with
// ErrOtherFlow, or for good.
func (s *Source) FinishLogin(ctx context.Context, query string) (*Token, error) {
	if !s.server.Load().OAuth.Delegated() {
		return nil, fmt.Errorf("server %q: %w", s.name, ErrNoLogin)
	}
	q, err := url.ParseQuery(query)
	if err != nil || len(query) > maxQuery || len(q["state"]) != 1 {
		return nil, ErrOtherFlow
	}
	p, rev, err := s.pendingLogin(ctx)
	if err != nil {
		return nil, err
	}
	if s.isRetired() || !p.waits() || subtle.ConstantTimeCompare([]byte(p.State), []byte(q.Get("state"))) != 1 {
		return nil, ErrOtherFlow
	}
	claimed := pending{Fingerprint: p.Fingerprint, Opened: p.Opened}
	if err := s.keepPending(ctx, &claimed, rev); errors.Is(err, secrets.ErrConflict) {
		return nil, ErrOtherFlow // another process was faster
	} else if err != nil {
		return nil, err
	}
	defer s.loginEnded("it was revoked or edited while somebody signed in")
	return s.onEngineTime(func(ctx context.Context) (*Token, error) { return s.exchange(ctx, p, q) })
}

// onEngineTime runs what must not end because somebody stops waiting: a code is spent once.
func (s *Source) onEngineTime(run func(ctx context.Context) (*Token, error)) (t *Token, err error) {
	done := make(chan struct{})
	ok := s.engine.spawn(func(ctx context.Context) {
		defer close(done)
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), redeemLimit)
		defer cancel()
		t, err = run(ctx)
	})
	if !ok {
		return nil, &Error{Server: s.name, State: s.status(), Reason: "bearerd is stopping", Remedy: "start it again, then sign in again"}
	}
	<-done
	return t, err
}

func (s *Source) exchange(ctx context.Context, p *pending, q url.Values) (*Token, error) {
	code, err := oauth.Code(p.Metadata, q)
	if err != nil {
		return nil, s.notApproved(ctx, p, err)
	}
	a := oauth.Authorization{RedirectURI: p.Redirect, State: secrets.New(p.State), Verifier: secrets.New(p.Verifier), Scope: p.Scope}
	request := func(t *oauth.Target) (*oauth.Token, error) {
		return s.ask(ctx, t, func(log *slog.Logger, id string) (*oauth.Token, error) {
			return oauth.Exchange(ctx, log, t, s.engine.resolve, code, a, id)
		})
	}
	t, err := s.obtain(ctx, p, request)
	for try := 1; err != nil && unspent(err) && try < maxTries && sleep(ctx, firstPause/2); try++ {
		t, err = s.obtain(ctx, p, request)
	}
	if late := new(Error); errors.As(err, &late) && late.State == Revoked || errors.Is(err, ErrGone) {
		return nil, err
	}
	if err != nil {
		s.discard(ctx, p, err)
		return nil, s.notApproved(ctx, p, err)
	}
	return t, nil
}

// discard revokes what an answer has given that is of no use.
func (s *Source) discard(ctx context.Context, p *pending, err error) {
	var wire *oauth.Error
	if errors.As(err, &wire) && !wire.Rotated.IsZero() {
		s.revokeUnlessAlive(ctx, p, &oauth.Token{RefreshToken: wire.Rotated})
	}
}

// revokeUnlessAlive revokes the tokens of a sign-in that came to nothing, unless another grant lives: some providers would
// end that too.
func (s *Source) revokeUnlessAlive(ctx context.Context, p *pending, answer *oauth.Token) {
	if g, err := s.load(ctx); err != nil || !g.spent() {
		return
	}
	if at, err := s.target(&record{Metadata: p.Metadata, Client: p.Client}); err == nil && at.RevocationURL != "" {
		s.revokeAnswer(ctx, at, answer)
	}
}

// unspent reports a failure after which the code may still be good: the authorization server was not reached, or is too busy.
func unspent(err error) bool {
	var wire *oauth.Error
	return errors.As(err, &wire) && wire.Code == "" && !wire.Ambiguous && !wire.Unsent && (wire.Status == 0 || wire.Status == 429 || wire.Status >= 500)
}

// obtain gets the first tokens of a grant and keeps them, the refresh token before anything else can go wrong.
func (s *Source) obtain(ctx context.Context, p *pending, request func(*oauth.Target) (*oauth.Token, error)) (*Token, error) {
	put, free, err := s.engine.local.Reserve(ctx, copyKey(s.name))
	if err != nil {
		return nil, &Error{Server: s.name, local: true, Reason: "there is no room for the answer to a sign-in",
			Remedy: "make the state folder writable and give it space, then sign in again", Err: err}
	}
	defer free()
	at := record{Metadata: p.Metadata, Client: p.Client, Asked: p.Scope}
	t, err := s.target(&at)
	if err != nil {
		return nil, err
	}
	t.Scope = p.Scope
	answer, err := request(t)
	if err != nil {
		return nil, err
	}
	return s.begun(context.WithoutCancel(ctx), p, answer, put)
}

// begun puts a new grant in the place of what was there, be it revoked or not.
func (s *Source) begun(ctx context.Context, p *pending, answer *oauth.Token, put writer) (*Token, error) {
	unlock, _ := s.engine.lockOrGoOn(ctx, s.name)
	defer unlock()
	for try := 1; ; try++ {
		g, err := s.load(ctx)
		if err != nil { // else the commit could not tell what it replaces
			g.Generation, g.Rotation, g.Origin = p.Generation, p.Rotation, p.Origin
			if c := s.localCopy(ctx); c != nil && c.Generation >= p.Generation {
				g.Generation, g.Rotation, g.Origin = c.Generation, c.Rotation, c.Origin
			}
		}
		if s.isRetired() || g.Revoked && g.Generation > p.Generation { // edited, removed or logged out since it began
			return nil, s.unwelcome(ctx, p, answer)
		}
		r := s.renewed(&flight{}, &g.record, answer)
		r.Replaces, r.Origin = g.Origin, loginOrigin+rand.Text() // some providers give two grants the same refresh token
		r.Metadata, r.Client, r.Asked, r.Wanted, r.Issuer = p.Metadata, p.Client, p.Scope, lacking(g.Wanted, p.Scope), ""
		if p.Metadata != nil {
			r.Issuer = p.Metadata.Issuer
		}
		if at, err := s.target(&record{Metadata: p.Metadata, Client: p.Client}); err == nil {
			r.As = at.ClientID
		}
		r.Pinned, r.PinnedClient = "", ""
		s.pinTo(&r)
		if r.Place = ""; !s.engine.shared {
			r.Place = s.engine.local.Place
		}
		if try == 1 {
			s.writeJournal(ctx, r, put)
		}
		if err == nil {
			_, err = s.engine.save(ctx, &r, g.rev)
		}
		if errors.Is(err, secrets.ErrConflict) && try < maxTries && sleep(ctx, leasePoll) {
			continue // another process has just renewed what this replaces
		}
		t := s.granted(&r, answer)
		s.enter(t)
		s.acquired(r)
		if err != nil {
			s.happened(t.event(SignedIn))
			s.storeTrouble(err)
			s.engine.spawn(s.commitLater)
			return t, nil
		}
		s.committed(ctx, r)
		s.happened(t.event(SignedIn))
		s.storeWritten()
		return t, nil
	}
}

// unwelcome revokes what came too late to be used, where that is possible.
func (s *Source) unwelcome(ctx context.Context, p *pending, answer *oauth.Token) error {
	s.revokeUnlessAlive(ctx, p, answer)
	if s.isRetired() {
		return ErrGone
	}
	return &Error{Server: s.name, State: Revoked, Reason: "it was revoked while somebody signed in", Remedy: "run `bearerd login " + s.name + "`"}
}

// enter puts the token of a new grant in service, whatever went before. The caller tells.
func (s *Source) enter(t *Token) {
	s.believe()
	s.mu.Lock()
	s.floor, s.wanted, s.entered = 0, lacking(s.wanted, t.Scope), t.Generation
	s.mu.Unlock()
	s.adopt(t)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.endLogin()
	s.plan()
}

// notApproved is the error of a login that gave no token. Requests do not ask again for a while.
func (s *Source) notApproved(ctx context.Context, begun *pending, err error) error {
	var wire *oauth.Error
	gone := errors.As(err, &wire) && wire.Code == "invalid_client" && s.server.Load().OAuth.ClientID == "" && begun.Client != nil
	if gone {
		s.unregister(ctx, begun.Client)
	}
	if wire != nil && wire.Code == "invalid_scope" {
		s.unheard()
		s.noLongerWanted(ctx)
	}
	if p, rev, readErr := s.pendingLogin(ctx); readErr == nil && p != nil && !gone && wire != nil && !wire.Unsent {
		_ = s.keepPending(ctx, &pending{Fingerprint: p.Fingerprint, NotBefore: time.Now().Add(refusalPause), Opened: p.opened()}, rev)
	}
	s.mu.Lock()
	e := s.describe(err)
	e.State, e.consent = NeedsReauth, true
	if wire != nil && unapproved(wire) != "" {
		e.Reason, e.Remedy = unapproved(wire), "run `bearerd login "+s.name+"`"
	}
	if gone {
		e.Err = fmt.Errorf("%w: %w", ErrUnregistered, err)
	}
	if t := s.current.Load(); t == nil || !t.valid(time.Now()) {
		s.trouble, s.state = e, NeedsReauth
	}
	s.endLogin()
	s.mu.Unlock()
	s.happened(Event{Kind: SignInFailed, Reason: e.Reason, CorrelationID: correlation(err)})
	if wire != nil && unapproved(wire) != "" {
		s.engine.log.Warn("the sign-in for "+s.name+" has failed: "+e.Reason, "server", s.name, "error", err)
	}
	return e
}

// noLongerWanted forgets demands that the authorization server does not know: each later sign-in would fail for them.
func (s *Source) noLongerWanted(ctx context.Context) {
	g, err := s.load(ctx)
	if err != nil || g.Wanted == "" {
		return
	}
	g.Wanted = ""
	_, _ = s.engine.save(ctx, &g.record, g.rev) // else the next sign-in finds it once more
}

// unapproved says in words of ours what a person or the authorization server made of a sign-in (RFC 6749 §4.1.2.1, RFC 8628
// §3.5); "": it was a token request that failed.
func unapproved(wire *oauth.Error) string {
	switch {
	case wire.Code == "access_denied":
		return "the sign-in was refused"
	case wire.Code == "expired_token":
		return "nobody approved the sign-in in time"
	case wire.Op != "authorization":
		return ""
	case slices.Contains(known, wire.Code):
		return "the authorization server answered the sign-in with " + wire.Code
	}
	return "the answer to the sign-in cannot be used"
}

// unregister forgets a registration that the authorization server does not know any more: the next login registers anew.
func (s *Source) unregister(ctx context.Context, c *client) {
	unlock, _ := s.engine.lockOrGoOn(ctx, s.name)
	defer unlock()
	g, err := s.load(ctx)
	if err != nil || g.Client == nil || c == nil || g.Client.ID != c.ID {
		return
	}
	s.engine.log.Warn("the authorization server does not know the registered client of "+s.name+" any more", "server", s.name)
	g.Client = nil
	_, _ = s.engine.save(ctx, &g.record, g.rev) // else the next login finds it once more
}
