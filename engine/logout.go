package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"bearerd/secrets"
)

// Logout revokes the tokens at their provider, where that is possible, the refresh token first, and forgets all of the
// grant: tokens, registration, metadata. sent counts the tokens that the provider was told of. When the provider cannot be
// reached nothing is forgotten.
func (s *Source) Logout(ctx context.Context) (sent int, err error) {
	sent, err = s.Revoke(ctx)
	if err != nil && !errors.Is(err, ErrNoRevocation) {
		return sent, err
	}
	if endErr := s.EndLogin(ctx, ""); endErr != nil {
		return sent, endErr
	}
	unlock, _ := s.engine.lockOrGoOn(ctx, s.name)
	defer unlock()
	for {
		g, err := s.load(ctx)
		if err == nil {
			g.Metadata, g.Found, g.Issuer, g.Pinned, g.Client, g.Asked, g.Wanted = nil, time.Time{}, "", "", nil, "", ""
			_, err = s.engine.save(ctx, &g.record, g.rev)
		}
		if errors.Is(err, secrets.ErrConflict) && sleep(ctx, leasePoll) {
			continue
		}
		if err != nil {
			return sent, fmt.Errorf("server %q: revoked, but its registration is not forgotten: %w", s.name, err)
		}
		s.mu.Lock()
		s.challenge, s.settled, s.wanted = nil, nil, ""
		s.mu.Unlock()
		return sent, nil
	}
}
