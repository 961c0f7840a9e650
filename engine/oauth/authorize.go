package oauth

import (
	"context"
	"errors"
	"log/slog"
	"net/url"

	"bearerd/secrets"
)

// Authorization is one authorization request (RFC 6749 §4.1.1): what must come back, and what proves that we sent it.
type Authorization struct {
	RedirectURI string
	State       secrets.Secret
	Verifier    secrets.Secret // RFC 7636; zero: no PKCE
	Scope       string         // space-separated
}

// URL is where a person approves the request.
func (t *Target) URL(ctx context.Context, r *secrets.Resolver, a Authorization) (string, error) {
	return "", errors.New("not built yet")
}

// Code judges an authorization response whose state is right: the code, or an *Error (RFC 6749 §4.1.2.1, RFC 9207 §2.4). m may be nil:
// nothing was discovered.
func Code(m *Metadata, q url.Values) (secrets.Secret, error) {
	return secrets.Secret{}, errors.New("not built yet")
}

// Exchange spends an authorization code (RFC 6749 §4.1.3), once. An error is an *Error.
func Exchange(
	ctx context.Context, log *slog.Logger, t *Target, r *secrets.Resolver, code secrets.Secret, a Authorization, id string,
) (*Token, error) {
	return nil, errors.New("not built yet")
}
