package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/google/uuid"

	"bearerd/engine/oauth"
	"bearerd/secrets"
)

// flight is one acquisition that any number of callers wait for.
type flight struct {
	after    uint64        // a stored token of a later generation will do
	tries    int           // requests to send at the most
	forced   bool          // a person's wish: neither a tombstone nor another process's failure stops it
	revoked  bool          // begun in the state Revoked: it may find that another process has ended that
	done     chan struct{} // closed at the end, when token and err are set
	fallback chan struct{} // closed when a first try failed, but a valid token is held
	token    *Token
	err      *Error
}

// failure is err as an error that is nil when there is none.
func (f *flight) failure() error {
	if f.err == nil {
		return nil
	}
	return f.err
}

// landed is a flight that has ended with t.
func landed(t *Token) *flight {
	f := &flight{token: t, done: make(chan struct{})}
	close(f.done)
	return f
}

// join returns the flight under way or begins one, unless the last one failed too recently to try again. The caller has
// looked without the lock: a flight that has landed since then will do.
func (s *Source) join(after uint64) (*flight, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	held := s.current.Load()
	switch {
	case s.retired:
		return nil, ErrGone
	case s.flight != nil:
		return s.flight, nil
	case held != nil && held.Generation > after && held.fresh(time.Now()):
		return landed(held), nil
	case time.Now().Before(s.retryAt):
		return nil, s.explainLocked()
	}
	return s.begin(after, false)
}

// force returns the flight under way or begins one, whatever happened before, a revocation too.
func (s *Source) force(after uint64) (*flight, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.retired {
		return nil, ErrGone
	}
	if s.flight != nil {
		return s.flight, nil
	}
	s.failures = 0
	return s.begin(after, true)
}

// begin starts a flight. mu is held.
func (s *Source) begin(after uint64, forced bool) (*flight, error) {
	after = max(after, s.floor)
	f := &flight{after: after, tries: 1, forced: forced, revoked: s.state == Revoked}
	f.done, f.fallback = make(chan struct{}), make(chan struct{})
	if s.failures == 0 {
		f.tries = maxTries
	}
	if s.timer != nil {
		s.timer.Stop()
	}
	if !s.engine.spawn(func(ctx context.Context) { s.fly(ctx, f) }) {
		return nil, &Error{Server: s.name, State: s.state, Reason: "bearerd is stopping", Remedy: "start it again"}
	}
	s.flight = f
	if s.state == Authorized {
		s.state = Refreshing
	}
	return f, nil
}

// fly tries until a token is there, the tries are used up, or an answer is final.
func (s *Source) fly(ctx context.Context, f *flight) {
	defer s.land(f)
	for try := 1; ; try++ {
		t, err := s.attempt(ctx, f)
		if err == nil {
			f.token, f.err = t, nil
			return
		}
		wait := s.failed(f, err)
		if ctx.Err() != nil || f.err.final() || f.err.unsent() || try == f.tries || wait > longestWait {
			s.stats.failed(f.err)
			return
		}
		s.engine.log.Warn(fmt.Sprintf("Retrying token acquisition for %s, attempt %d/%d", s.name, try+1, f.tries),
			"server", s.name, "in", wait.Round(time.Millisecond), "correlation_id", correlation(err))
		if !sleep(ctx, wait) {
			return
		}
	}
}

// attempt asks once, unless another process of this host has a newer token by now. It holds the host's lock.
func (s *Source) attempt(ctx context.Context, f *flight) (*Token, error) {
	unlock := s.engine.lockOrGoOn(ctx, s.name)
	defer unlock()
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	rec, rev, err := s.engine.load(ctx, s.name, s.fingerprint)
	if err != nil {
		s.storeTrouble(err)
	}
	stored := rec.token(s.buffer())
	if !f.forced {
		if rec.Revoked || f.revoked && rec.Generation <= f.after {
			return nil, &Error{Server: s.name, State: Revoked}
		}
		if wait := time.Until(rec.Backoff); wait > 0 && wait <= longestWait {
			s.fallBack(f, stored)
			return nil, &Error{Server: s.name, RetryAfter: wait, Reason: "another process of this host asked a moment ago and failed"}
		}
	}
	if stored != nil && stored.Generation > f.after && stored.fresh(time.Now()) {
		s.adopt(stored)
		return stored, nil
	}
	answer, err := s.ask(ctx)
	if err != nil {
		s.fallBack(f, stored)
		s.shareFailure(ctx, err, rec, rev)
		return nil, err
	}
	return s.keep(ctx, f, answer, rec, rev), nil
}

