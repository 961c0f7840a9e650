package engine

import (
	"context"
	"errors"
	"time"
)

// ErrOtherFlow is returned for an answer whose state is not that of the pending login. Nothing has changed by it.
var ErrOtherFlow = errors.New("this answer belongs to no login that is under way")

// ErrNoLogin is returned for a server whose grant needs no person.
var ErrNoLogin = errors.New("no person needs to sign in for this server")

// Login is an authorization that a person is to give.
type Login struct {
	URL     string    // for the browser: http or https. It holds the state, so it goes to no log
	Expires time.Time // five minutes after it began
}

// Redirect is where the answer to a login is to arrive: a loopback URI. When movable, another port does as well.
func (s *Source) Redirect(ctx context.Context) (uri string, movable bool, err error) {
	return "", false, errors.New("not built yet")
}

// BeginLogin prepares an authorization whose answer will arrive at redirect. A pending one with the same redirect goes on; any other is
// replaced. It asks the network for metadata, and may register a client.
func (s *Source) BeginLogin(ctx context.Context, redirect string) (*Login, error) {
	return nil, errors.New("not built yet")
}

// FinishLogin takes the query of the answer: it claims the pending login, once, and spends the code. It fails with
// ErrOtherFlow, or for good.
func (s *Source) FinishLogin(ctx context.Context, query string) (*Token, error) {
	return nil, errors.New("not built yet")
}

// EndLogin gives a pending login up.
func (s *Source) EndLogin(ctx context.Context) error { return errors.New("not built yet") }

// DeviceLogin is a device authorization (RFC 8628): what a person is to type, and where.
type DeviceLogin struct {
	UserCode    string
	URL         string
	CompleteURL string // with the code in it; "": none
	Expires     time.Time
}

// BeginDevice begins a device authorization.
func (s *Source) BeginDevice(ctx context.Context) (*DeviceLogin, error) {
	return nil, errors.New("not built yet")
}

// FinishDevice waits until the person has approved the device authorization that was begun last, has refused, or it has expired.
func (s *Source) FinishDevice(ctx context.Context) (*Token, error) {
	return nil, errors.New("not built yet")
}

// Logout revokes the tokens at their provider, where it can, the refresh token first, and forgets all of the grant: tokens,
// registration, metadata. sent counts the tokens that the provider was told of.
func (s *Source) Logout(ctx context.Context) (sent int, err error) {
	return 0, errors.New("not built yet")
}
