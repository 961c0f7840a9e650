package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"bearerd/engine/oauth"
	"bearerd/secrets"
)

// rotate renews a grant whose refresh token may be spent once. In order: room on disk, the lease, the request, the journal,
// the commit. Once the lease is taken, the end of ctx interrupts nothing: a token that was spent and not kept is the end
// of the grant.
func (s *Source) rotate(ctx context.Context, f *flight, g *reading) (*Token, error) {
	if err := s.mayRotate(g); err != nil {
		return nil, err
	}
	if s.leased(g) {
		s.serveStored(f, s.tokenOf(&g.record))
		return nil, errLeased
	}
	if s.server.Load().OAuth.Delegated() && g.spent() { // nobody is asked anything until a person signs in
		return nil, s.notSignedIn(g)
	}
	t, err := s.settledTarget(ctx, g)
	if err != nil {
		return nil, err
	}
	begun := g.Origin
	token, err := s.toSpend(ctx, g)
	if err != nil {
		return nil, err
	}
	if t.ClientID == "" {
		return nil, s.needsPerson("the registration of its client has ended")
	}
	release, err := s.engine.limits.take(ctx, t.TokenURL)
	if err != nil {
		return nil, err
	}
	defer release()
	put, free, err := s.engine.local.Reserve(ctx, copyKey(s.name))
	if err != nil {
		return nil, &Error{Server: s.name, local: true, Reason: "there is no room for the answer to a refresh token",
			Remedy: "make the state folder writable and give it space", Err: err}
	}
	defer free()
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	watch, stop := startStopwatch(), ctx
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), leaseLife-leaseMargin)
	defer cancel()
	if err := s.claim(ctx, g); err != nil {
		return nil, err
	}
	if g.Origin != begun {
		if err := s.markOrigin(ctx, g.Origin); err != nil {
			if onlyLooked(err) { // it was in use before
				g.Dead = token.Fingerprint()
			}
			return nil, s.giveBack(ctx, f, g, err)
		}
	}
	answer, err := s.spend(ctx, t, token, watch)
	if err != nil {
		return nil, s.giveBack(ctx, f, g, s.notRenewed(ctx, g, token, err, put))
	}
	ctx, cancel = soonAfter(ctx, stop)
	defer cancel()
	return s.commit(ctx, f, g, answer, put)
}

// stopPatience is how long a stop waits for the commit of what is in the journal.
const stopPatience = 3 * time.Second

// soonAfter is ctx, ended a moment after stop has ended.
func soonAfter(ctx, stop context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	detach := context.AfterFunc(stop, func() {
		sleep(ctx, stopPatience)
		cancel()
	})
	return ctx, func() {
		detach()
		cancel()
	}
}

// mayRotate refuses to spend what may be spent elsewhere too.
func (s *Source) mayRotate(g *reading) error {
	local := s.engine.local
	switch {
	case s.engine.shared:
		return nil
	case local.Network != "":
		return &Error{Server: s.name, local: true, Reason: "the state folder lies on " + local.Network + ", where locks cannot be trusted: " +
			"no refresh token is spent from there", Remedy: "put the state folder on a local disk, or keep tokens in store \"vault\""}
	case g.Place != "" && local.Place != "" && g.Place != local.Place:
		return &Error{Server: s.name, State: NeedsReauth, Reason: "the state folder is a copy of another one, which may spend the same refresh token",
			Remedy: "if the other one is gone for good, run `bearerd store adopt`; else put a new refresh token where OAUTH_REFRESH_TOKEN refers to"}
	}
	return nil
}

// spent reports whether there is no refresh token that could be of use.
func (r *record) spent() bool {
	return r.Refresh == "" || secrets.New(r.Refresh).Fingerprint() == r.Dead
}

// toSpend is the refresh token of the record or, when that is dead or there is none, a newly supplied one.
func (s *Source) toSpend(ctx context.Context, g *reading) (secrets.Secret, error) {
	held := secrets.New(g.Refresh)
	if !g.spent() {
		return held, s.claimOrigin(g.Origin)
	}
	if s.server.Load().OAuth.Delegated() {
		return held, s.notSignedIn(g)
	}
	ref := s.server.Load().OAuth.RefreshToken
	supplied, err := s.engine.resolve.Resolve(ctx, ref)
	if err != nil {
		err = fmt.Errorf("OAUTH_REFRESH_TOKEN: %w", err)
		if errors.Is(err, secrets.ErrUnavailable) || errors.Is(err, secrets.ErrDenied) {
			return held, err
		}
		return held, &Error{Server: s.name, local: true, Reason: "OAUTH_REFRESH_TOKEN cannot be read",
			Remedy: "once it is mended where bearerd runs, the next try uses it", Err: err}
	}
	if supplied.Fingerprint() == g.Origin {
		return held, s.spentAlready(g, ref)
	}
	g.Refresh, g.Origin, g.Dead, g.AccessToken, g.Moved = supplied.Reveal(), supplied.Fingerprint(), "", "", ""
	return supplied, s.claimOrigin(g.Origin)
}

