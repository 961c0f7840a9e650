package engine

import (
	"context"
	"time"

	"bearerd/engine/oauth"
)

// Fetch gets the token of a server from whoever keeps it for this process, in place of the authorization server. refused
// says that upstream did not accept the last one. An error is tried again, unless it is one of Denied.
type Fetch func(ctx context.Context, server string, refused bool) (*oauth.Token, error)

// Denied is the error of a Fetch that only a person can mend, in words that an MCP caller may see.
func Denied(reason, remedy string) error {
	return &Error{State: Failed, Reason: reason, Remedy: remedy, local: true}
}

// fetch is acquire without an authorization server.
func (s *Source) fetch(ctx context.Context, f *flight, g *reading, stored *Token) (*Token, error) {
	start := time.Now()
	answer, err := s.engine.local.Fetch(ctx, s.name, s.wasRefused())
	s.stats.took(time.Since(start))
	if err != nil {
		s.engine.log.Warn("no token for "+s.name+" from the daemon that keeps it", "server", s.name, "error", err)
		s.fallBack(f, stored)
		return nil, err
	}
	return s.keep(ctx, f, answer, g)
}

// wasRefused reports whether upstream did not accept the last token.
func (s *Source) wasRefused() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.current.Load()
	return t == nil && s.floor > 0 || t != nil && t.questioned.Load()
}
