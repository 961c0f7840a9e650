package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"bearerd/engine/oauth"
	"bearerd/secrets"
)

// Each demand for another scope costs a token, and maybe a person's time.
const (
	maxStepUps     = 3
	stepUpPause    = 10 * time.Minute
	maxScopeLength = 200
)

// stepUp answers a 403 insufficient_scope (RFC 6750 §3.1): a token with the scopes of before and those that are demanded, as
// far as the configuration allows it and the grant can give it.
func (s *Source) stepUp(ctx context.Context, t *Token, c oauth.Challenge) (next *Token, again bool, err error) {
	wanted := demandable(c.Scope)
	if wanted == "" {
		return nil, false, s.refused("upstream wants a scope that the token does not have, and does not say which, or repeats a secret there")
	}
	for range maxStepUps {
		held := s.current.Load()
		if held != nil && held != t && held.valid(time.Now()) && lacking(wanted, held.Scope) == "" {
			return held, true, nil
		}
		f, err := s.toStepUp(ctx, wanted, generation(held))
		if err != nil {
			return nil, false, err
		}
		got, err := s.await(ctx, f)
		if err != nil {
			s.unwanted()
			return nil, false, err
		}
		if lacking(wanted, got.Scope) == "" {
			return got, true, nil
		}
		t = held // the flight that we joined was an ordinary one
	}
	return nil, false, s.refused("the authorization server does not grant the scope " + wanted)
}

// unwanted forgets a demand that came to nothing: what goes on without it must not be asked for it.
func (s *Source) unwanted() {
	s.mu.Lock()
	defer s.unlock()
	s.wanted = ""
}

// toStepUp notes the demand in the record, and begins a flight for it.
func (s *Source) toStepUp(ctx context.Context, wanted string, after uint64) (*flight, error) {
	server := s.server.Load()
	if over := lacking(wanted, s.configuredScopes()); server.OAuth.Scope != "" && over != "" {
		return nil, &Error{Server: s.name, State: s.status(), Reason: "upstream wants the scope " + over + ", which OAUTH_SCOPE does not have",
			Remedy: "add it to OAUTH_SCOPE, or to allow_step_up of the server"}
	}
	person := server.OAuth.Delegated() && !s.mayAskPerson()
	if err := s.want(ctx, wanted, person); err != nil {
		return nil, err
	}
	if person {
		return nil, s.needsPerson("upstream wants the scope " + wanted + ", which nobody has approved")
	}
	s.mu.Lock()
	defer s.unlock()
	switch now := time.Now(); {
	case s.retired:
		return nil, ErrGone
	case s.flight != nil:
		return s.flight, nil
	default:
		s.stepped = slices.DeleteFunc(s.stepped, func(at time.Time) bool { return now.Sub(at) > stepUpPause })
		if len(s.stepped) >= maxStepUps-1 { // the first authorization counts too
			return nil, &Error{Server: s.name, State: s.state, RetryAfter: stepUpPause,
				Reason: "upstream wants another scope again and again, now " + wanted, Remedy: "write the scopes that it needs into OAUTH_SCOPE"}
		}
		s.stepped = append(s.stepped, now)
	}
	f, err := s.begin(after, false)
	if err == nil {
		f.scope, f.asked = wanted, true
	}
	return f, err
}

// want notes a demand that a person must approve; in the record, so that whoever asks next asks for it too, if that is done
// by a command.
func (s *Source) want(ctx context.Context, wanted string, keep bool) error {
	for try := 1; ; try++ {
		g, err := s.load(ctx)
		if err == nil {
			asked := union(g.Asked, g.Scope)
			if lacking(wanted, asked) == "" && g.Asked != "" {
				return s.refused(fmt.Sprintf("upstream refuses for want of the scope %s, which was asked for", wanted))
			}
			if len(union(asked, g.Wanted, wanted)) > maxAsked {
				return s.refused("upstream has wanted more scopes than a token can have, now " + wanted)
			}
			if s.server.Load().OAuth.Delegated() {
				s.mu.Lock()
				s.wanted = union(s.wanted, g.Wanted, wanted)
				s.unlock()
			}
			if !keep || lacking(wanted, g.Wanted) == "" {
				return nil
			}
			g.Wanted = union(g.Wanted, wanted)
			_, err = s.engine.save(ctx, &g.record, g.rev)
		}
		if !errors.Is(err, secrets.ErrConflict) || try == maxTries || !sleep(ctx, leasePoll) {
			return err
		}
	}
}

// demandable is a scope in upstream's words, if they are such that may be shown (RFC 6749 §3.3).
func demandable(scope string) string {
	scope = union(scope)
	if len(scope) > maxScopeLength || strings.ContainsFunc(scope, func(r rune) bool { return r < ' ' || r > '~' || r == '"' || r == '\\' }) {
		return ""
	}
	return scope
}
