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

// acquire asks for a token that needs no lease.
func (s *Source) acquire(ctx context.Context, f *flight, g *reading, stored *Token) (*Token, error) {
	if s.engine.local.Fetch != nil {
		return s.fetch(ctx, f, g, stored)
	}
	t, err := s.settledTarget(ctx, g)
	if err != nil {
		s.fallBack(f, stored)
		return nil, err
	}
	t.Scope = union(t.Scope, f.scope)
	release, err := s.engine.limits.take(ctx, t.TokenURL)
	if err != nil {
		return nil, err
	}
	defer release()
	answer, err := s.ask(ctx, t, func(log *slog.Logger, id string) (*oauth.Token, error) {
		return oauth.ClientCredentials(ctx, log, t, s.engine.resolve, id)
	})
	if err != nil {
		if wire := new(oauth.Error); errors.As(err, &wire) && wire.Code == "invalid_scope" {
			s.unheard()
		}
		s.fallBack(f, stored)
		s.shareFailure(ctx, err, g)
		return nil, err
	}
	g.Asked, g.Wanted = t.Scope, ""
	return s.keep(ctx, f, answer, g)
}

// ask sends one token request to o and tells of it.
func (s *Source) ask(ctx context.Context, o *oauth.Target, request func(log *slog.Logger, id string) (*oauth.Token, error)) (*oauth.Token, error) {
	id, log := uuid.NewString(), s.engine.log.With("server", s.name)
	log.Info("[OAuthService] Token request correlation_id="+id+" for "+s.name, "correlation_id", id)
	o.Certificate = s.present(ctx)
	start := time.Now()
	t, err := request(log, id)
	if err == nil || !(&Error{Err: err}).unsent() {
		s.stats.took(time.Since(start))
	}
	if err != nil && s.isRetired() && ctx.Err() != nil {
		return nil, ErrGone // its own end has cancelled it
	}
	if err != nil && ctx.Err() == nil { // else bearerd ends, which is no failure
		s.logFailure(ctx, log, id, err)
	}
	if err != nil {
		return nil, err
	}
	s.obtained(log, o, t)
	return t, nil
}

// obtained tells of a token, and completes what its answer left out.
func (s *Source) obtained(log *slog.Logger, o *oauth.Target, t *oauth.Token) {
	id, expires := t.CorrelationID, "no expiry given"
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
}

// shareFailure lets the processes that wait for the lock know, so that a server that hangs is not asked by each of them
// in turn. A final answer is not shared: a person may be at work on its cause.
func (s *Source) shareFailure(ctx context.Context, err error, g *reading) {
	failed := &Error{Err: err}
	if failed.final() || failed.unsent() || ctx.Err() != nil {
		return
	}
	g.Backoff = time.Now().Add(firstPause)
	if _, err := s.engine.save(ctx, &g.record, g.rev); err != nil && !errors.Is(err, secrets.ErrConflict) {
		s.storeTrouble(err)
	}
}

// logFailure logs at the documented levels: a scope that was not granted is a warning, the rest are errors.
func (s *Source) logFailure(ctx context.Context, log *slog.Logger, id string, err error) {
	s.mu.Lock()
	level, remedyText := slog.LevelError, s.describe(err).Remedy
	s.mu.Unlock()
	var wire *oauth.Error
	if errors.As(err, &wire) {
		if kind(wire) == "scope" {
			level = slog.LevelWarn
		}
	}
	log.Log(ctx, level, "[OAuthService] Token request failed for "+s.name, "correlation_id", id, "error", err, "remedy", remedyText)
}

// keep stores a new token, then publishes it. A store that cannot be written keeps no valid token from service. Where
// another host was faster, its token is taken: all share one.
func (s *Source) keep(ctx context.Context, f *flight, answer *oauth.Token, g *reading) (*Token, error) {
	r, kind := s.renewed(f, &g.record, answer), TokenAcquired
	t := s.granted(&r, answer)
	_, err := s.engine.save(ctx, &r, g.rev)
	for try := 1; errors.Is(err, secrets.ErrConflict) && try < maxTries && sleep(ctx, leasePoll/10); try++ {
		now, readErr := s.load(ctx)
		if readErr != nil {
			err = readErr
			break
		}
		if now.Revoked {
			return nil, s.tooLate(ctx, answer)
		}
		if theirs := s.tokenOf(&now.record); theirs != nil && theirs.Generation > f.after && theirs.fresh(time.Now()) {
			r, t, kind, err = now.record, theirs, Changed, nil
			break
		}
		r = s.renewed(f, &now.record, answer)
		t = s.granted(&r, answer)
		_, err = s.engine.save(ctx, &r, now.rev)
	}
	s.acquired(r)
	s.adopt(t)
	s.happened(t.event(kind))
	if err != nil {
		s.storeTrouble(err)
	} else {
		s.storeWritten()
		s.keepShared(ctx, &reading{record: r}, nil)
	}
	return t, nil
}

// renewed is r with the answer in it.
func (s *Source) renewed(f *flight, r *record, answer *oauth.Token) record {
	var expires time.Time
	if answer.ExpiresIn > 0 {
		expires = answer.Requested.Add(answer.ExpiresIn)
	}
	n := *r
	n.Generation = max(r.Generation, generation(s.current.Load()), f.after) + 1 // the record may have been lost
	n.Revoked, n.Backoff, n.Lease, n.Dead, n.Moved = false, time.Time{}, nil, "", ""
	if s.chain != "" {
		n.Rotation++
	}
	n.AccessToken, n.Refresh, n.Scope = answer.AccessToken.Reveal(), answer.RefreshToken.Reveal(), answer.Scope
	n.Certificate = oauth.Thumbprint(answer.Certificate)
	n.Issued, n.Expires, n.Correlation = answer.Requested, expires, answer.CorrelationID
	s.pinTo(&n)
	return n
}

func (s *Source) acquired(r record) {
	s.stats.acquired.Add(1)
	if s.current.Load() != nil || r.Generation > 1 {
		s.stats.refreshes.Add(1)
	}
}
