package oauth

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"bearerd/config"
	"bearerd/secrets"
)

// Method is how the client of o proves itself at this server, and the algorithms that the server takes from a private key:
// what is configured, else what a registration says (registered; "": the client is none of those), else what the server
// supports for what the client has. For a client that is yet to be registered it is the method to ask for. m may be nil:
// nothing was discovered. An error is an *Error.
func (m *Metadata) Method(o *config.OAuth, registered string) (method string, algs []string, err error) {
	switch {
	case o.PrivateKeyPath.IsZero():
		method, err = m.choose(o, registered)
		return method, nil, err
	case m == nil:
		return MethodPrivateKeyJWT, nil, nil
	}
	return MethodPrivateKeyJWT, m.SigningAlgs, nil
}

// choose is Method for a client that has no private key.
func (m *Metadata) choose(o *config.OAuth, registered string) (string, error) {
	if o.UseBasicAuth != nil && (!o.ClientSecret.IsZero() || registered == MethodBasic || registered == MethodPost) {
		return written(o), nil
	}
	switch {
	case registered != "":
		return registered, usable(o, registered)
	case !o.ClientSecret.IsZero():
		return m.withSecret(o)
	case o.ClientID == "" && m != nil && len(m.AuthMethods) > 0 && !slices.Contains(m.AuthMethods, MethodNone):
		return m.withSecret(o)
	case o.ClientID != "" && o.UseMTLS:
		return MethodTLS, nil
	}
	return MethodNone, nil
}

// usable says why a registration's method cannot be used by a client without a private key.
func usable(o *config.OAuth, registered string) error {
	switch {
	case registered == MethodPrivateKeyJWT:
		return noMethod("the client is registered for private_key_jwt: set OAUTH_PRIVATE_KEY_PATH")
	case registered == MethodTLS && !o.UseMTLS:
		return noMethod("the client is registered for tls_client_auth: set OAUTH_USE_MTLS and its certificate")
	case !slices.Contains([]string{MethodNone, MethodBasic, MethodPost, MethodTLS}, registered):
		return noMethod("the client is registered for %s, which is not supported", shown(registered))
	}
	return nil
}

// withSecret is for a client that has a secret, or is to get one. A list that is left out means client_secret_basic
// (RFC 8414 §2).
func (m *Metadata) withSecret(o *config.OAuth) (string, error) {
	switch {
	case o.UseBasicAuth != nil:
		return written(o), nil
	case m == nil, len(m.AuthMethods) == 0, slices.Contains(m.AuthMethods, MethodBasic):
		return MethodBasic, nil
	case slices.Contains(m.AuthMethods, MethodPost):
		return MethodPost, nil
	}
	return "", noMethod("the server accepts %s, none of which a client secret will do for: "+
		"set OAUTH_PRIVATE_KEY_PATH for private_key_jwt, OAUTH_USE_MTLS for tls_client_auth", shown(m.AuthMethods...))
}

func written(o *config.OAuth) string {
	if *o.UseBasicAuth {
		return MethodBasic
	}
	return MethodPost
}

func noMethod(format string, args ...any) *Error {
	e := unsent(opToken, "", fmt.Errorf(format, args...))
	e.Final = true
	return e
}

// shown makes a list that a server supplied fit for an error.
func shown(list ...string) string { return new(wire).clean(strings.Join(list, ", ")) }

// authenticate adds the client's proof to a form, or to the headers of the request that will carry it (RFC 6749 §2.3).
func (w *wire) authenticate(ctx context.Context, t *Target, r *secrets.Resolver, form url.Values) error {
	method := t.Method
	if method == "" {
		method, _, _ = (*Metadata)(nil).Method(t.OAuth, "") // without metadata there is nothing to fail
	}
	if method == MethodPrivateKeyJWT { // the assertion names the client
		assertion, err := assertion(ctx, t, r)
		if err != nil {
			return err
		}
		w.hide(assertion)
		form.Set("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
		form.Set("client_assertion", assertion)
		return nil
	}
	if method == MethodBasic || method == MethodPost {
		if err := w.readSecret(ctx, t, r); err != nil {
			return err
		}
	}
	if method == MethodBasic && !w.secret.IsZero() {
		w.header.Set("Authorization", "Basic "+basicPair(t.ClientID, w.secret))
		return nil
	}
	form.Set("client_id", t.ClientID) // alone without a secret, also with a certificate (RFC 8705 §2.1)
	if !w.secret.IsZero() {
		form.Set("client_secret", w.secret.Reveal())
	}
	return nil
}

func (w *wire) readSecret(ctx context.Context, t *Target, r *secrets.Resolver) (err error) {
	if t.ClientSecret.IsZero() {
		return nil
	}
	if w.secret, err = r.Resolve(ctx, t.ClientSecret); err != nil {
		return fmt.Errorf("OAUTH_CLIENT_SECRET: %w", err)
	}
	w.hide(w.secret.Reveal())
	w.hide(basicPair(t.ClientID, w.secret))
	return nil
}

// basicPair is what client_secret_basic sends: each half form-encoded first (RFC 6749 §2.3.1).
func basicPair(id string, secret secrets.Secret) string {
	return base64.StdEncoding.EncodeToString([]byte(url.QueryEscape(id) + ":" + url.QueryEscape(secret.Reveal())))
}
