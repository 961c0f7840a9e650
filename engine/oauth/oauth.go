// Package oauth is the wire: it finds an authorization server, registers a client there, asks for a token and revokes one,
// authenticates the client and builds the TLS settings. But for discovery each call is one HTTP request at most; its outcome
// is what it asked for or an *Error.
//
// It holds no state and no timer, and it retries nothing: the engine does. It logs DEBUG details only, and no value of a
// parameter, header or token reaches a log or an error.
package oauth

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"

	"bearerd/secrets"
)

// Token is the answer of a token endpoint (RFC 6749 §5.1). Its type is always Bearer.
type Token struct {
	AccessToken    secrets.Secret // up to 32 KiB
	RefreshToken   secrets.Secret // up to 8 KiB; zero: none was given, and one that was spent for this stays valid
	Scope          string         // as granted, space-separated, fit to be shown; "" with ScopeGiven false: as requested
	ScopeGiven     bool           // the answer named a scope
	MissingScopes  string         // requested but not granted, space-separated; only with OAUTH_VALIDATE_SCOPES = false
	ExpiresIn      time.Duration  // 0: not given
	ExpiresGuessed bool           // the answer held an expires_in that cannot be read: ExpiresIn is 5 minutes
	Requested      time.Time      // when the request was sent: the lifetime counts from here
	CorrelationID  string
	Certificate    *tls.Certificate // that it may be bound to (RFC 8705 §3): the one of the Target
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
// hidden are more values that the server knows and must not repeat.
func requestToken(
	ctx context.Context, log *slog.Logger, c *Target, r *secrets.Resolver, id string, params url.Values, before func() error,
	hidden ...secrets.Secret,
) (*Token, error) {
	w, err := newWire(ctx, log, c, r, opToken, id)
	if err != nil {
		return nil, unsent(opToken, id, err)
	}
	w.before = before
	for _, name := range []string{"refresh_token", "code", "code_verifier", "device_code"} {
		w.hide(params.Get(name))
	}
	for _, value := range hidden {
		w.hide(value.Reveal())
	}
	if err := w.setParams(ctx, c, r, params); err != nil {
		return nil, unsent(opToken, id, err)
	}
	conf := clientcredentials.Config{ // without a client: authenticate has added it to params or the headers
		TokenURL:       c.TokenURL,
		EndpointParams: params,
		AuthStyle:      oauth2.AuthStyleInParams, // never automatic: it would send the request twice on any error
	}
	if !c.Delegated() { // else a scope here would narrow what a person has approved (RFC 6749 §6)
		conf.Scopes = strings.Fields(c.Scope)
	}
	requested := time.Now()
	t, err := conf.Token(context.WithValue(ctx, oauth2.HTTPClient, &http.Client{Transport: w}))
	if err != nil {
		return nil, w.asError(err, "OAUTH_TOKEN_URL")
	}
	granted, err := w.token(t, c.OAuth, requested)
	if err == nil {
		granted.Certificate = c.Certificate
	}
	return granted, err
}

// setParams adds to those of the grant what the configuration has, and the client's proof. Scope is set by x/oauth2.
func (w *wire) setParams(ctx context.Context, t *Target, r *secrets.Resolver, v url.Values) error {
	t.setAudience(v)
	reserved := []string{"grant_type", "scope", "client_id", "client_secret", "client_assertion", "client_assertion_type"}
	for name, ref := range t.AdditionalParams {
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
	return w.authenticate(ctx, t, r, v)
}

// setAudience adds what says whom the token is for, in the authorization request and in each token request.
func (t *Target) setAudience(v url.Values) {
	set := func(name string, values ...string) {
		for _, value := range values {
			if value != "" {
				v.Add(name, value)
			}
		}
	}
	set("audience", t.Audience)
	set("organization", t.Organization)
	set("resource", t.Resource...) // one parameter for each (RFC 8707 §2), whatever the OAUTH_VERSION
}

// post sends a body to another endpoint than that for tokens, and returns that of a success. field is where its address
// is configured. An error is an *Error.
func (w *wire) post(ctx context.Context, address, field, contentType string, body []byte) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(body))
	if err != nil {
		return nil, w.asError(err, field)
	}
	req.Header.Set("Content-Type", contentType)
	resp, err := (&http.Client{Transport: w}).Do(req)
	if err != nil {
		return nil, w.asError(err, field)
	}
	defer resp.Body.Close()
	return io.ReadAll(resp.Body) // from memory: it cannot fail
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
