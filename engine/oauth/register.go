package oauth

import (
	"context"
	"errors"
	"log/slog"

	"bearerd/secrets"
)

// Register makes a client for redirect at t.RegistrationURL (RFC 7591). It registers the method of t, and asks for the scopes of t.
// An error is an *Error.
func Register(ctx context.Context, log *slog.Logger, t *Target, r *secrets.Resolver, redirect, id string) (*Registration, error) {
	return nil, errors.New("not built yet")
}
