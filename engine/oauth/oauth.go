// Package oauth is the wire: it asks a token endpoint for a token, revokes one, authenticates the client and builds the
// TLS settings. Each call is one HTTP request; its outcome is a Token or an *Error.
//
// It holds no state and no timer, and it retries nothing: the engine does. It logs DEBUG details only, and no value of a
// parameter, header or token reaches a log or an error.
package oauth

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"bearerd/config"
	"bearerd/secrets"
)

// Token is the answer of a token endpoint (RFC 6749 §5.1). Its type is always Bearer.
type Token struct {
	AccessToken    secrets.Secret // up to 48 KiB
	RefreshToken   secrets.Secret // up to 8 KiB; zero: none was given, and one that was spent for this stays valid
	Scope          string         // as granted, space-separated, fit to be shown; "" with ScopeGiven false: as requested
	ScopeGiven     bool           // the answer named a scope
	MissingScopes  string         // requested but not granted, space-separated; only with OAUTH_VALIDATE_SCOPES = false
	ExpiresIn      time.Duration  // 0: not given
	ExpiresGuessed bool           // the answer held an expires_in that cannot be read: ExpiresIn is 5 minutes
	Requested      time.Time      // when the request was sent: the lifetime counts from here
	CorrelationID  string
}

// ClientCredentials asks the token endpoint once (RFC 6749 §4.4). id is the correlation id that goes out with the
// request. An error is an *Error.
func ClientCredentials(
	ctx context.Context, log *slog.Logger, c *Target, r *secrets.Resolver, id string,
) (*Token, error) {
	return requestToken(ctx, log, c, r, id, url.Values{}, nil)
}

// requestToken makes one token request; params are those that the grant itself has. x/oauth2 takes any grant by the name
// of client credentials. before, if not nil, is asked when all else is ready; its error keeps the request from being sent.
func requestToken(
	ctx context.Context, log *slog.Logger, c *Target, r *secrets.Resolver, id string, params url.Values, before func() error,
) (*Token, error) {
	w, err := newWire(ctx, log, c, r, opToken, id)
	if err != nil {
		return nil, unsent(opToken, id, err)
	}
	w.before = before
	w.hide(params.Get("refresh_token"))
	if err := w.setParams(ctx, c.OAuth, r, params); err != nil {
		return nil, unsent(opToken, id, err)
	}
	conf := clientcredentials.Config{
		ClientID:       c.ClientID,
		ClientSecret:   w.secret.Reveal(),
		TokenURL:       c.TokenURL,
		Scopes:         strings.Fields(c.Scope),
		EndpointParams: params,
		AuthStyle:      oauth2.AuthStyleInParams, // never automatic: it would send the request twice on any error
	}
	if w.basic {
		conf.AuthStyle = oauth2.AuthStyleInHeader
	}
	requested := time.Now()
	t, err := conf.Token(context.WithValue(ctx, oauth2.HTTPClient, &http.Client{Transport: w}))
	if err != nil {
		return nil, w.asError(err, "OAUTH_TOKEN_URL")
	}
	return w.token(t, c.OAuth, requested)
}

// setParams adds to those of the grant what the configuration has. Scope and the client's own are set by x/oauth2.
func (w *wire) setParams(ctx context.Context, c *config.OAuth, r *secrets.Resolver, v url.Values) error {
	set := func(name string, values ...string) {
		for _, value := range values {
			if value != "" {
				v.Add(name, value)
			}
		}
	}
	set("audience", c.Audience)
	set("organization", c.Organization)
	set("resource", c.Resource...) // one parameter for each (RFC 8707 §2), whatever the OAUTH_VERSION
	reserved := []string{"grant_type", "scope", "client_id", "client_secret"}
	for name, ref := range c.AdditionalParams {
		if slices.Contains(reserved, name) || v.Has(name) {
			return fmt.Errorf("OAUTH_ADDITIONAL_PARAMS may not set %q, which has a field of its own", name)
		}
		value, err := r.Resolve(ctx, ref)
		if err != nil {
			return fmt.Errorf("OAUTH_ADDITIONAL_PARAMS %q: %w", name, err)
		}
		w.hide(value.Reveal())
		v[name] = []string{value.Reveal()}
	}
	return nil
}

// asError gives the *Error that our round tripper made, out of what net/http and x/oauth2 wrapped around it. Any other
// error was made before anything was sent; its text may show the whole URL, so it is not kept.
func (w *wire) asError(err error, field string) *Error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	return unsent(w.op, w.id, errors.New(field+" cannot be used as an address"))
}
