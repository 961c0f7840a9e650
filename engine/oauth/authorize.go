package oauth

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/url"
	"slices"
	"strings"

	"golang.org/x/oauth2"

	"bearerd/secrets"
)

const maxCode = 4 << 10 // bytes of an authorization code or a device code

// Authorization is one authorization request (RFC 6749 §4.1.1): what must come back, and what proves that we sent it.
type Authorization struct {
	RedirectURI string
	State       secrets.Secret
	Verifier    secrets.Secret // RFC 7636; zero: no PKCE
	Scope       string         // space-separated
}

// NewVerifier makes a code verifier of 32 random bytes (RFC 7636 §4.1).
func NewVerifier() secrets.Secret { return secrets.New(oauth2.GenerateVerifier()) }

// NewState makes the value that binds an authorization response to its request (RFC 6749 §10.12), of 32 random bytes.
func NewState() secrets.Secret {
	b := make([]byte, 32)
	_, _ = rand.Read(b) // never fails
	return secrets.New(base64.RawURLEncoding.EncodeToString(b))
}

// URL is where a person approves the request (RFC 6749 §4.1.1, RFC 7636 §4.3, RFC 8707 §2.1). An error is an *Error, and
// holds nothing of the address.
func (t *Target) URL(ctx context.Context, r *secrets.Resolver, a Authorization) (string, error) {
	u, query, err := t.authorizationEndpoint()
	if err != nil {
		return "", unsent(opAuthorize, "", err)
	}
	ours := url.Values{
		"response_type": {"code"}, "client_id": {t.ClientID}, "redirect_uri": {a.RedirectURI}, "state": {a.State.Reveal()},
	}
	t.setAudience(ours)
	if a.Scope != "" {
		ours.Set("scope", a.Scope)
	}
	if !a.Verifier.IsZero() {
		ours.Set("code_challenge", oauth2.S256ChallengeFromVerifier(a.Verifier.Reveal()))
		ours.Set("code_challenge_method", "S256")
	}
	more, err := t.authorizationParams(ctx, r)
	if err != nil {
		return "", unsent(opAuthorize, "", err)
	}
	maps.Copy(query, more)
	maps.Copy(query, ours)
	u.RawQuery = query.Encode()
	return u.String(), nil
}

// authorizationEndpoint takes apart the address, which a browser is to open, with the query that it has (RFC 6749 §3.1).
func (t *Target) authorizationEndpoint() (*url.URL, url.Values, error) {
	const field = "OAUTH_AUTHORIZATION_URL"
	u, ok := webURL(t.AuthorizationURL)
	switch {
	case t.AuthorizationURL == "":
		return nil, nil, errors.New("there is no authorization endpoint: set " + field)
	case !ok:
		return nil, nil, errors.New(field + " cannot be used: it must be an http or https address without user name and fragment")
	}
	if u.Scheme == "http" && !plainHTTP(t.OAuth) {
		return nil, nil, errors.New("the authorization endpoint is plain http, and https is required: use an https:// URL, or " + allowHTTP)
	}
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return nil, nil, errors.New(field + " cannot be used: its query cannot be read")
	}
	return u, query, nil
}

// webURL parses an address that a browser is to open. Anything else, such as file: or javascript:, is not ok.
func webURL(text string) (u *url.URL, ok bool) {
	if len(text) > 2<<10 || strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return nil, false
	}
	u, err := url.Parse(text)
	return u, err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Hostname() != "" && u.User == nil && u.Fragment == ""
}

// authorizationReserved have fields of their own, are made for each request, or would replace these (RFC 9101 §5).
var authorizationReserved = []string{
	"response_type", "response_mode", "client_id", "client_secret", "redirect_uri", "state", "scope", "code_challenge",
	"code_challenge_method", "code_verifier", "resource", "audience", "organization", "request", "request_uri",
}

func (t *Target) authorizationParams(ctx context.Context, r *secrets.Resolver) (url.Values, error) {
	v := url.Values{}
	for name, ref := range t.AuthorizationParams {
		if slices.Contains(authorizationReserved, name) {
			return nil, fmt.Errorf("OAUTH_AUTHORIZATION_PARAMS may not set %q, which is set otherwise", name)
		}
		value, err := r.Resolve(ctx, ref)
		if err != nil {
			return nil, fmt.Errorf("OAUTH_AUTHORIZATION_PARAMS %q: %w", name, err)
		}
		v.Set(name, value.Reveal())
	}
	return v, nil
}

// Code judges an authorization response whose state is right: the code, or an *Error (RFC 6749 §4.1.2.1, RFC 9207 §2.4). m
// may be nil: nothing was discovered. Of a response that names another issuer nothing is shown.
func Code(m *Metadata, q url.Values) (secrets.Secret, error) {
	refuse := func(final bool, text string) (secrets.Secret, error) {
		return secrets.Secret{}, &Error{Op: opAuthorize, Final: final, Err: errors.New(text)}
	}
	for _, name := range []string{"iss", "state", "code", "error", "error_description"} {
		if len(q[name]) > 1 { // RFC 6749 §3.1
			return refuse(true, "the answer holds "+name+" more than once, which is refused")
		}
	}
	switch {
	case m == nil:
	case q.Has("iss") && q.Get("iss") != m.Issuer:
		return refuse(true, "the answer comes from another authorization server than the one that was asked: nothing of it is used")
	case m.IssuerInResponse && !q.Has("iss"):
		return refuse(true, "the answer does not name its authorization server, which announced that it would: nothing of it is used")
	}
	if q.Has("error") {
		return secrets.Secret{}, refusal(q)
	}
	switch code := q.Get("code"); {
	case code == "":
		return refuse(false, "the answer holds neither a code nor an error")
	case len(code) > maxCode:
		return refuse(false, fmt.Sprintf("the code in the answer is over %d KiB", maxCode>>10))
	default:
		return secrets.New(code), nil
	}
}

// refusal is an error response (RFC 6749 §4.1.2.1).
func refusal(q url.Values) *Error {
	w := &wire{op: opAuthorize}
	w.hide(q.Get("state"))
	w.hide(q.Get("code"))
	code := q.Get("error")
	return &Error{
		Op: opAuthorize, Code: w.clean(code), Description: w.clean(q.Get("error_description")), Final: isFinal(opAuthorize, 0, code),
	}
}

// Exchange spends an authorization code (RFC 6749 §4.1.3), in one request whatever happens. An error is an *Error.
func Exchange(
	ctx context.Context, log *slog.Logger, t *Target, r *secrets.Resolver, code secrets.Secret, a Authorization, id string,
) (*Token, error) {
	params := url.Values{"grant_type": {"authorization_code"}, "code": {code.Reveal()}, "redirect_uri": {a.RedirectURI}}
	if !a.Verifier.IsZero() {
		params.Set("code_verifier", a.Verifier.Reveal())
	}
	return requestToken(ctx, log, t.withScope(a.Scope), r, id, params, nil, a.State)
}

// withScope is t with the scope of one authorization request, which is what the answer is held against.
func (t *Target) withScope(scope string) *Target {
	o, changed := *t.OAuth, *t
	o.Scope = scope
	changed.OAuth = &o
	return &changed
}
