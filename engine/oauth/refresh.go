package oauth

import (
	"context"
	"errors"
	"log/slog"
	"net/url"

	"bearerd/secrets"
)

// RefreshToken spends a refresh token once (RFC 6749 §6), in one request whatever happens. id is the correlation id that
// goes out with the request. The scope of a grant that a person has approved stays as it was granted. before is asked when
// all else is ready, and its error keeps the token from being sent. An error is an *Error; one that is Ambiguous may have
// spent the token, one with Rotated has.
func RefreshToken(
	ctx context.Context, log *slog.Logger, c *Target, r *secrets.Resolver, token secrets.Secret, id string,
	before func() error,
) (*Token, error) {
	if token.IsZero() { // the server would answer invalid_request, which tells nobody what to do
		return nil, unsent(opToken, id, errors.New("there is no refresh token: supply one with OAUTH_REFRESH_TOKEN"))
	}
	return requestToken(ctx, log, c, r, id, url.Values{
		"grant_type": {"refresh_token"}, "refresh_token": {token.Reveal()},
	}, before)
}
