package oauth

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"strings"

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
	req, err := w.authenticated(ctx, c, form)
	if err != nil {
		return w.asError(err, "OAUTH_REVOCATION_URL")
	}
	resp, err := (&http.Client{Transport: w}).Do(req)
	if err != nil {
		return w.asError(err, "OAUTH_REVOCATION_URL")
	}
	return resp.Body.Close()
}

// authenticated does for the revocation endpoint what x/oauth2 does for the token endpoint.
func (w *wire) authenticated(ctx context.Context, c *Target, form url.Values) (*http.Request, error) {
	if !w.basic {
		form.Set("client_id", c.ClientID)
		if !w.secret.IsZero() {
			form.Set("client_secret", w.secret.Reveal())
		}
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.RevocationURL, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if w.basic {
		req.SetBasicAuth(url.QueryEscape(c.ClientID), url.QueryEscape(w.secret.Reveal()))
	}
	return req, nil
}