// notSignedIn says why there is nothing to renew a grant from that a person must give.
func (s *Source) notSignedIn(g *reading) error {
	switch {
	case g.Dead != "":
		return s.needsPerson("the authorization server does not accept the refresh token any more")
	case g.Moved != "":
		return s.needsPerson("its sign-in was taken over by " + g.Moved)
	case g.Issued.IsZero():
		return s.needsPerson("nobody has signed in yet")
	}
	return s.needsPerson("its token has ended, and came without a refresh token")
}

// spentAlready is the error for a chain that only a new refresh token can go on from.
func (s *Source) spentAlready(g *reading, ref secrets.Ref) error {
	e := &Error{Server: s.name, State: NeedsReauth, Reason: "the refresh token is spent or was refused",
		Remedy: "put a new one where OAUTH_REFRESH_TOKEN refers to, " + ref.String()}
	if g.Moved != "" {
		back := fmt.Sprintf("write moved_from = %q", g.Moved)
		if g.Moved == inVault {
			back = "configure " + inVault + " again"
		}
		e.Reason = "its refresh token was taken over by " + g.Moved
		e.Remedy = fmt.Sprintf("to take it back %s; else put a new one where OAUTH_REFRESH_TOKEN refers to, %s", back, ref)
	}
	return e
}

// claimOrigin refuses to let two servers of this process spend one chain.
func (s *Source) claimOrigin(origin string) error {
	e := s.engine
	e.mu.Lock()
	defer e.mu.Unlock()
	if other := e.origins[origin]; other != nil && other != s && !other.isRetired() {
		return &Error{Server: s.name, State: NeedsReauth, Reason: fmt.Sprintf("its refresh token is the one of server %q, and may be spent by one only", other.name),
			Remedy: "get a refresh token for each of them"}
	}
	e.origins[origin] = s
	return nil
}

// markOrigin notes that a supplied refresh token is taken into use: it is sent once, whatever becomes of the record.
func (s *Source) markOrigin(ctx context.Context, origin string) error {
	key := "origin/" + origin
	_, err := s.engine.store.Put(ctx, key, []byte(s.name), "")
	if !errors.Is(err, secrets.ErrConflict) {
		return err
	}
	by, _, err := s.engine.store.Get(ctx, key)
	if err != nil {
		return err
	}
	e := &Error{Server: s.name, State: NeedsReauth, Reason: "its refresh token was taken into use before, and what came of it is not in the store any more",
		Remedy: "put a new one where OAUTH_REFRESH_TOKEN refers to, " + s.server.Load().OAuth.RefreshToken.String()}
	if name := string(by); name != s.name {
		e.Reason = fmt.Sprintf("its refresh token is the one of server %q, and may be spent by one only", name)
	}
	return e
}

// claim takes the lease.
func (s *Source) claim(ctx context.Context, g *reading) (err error) {
	g.Lease = &lease{Owner: s.owner, Life: leaseLife.Milliseconds()}
	g.Place = ""
	if local := s.engine.local.Place; !s.engine.shared {
		g.Place = local
	}
	if g.locked {
		g.Lease.Place = s.lockPlace()
	}
	if g.rev, err = s.engine.save(ctx, &g.record, g.rev); errors.Is(err, secrets.ErrConflict) {
		return errLeased // somebody was faster
	}
	if err != nil {
		s.storeTrouble(err)
		return &Error{Server: s.name, State: s.status(), Reason: "the store takes no lease, and without one no refresh token is spent",
			Remedy: storeRemedy(err), Err: err}
	}
	return nil
}

// spend sends the refresh token. When no answer comes it is sent once more: many servers answer a repetition alike. The
// watch is looked at directly before each: until then secrets are read, which may take long, and the machine may sleep.
func (s *Source) spend(ctx context.Context, t *oauth.Target, token secrets.Secret, watch stopwatch) (*oauth.Token, error) {
	fence := func() error {
		if watch.elapsed() > leaseLife-leaseMargin-sendBudget {
			return errLeased
		}
		return nil
	}
	request := func(log *slog.Logger, id string) (*oauth.Token, error) {
		return oauth.RefreshToken(ctx, log, t, s.engine.resolve, token, id, fence)
	}
	answer, err := s.ask(ctx, t, request)
	var wire *oauth.Error
	if errors.As(err, &wire) && wire.Ambiguous && fence() == nil {
		s.engine.log.Warn("no answer came to the refresh token of "+s.name+": sending it once more", "server", s.name)
		if again, secondErr := s.ask(ctx, t, request); !errors.Is(secondErr, errLeased) {
			answer, err = again, secondErr
		}
	}
	if err == nil && answer.RefreshToken.IsZero() {
		answer.RefreshToken = token // RFC 6749 §6: it stays in use
	}
	return answer, err
}

