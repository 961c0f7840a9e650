package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"bearerd/secrets"
)

// Logout revokes the tokens at their provider, where that is possible, the refresh token first, and forgets all of the
// grant: tokens, registration, metadata. sent counts the tokens that the provider was told of; left says that there were
// some that it was not. When the provider cannot be reached nothing is forgotten, unless local says not to tell it at all.
func (s *Source) Logout(ctx context.Context, local bool) (sent int, left bool, err error) {
	s.Yield(ctx)
	held := len(s.held(ctx)) > 0
	if local {
		err = s.forget(ctx, true, TokenRevoked)
	} else {
		sent, err = s.Revoke(ctx)
	}
	if err != nil && !errors.Is(err, ErrNoRevocation) {
		return sent, held, err
	}
	return sent, held && sent == 0, s.forgetAll(ctx)
}

// forgetAll forgets what a grant leaves behind when its tokens are gone.
func (s *Source) forgetAll(ctx context.Context) error {
	if err := s.EndLogin(ctx, ""); err != nil {
		return err
	}
	unlock, _ := s.engine.lockOrGoOn(ctx, s.name)
	defer unlock()
	for {
		g, err := s.load(ctx)
		if err == nil {
			g.Metadata, g.Found, g.Issuer, g.Pinned, g.PinnedClient, g.Client, g.Asked, g.Wanted = nil, time.Time{}, "", "", "", nil, "", ""
			_, err = s.engine.save(ctx, &g.record, g.rev)
		}
		if errors.Is(err, secrets.ErrConflict) && sleep(ctx, leasePoll) {
			continue
		}
		if err != nil {
			return fmt.Errorf("server %q: revoked, but its registration is not forgotten: %w", s.name, err)
		}
		s.mu.Lock()
		s.challenge, s.settled, s.wanted, s.pin = nil, nil, "", ""
		s.unlock()
		return nil
	}
}
