package oauth

import (
	"context"
	"errors"
	"log/slog"
	"net/url"

	"bearerd/secrets"
)

// ErrNoRevocationURL is returned by Revoke where OAUTH_REVOCATION_URL is not configured.
var ErrNoRevocationURL = errors.New("token revocation is not configured: set OAUTH_REVOCATION_URL")

// Revoke asks the revocation endpoint once to end a token (RFC 7009). hint is "access_token" or "refresh_token". A token
// that the server does not know is a success. An error is an *Error or ErrNoRevocationURL.
func Revoke(
	ctx context.Context, log *slog.Logger, c *Target, r *secrets.Resolver, token secrets.Secret, hint, id string,
) error {
	if c.RevocationURL == "" {
		return ErrNoRevocationURL
	}
	w, err := newWire(ctx, log, c, r, opRevoke, id)
	if err != nil {
		return unsent(opRevoke, id, err)
	}
	w.hide(token.Reveal())
	form := url.Values{"token": {token.Reveal()}, "token_type_hint": {hint}}
	if err := w.authenticate(ctx, c, r, form); err != nil {
		return unsent(opRevoke, id, err)
	}
	_, err = w.post(ctx, c.RevocationURL, "OAUTH_REVOCATION_URL", formType, []byte(form.Encode()))
	return err
}
