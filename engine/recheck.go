package engine

import (
	"context"
	"errors"
	"time"

	"bearerd/engine/oauth"
)

// refused is a client secret that the authorization server did not accept. Asking again is pointless until it changes where
// it is kept, or until somebody may have mended the other side.
type refused struct {
	fingerprint string
	until       time.Time
}

// unchanged is the outcome of a look that found the refused secret again: nothing was asked.
type unchanged struct{ err error }

func (u *unchanged) Error() string { return u.err.Error() }
func (u *unchanged) Unwrap() error { return u.err }

// onlyLooked reports whether an attempt ended before anybody was asked, as what was refused has not changed.
func onlyLooked(err error) bool {
	var own *Error
	return errors.As(err, new(*unchanged)) || errors.As(err, &own) && own.State == NeedsReauth
}

// noteRefused remembers a refused client secret. mu is held.
func (s *Source) noteRefused(err error) {
	var wire *oauth.Error
	if errors.As(err, new(*unchanged)) || !errors.As(err, &wire) {
		return
	}
	s.rejected = refused{}
	if wire.Code == "invalid_client" && wire.SecretSent != "" && s.server.Load().OAuth.ClientSecret.MayChange() {
		s.rejected = refused{wire.SecretSent, time.Now().Add(finalPause)}
	}
}

// sameSecret fails with the last error while the refused secret is still the one that would be sent.
func (s *Source) sameSecret(ctx context.Context, f *flight) error {
	s.mu.Lock()
	no, trouble := s.rejected, s.trouble
	s.mu.Unlock()
	if f.forced || no.fingerprint == "" || trouble == nil || trouble.Err == nil || !time.Now().Before(no.until) {
		return nil
	}
	v, err := s.engine.resolve.Resolve(ctx, s.server.Load().OAuth.ClientSecret)
	if err != nil || v.Fingerprint() != no.fingerprint {
		return nil
	}
	return &unchanged{trouble.Err}
}
