package oauth

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"bearerd/secrets"
)

// Device is a device authorization (RFC 8628 §3.2).
type Device struct {
	Code        secrets.Secret
	UserCode    string // for a person to type: printable ASCII
	URL         string // where to type it; http or https
	CompleteURL string // the same with the code in it; "": none
	ExpiresIn   time.Duration
	Interval    time.Duration // between two requests
}

// AuthorizeDevice begins a device authorization at t.DeviceURL. An error is an *Error.
func AuthorizeDevice(ctx context.Context, log *slog.Logger, t *Target, r *secrets.Resolver, id string) (*Device, error) {
	return nil, errors.New("not built yet")
}

// DeviceToken asks once whether the person has approved (RFC 8628 §3.4). Until then the *Error has the code
// authorization_pending or slow_down.
func DeviceToken(ctx context.Context, log *slog.Logger, t *Target, r *secrets.Resolver, code secrets.Secret, id string) (*Token, error) {
	return nil, errors.New("not built yet")
}
