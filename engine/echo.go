package engine

import (
	"context"
	"errors"
	"strings"

	"bearerd/engine/oauth"
	"bearerd/secrets"
)

// fit is a challenge of upstream's without what must not be kept, shown or asked for: what repeats a secret that upstream
// may have been sent. t is the token that it has refused; nil: none. While the secrets cannot be read no scope is fit.
func (s *Source) fit(ctx context.Context, t *Token, c oauth.Challenge) oauth.Challenge {
	known := s.configuredScopes()
	if c.ResourceMetadata == "" && lacking(c.Scope, known) == "" {
		return c
	}
	held, err := s.toHide(ctx, t)
	if err != nil {
		c.Scope = ""
	}
	return c.Without(held, known)
}

// fitScopes is fit for the scopes that metadata names. They stay while the secrets cannot be read: metadata is kept for long.
func (s *Source) fitScopes(ctx context.Context, scopes string) string {
	if scopes == "" {
		return ""
	}
	held, _ := s.toHide(ctx, nil)
	return oauth.Challenge{Scope: scopes}.Without(held, s.configuredScopes()).Scope
}

// configuredScopes are never a secret, whatever they look like.
func (s *Source) configuredScopes() string {
	server := s.server.Load()
	return union(server.OAuth.Scope, strings.Join(server.AllowStepUp, " "))
}

// toHide are the secrets of the server that can be read now; the error says that there are more.
func (s *Source) toHide(ctx context.Context, t *Token) ([]secrets.Secret, error) {
	ctx, cancel := context.WithTimeout(ctx, copyPatience)
	defer cancel()
	var held []secrets.Secret
	for _, t := range []*Token{t, s.current.Load()} {
		if t != nil {
			held = append(held, t.access)
		}
	}
	server := s.server.Load()
	var failed error
	add := func(ref secrets.Ref) {
		v, err := s.engine.resolve.Resolve(ctx, ref)
		failed = errors.Join(failed, err)
		held = append(held, v)
	}
	for _, ref := range server.Headers {
		add(ref)
	}
	if s.engine.local.Fetch != nil { // the rest is another process's
		return held, failed
	}
	if !server.OAuth.ClientSecret.IsZero() {
		add(server.OAuth.ClientSecret)
	}
	g, err := s.load(ctx)
	held = append(held, secrets.New(g.AccessToken), secrets.New(g.Refresh))
	if g.Client != nil {
		held = append(held, secrets.New(g.Client.Secret))
	}
	return held, errors.Join(failed, err)
}
