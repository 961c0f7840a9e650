package oauth

import (
	"context"
	"log/slog"
	"net/url"
	"strings"

	"bearerd/config"
	"bearerd/secrets"
)

// maxParents is how many issuers a token endpoint is looked for at: of most providers the third one is right.
const maxParents = 4

// RevocationURL looks up where tokens of the configured OAUTH_TOKEN_URL are revoked, in the metadata (RFC 8414, OpenID
// Connect Discovery) of its own host that names it; "": there is none. Nobody else is heard: who answers will be sent the
// token. An error is an *Error that may mend itself.
func RevocationURL(ctx context.Context, log *slog.Logger, s *config.Server, r *secrets.Resolver, id string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, discoverTimeout)
	defer cancel()
	f, err := newFinder(ctx, log, s, r, id)
	if err != nil {
		return "", err
	}
	at, err := f.address("OAUTH_TOKEN_URL", s.OAuth.TokenURL)
	if err != nil {
		return "", nil // it gives no token either
	}
	for _, issuer := range parents(at) {
		m, err := f.firstOf(ctx, issuerPlaces(issuer), issuer.String(), false)
		if e, ok := err.(*Error); ok && !e.Final {
			return "", e
		}
		if err == nil && m.TokenURL == s.OAuth.TokenURL {
			return m.RevocationURL, nil
		}
	}
	return "", nil
}

// parents are the addresses above one, the host first.
func parents(at *url.URL) []*url.URL {
	list := []*url.URL{{Scheme: at.Scheme, Host: at.Host}}
	segments := strings.Split(strings.Trim(at.Path, "/"), "/")
	for i := 1; i < min(len(segments), maxParents); i++ {
		list = append(list, &url.URL{Scheme: at.Scheme, Host: at.Host, Path: "/" + strings.Join(segments[:i], "/")})
	}
	return list
}