// notRenewed says what a failure means, and notes in g when it is the end of the refresh token.
func (s *Source) notRenewed(ctx context.Context, g *reading, token secrets.Secret, err error, put writer) error {
	var wire *oauth.Error
	if !errors.As(err, &wire) {
		return err
	}
	if !wire.Rotated.IsZero() { // the answer is refused, but the token in it is the only one left
		g.Refresh, g.Dead = wire.Rotated.Reveal(), ""
		g.Rotation++
		s.writeJournal(ctx, g.record, put)
		return err
	}
	if forgotten := wire.Code == "invalid_client" && g.Client != nil; forgotten { // and what it was given with it
		g.Client, g.Dead = nil, token.Fingerprint()
		return err
	}
	if wire.Code != "invalid_grant" {
		return err
	}
	if now, readErr := s.load(ctx); readErr == nil && now.Refresh != g.Refresh {
		return errLeased // another process has rotated it: look at what it got
	}
	g.Dead = token.Fingerprint()
	return err
}

// giveBack releases the lease and tells the others when to ask again. It returns why.
func (s *Source) giveBack(ctx context.Context, f *flight, g *reading, why error) error {
	failed := &Error{Err: why}
	g.Lease = nil
	if !failed.final() && !failed.unsent() && !errors.Is(why, errLeased) {
		g.Backoff = time.Now().Add(max(firstPause, min(failed.retryAfter(), longestPause)))
	}
	stored := s.tokenOf(&g.record)
	_, err := s.engine.save(ctx, &g.record, g.rev)
	if errors.Is(err, secrets.ErrConflict) { // an invalidation, say, has kept the lease in what it wrote
		if now, readErr := s.load(ctx); readErr == nil && now.Lease != nil && now.Lease.Owner == s.owner {
			now.Lease, now.Dead, now.Backoff = nil, g.Dead, g.Backoff
			now.Refresh, now.Rotation = g.Refresh, g.Rotation
			_, err = s.engine.save(ctx, &now.record, now.rev)
		}
	}
	s.mu.Lock()
	uncommitted := s.uncommitted != nil
	s.mu.Unlock()
	switch {
	case err == nil && uncommitted:
		s.committed(ctx, g.record)
	case err != nil && uncommitted:
		s.engine.spawn(s.commitLater)
	}
	if err != nil && !errors.Is(err, secrets.ErrConflict) {
		s.storeTrouble(err)
	}
	if !errors.Is(why, errLeased) {
		s.fallBack(f, stored)
	}
	return why
}

// commit keeps an answer: in the journal, then in service, then in the store.
func (s *Source) commit(ctx context.Context, f *flight, g *reading, answer *oauth.Token, put writer) (*Token, error) {
	r, kind := s.renewed(f, &g.record, answer), TokenRefreshed
	if r.Rotation == 1 {
		kind = TokenAcquired
	}
	s.writeJournal(ctx, r, put)
	t := s.granted(&r, answer)
	s.acquired(r)
	s.adopt(t)
	s.letGo(f)
	_, err := s.engine.save(ctx, &r, g.rev)
	if err == nil {
		s.committed(ctx, r)
	}
	s.happened(t.event(kind))
	switch {
	case err == nil:
		s.storeWritten()
		return t, nil
	case !errors.Is(err, secrets.ErrConflict):
		s.storeTrouble(err)
	}
	now, err := s.recall(ctx) // the lease may have been taken over, or the grant revoked, meanwhile
	switch {
	case err == nil && now.Revoked:
		return nil, s.tooLate(ctx, answer)
	case err == nil && now.AccessToken != r.AccessToken:
		return nil, errLeased // others have gone on without it
	case err != nil:
		s.engine.spawn(s.commitLater)
	}
	return t, nil
}

// journalPatience is for the lock of the state folder, whose holder may have been stopped.
const journalPatience = 10 * time.Second

// writer writes into room that was made before.
type writer = func(context.Context, []byte) error

// writeJournal keeps a new refresh token on this host, before anything else can go wrong. The caller tells.
func (s *Source) writeJournal(ctx context.Context, r record, put writer) {
	r.Pending = true
	b, _ := json.Marshal(r) // strings, numbers and times
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), journalPatience)
	defer cancel()
	err := put(ctx, b)
	if err != nil {
		s.engine.log.Error("a new refresh token of "+s.name+" could not be written to the journal; it is in memory alone until the store has it",
			"server", s.name, "error", err)
	}
	s.mu.Lock()
	s.uncommitted, s.unjournaled = &r, err != nil
	s.mu.Unlock()
}

// tooLate revokes what came after the grant was revoked by somebody else.
func (s *Source) tooLate(ctx context.Context, answer *oauth.Token) error {
	s.drop(true, 0)
	if at := s.provider(ctx); at.RevocationURL != "" {
		s.revokeAnswer(ctx, at, answer)
	}
	s.happened(Event{Kind: TokenRevoked, Token: answer.AccessToken.Fingerprint(), Scope: answer.Scope, CorrelationID: answer.CorrelationID})
	return &Error{Server: s.name, State: Revoked}
}

func (s *Source) revokeAnswer(ctx context.Context, at *oauth.Target, answer *oauth.Token) {
	for _, t := range []heldToken{{answer.RefreshToken, "refresh_token"}, {answer.AccessToken, "access_token"}} {
		if !t.value.IsZero() {
			_ = s.revokeOne(ctx, at, t, 1) // it logs
		}
	}
}
