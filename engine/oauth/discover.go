package oauth

import (
	"context"
	"errors"
	"log/slog"
	"net/http"

	"bearerd/config"
	"bearerd/secrets"
)

// Challenge is what a protected resource asks for (RFC 6750 §3, RFC 9728 §5.1). Its values are the resource's own words.
type Challenge struct {
	Bearer           bool   // there is a Bearer challenge
	Error            string // invalid_token, insufficient_scope …; "": none
	Scope            string // space-separated; "": none
	ResourceMetadata string // "": none
}

// ParseChallenge reads every WWW-Authenticate header of a response.
func ParseChallenge(h http.Header) Challenge { return Challenge{} }

// Probe asks the protected resource of s for its challenge, with one request that carries no token.
func Probe(ctx context.Context, log *slog.Logger, s *config.Server, r *secrets.Resolver, id string) (Challenge, error) {
	return Challenge{}, errors.New("not built yet")
}

// Discover finds the authorization server of s. issuer, if not "", is the one to prefer where the resource names several. An
// error is an *Error.
func Discover(ctx context.Context, log *slog.Logger, s *config.Server, r *secrets.Resolver, c Challenge, issuer, id string) (*Metadata, error) {
	return nil, errors.New("not built yet")
}
