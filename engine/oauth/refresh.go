package oauth

import (
	"context"
	"errors"
	"log/slog"

	"bearerd/config"
	"bearerd/secrets"
)

// RefreshToken spends a refresh token once (RFC 6749 §6). id is the correlation id that goes out with the request. An
// error is an *Error; one that is Ambiguous may have spent the token.
func RefreshToken(
	ctx context.Context, log *slog.Logger, c *config.OAuth, r *secrets.Resolver, token secrets.Secret, id string,
) (*Token, error) {
	return nil, unsent(opToken, id, errors.New("not yet"))
}