// ask sends one token request and tells of it.
func (s *Source) ask(ctx context.Context) (*oauth.Token, error) {
	o := s.server.Load().OAuth
	release, err := s.engine.limits.take(ctx, o.TokenURL)
	if err != nil {
		return nil, err
	}
	defer release()
	id, log := uuid.NewString(), s.engine.log.With("server", s.name)
	log.Info("[OAuthService] Token request correlation_id="+id+" for "+s.name, "correlation_id", id)
	start := time.Now()
	t, err := oauth.ClientCredentials(ctx, log, o, s.engine.resolve, id)
	if err == nil || !(&Error{Err: err}).unsent() {
		s.stats.took(time.Since(start))
	}
	if err != nil {
		s.logFailure(ctx, log, id, err)
		return nil, err
	}
	expires := "no expiry given"
	if t.ExpiresIn > 0 {
		expires = fmt.Sprintf("expires in %ds", int(t.ExpiresIn.Seconds()))
	}
	log.Info("[OAuthService] Successfully obtained token for "+s.name+", "+expires, "correlation_id", id)
	if t.MissingScopes != "" {
		log.Warn("[OAuthService] Token scopes validation failed for "+s.name, "missing", t.MissingScopes, "correlation_id", id)
	}
	if t.ExpiresGuessed {
		log.Warn("[OAuthService] The expires_in for "+s.name+" cannot be read", "assumed", t.ExpiresIn, "correlation_id", id)
	}
	if !t.ScopeGiven {
		t.Scope = o.Scope // RFC 6749 §5.1: absent means as requested
	}
	return t, nil
}

// shareFailure lets the processes that wait for the lock know, so that a server that hangs is not asked by each of them
// in turn. A final answer is not shared: a person may be at work on its cause.
func (s *Source) shareFailure(ctx context.Context, err error, rec record, rev secrets.Revision) {
	failed := &Error{Err: err}
	if failed.final() || failed.unsent() || ctx.Err() != nil {
		return
	}
	rec.Backoff = time.Now().Add(firstPause)
	if err := s.engine.save(ctx, rec, rev); err != nil {
		s.storeTrouble(err)
	}
}

// logFailure logs at the documented levels: a scope that was not granted is a warning, the rest are errors.
func (s *Source) logFailure(ctx context.Context, log *slog.Logger, id string, err error) {
	level, remedyText := slog.LevelError, ""
	var wire *oauth.Error
	if errors.As(err, &wire) {
		remedyText = remedy(wire)
		if kind(wire) == "scope" {
			level = slog.LevelWarn
		}
	}
	log.Log(ctx, level, "[OAuthService] Token request failed for "+s.name, "correlation_id", id, "error", err, "remedy", remedyText)
}

// keep stores a new token, then publishes it. A store that cannot be written keeps no valid token from service.
func (s *Source) keep(ctx context.Context, f *flight, answer *oauth.Token, rec record, rev secrets.Revision) *Token {
	var expires time.Time
	if answer.ExpiresIn > 0 {
		expires = answer.Requested.Add(answer.ExpiresIn)
	}
	next := max(rec.Generation, generation(s.current.Load()), f.after) + 1 // the record may have been lost
	rec.Generation, rec.Revoked, rec.Backoff = next, false, time.Time{}
	rec.AccessToken, rec.Refresh, rec.Scope = answer.AccessToken.Reveal(), answer.RefreshToken.Reveal(), answer.Scope
	rec.Issued, rec.Expires, rec.Correlation = answer.Requested, expires, answer.CorrelationID
	t := rec.token(s.buffer())
	err := s.engine.save(ctx, rec, rev)
	s.stats.acquired.Add(1)
	if s.current.Load() != nil || rec.Generation > 1 {
		s.stats.refreshes.Add(1)
	}
	s.adopt(t)
	if err != nil {
		s.storeTrouble(err)
	} else {
		s.storeWritten()
	}
	return t
}

// adopt publishes a token that was fetched, here or by another process.
func (s *Source) adopt(t *Token) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.retired {
		return
	}
	s.publish(t)
	s.state, s.trouble, s.failures, s.retryAt = Authorized, nil, 0, time.Time{}
}

// fallBack puts a stored token that is stale but valid into service when the first try failed, and lets those go who
// would otherwise wait for all the tries.
func (s *Source) fallBack(f *flight, stored *Token) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	if t := s.current.Load(); t == nil && stored != nil && stored.Generation > f.after && stored.valid(now) && !s.retired {
		s.publish(stored)
		s.state = Refreshing
	}
	if t := s.current.Load(); t != nil && t.valid(now) && !isClosed(f.fallback) {
		s.engine.log.Warn("[OAuthService] Serving the present token of "+s.name+" while renewal fails", "server", s.name,
			"expires_at", t.Expires, "correlation_id", t.correlation)
		close(f.fallback)
	}
}

// failed notes what went wrong and says how long to wait before the next try.
func (s *Source) failed(f *flight, err error) (wait time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failures++
	f.err = s.describe(err)
	s.trouble = f.err
	wait = max(pause(s.failures, f.err), f.err.RetryAfter)
	if f.err.State == Revoked {
		wait = revokedPause
	}
	s.retryAt = time.Now().Add(wait)
	f.err.RetryAfter = wait
	return wait
}

// land ends a flight: the state is settled, the next one is planned, the callers are let go.
func (s *Source) land(f *flight) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.flight = nil
	if f.token == nil && f.err == nil {
		f.err = &Error{Server: s.name, State: s.state, Reason: "bearerd is stopping"}
	}
	held := s.current.Load()
	switch {
	case f.err != nil && f.err.State == Revoked:
		s.state = Revoked
		s.publish(nil)
	case held != nil && held.valid(time.Now()):
		s.state = Authorized
	case f.err != nil:
		s.state = Failed
	}
	if f.err != nil {
		f.err.State = s.state
	}
	if s.retired && f.err == nil {
		f.token, f.err = nil, &Error{Server: s.name, State: s.state, Reason: ErrGone.Error(), Err: ErrGone}
	}
	s.plan()
	close(f.done)
}

func isClosed(c chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
