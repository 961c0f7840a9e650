package oauth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"

	"bearerd/secrets"
)

const (
	maxRegistration = 64 << 10 // the answer
	maxClientID     = 2 << 10  // as JSON, as the two below
	maxClientSecret = 2 << 10
	maxMethod       = 64
	maxRegistered   = maxClientID + maxClientSecret + maxMethod
)

const deviceGrant = "urn:ietf:params:oauth:grant-type:device_code"

// clientMetadata is what we say about ourselves (RFC 7591 §2).
type clientMetadata struct {
	Name            string              `json:"client_name"`
	ApplicationType string              `json:"application_type"`
	RedirectURIs    []string            `json:"redirect_uris,omitempty"`
	GrantTypes      []string            `json:"grant_types"`
	ResponseTypes   []string            `json:"response_types"`
	Method          string              `json:"token_endpoint_auth_method"`
	Scope           string              `json:"scope,omitempty"`
	Keys            *jose.JSONWebKeySet `json:"jwks,omitempty"`
}

// Register makes a client for redirect at t.RegistrationURL (RFC 7591). It registers the method of t, and asks for the
// scopes of t. redirect "" is for the device grant alone. An error is an *Error.
func Register(ctx context.Context, log *slog.Logger, t *Target, r *secrets.Resolver, redirect, id string) (*Registration, error) {
	w, err := newWire(ctx, log, t, r, opRegister, id)
	if err != nil {
		return nil, unsent(opRegister, id, err)
	}
	about, err := t.clientMetadata(ctx, r, redirect)
	if err != nil {
		return nil, unsent(opRegister, id, err)
	}
	body, err := json.Marshal(about)
	if err != nil {
		return nil, unsent(opRegister, id, errors.New("the public key cannot be written as JSON"))
	}
	reply, err := w.post(ctx, t.RegistrationURL, "OAUTH_REGISTRATION_URL", "application/json", body)
	if err != nil {
		return nil, err
	}
	made, err := w.registration(reply, about.Method)
	if err != nil {
		return nil, w.useless(200, "", err)
	}
	if _, _, err := (*Metadata)(nil).Method(t.OAuth, made.Method); err != nil {
		return nil, w.useless(200, "", errors.Unwrap(err))
	}
	return made, nil
}

func (t *Target) clientMetadata(ctx context.Context, r *secrets.Resolver, redirect string) (*clientMetadata, error) {
	about := &clientMetadata{
		Name: "bearerd", ApplicationType: "native", GrantTypes: []string{"refresh_token"}, ResponseTypes: []string{},
		Method: t.Method, Scope: t.Scope,
	}
	if redirect != "" {
		about.RedirectURIs = []string{redirect}
		if strings.HasPrefix(redirect, "https:") { // a native one has its answer at loopback (OpenID Connect Registration §2)
			about.ApplicationType = "web"
		}
		about.GrantTypes = slices.Insert(about.GrantTypes, 0, "authorization_code")
		about.ResponseTypes = append(about.ResponseTypes, "code")
	}
	if t.DeviceURL != "" {
		about.GrantTypes = append(about.GrantTypes, deviceGrant)
	}
	switch t.Method {
	case MethodBasic, MethodPost:
	case MethodPrivateKeyJWT:
		key, alg, _, err := signingKey(ctx, t, r)
		if err != nil {
			return nil, fmt.Errorf("OAUTH_PRIVATE_KEY_PATH: %w", err)
		}
		about.Keys = &jose.JSONWebKeySet{Keys: []jose.JSONWebKey{
			{Key: key.Public(), KeyID: t.PrivateKeyID, Algorithm: string(alg), Use: "sig"},
		}}
	default: // a certificate has no place here: the client that comes of it is a public one (RFC 8705 §4)
		about.Method = MethodNone
	}
	return about, nil
}

// registration reads the answer (RFC 7591 §3.2.1). What allows changing the registration is not kept.
func (w *wire) registration(body []byte, asked string) (*Registration, error) {
	if len(body) > maxRegistration {
		return nil, fmt.Errorf("the registration is over %d KiB", maxRegistration>>10)
	}
	a, _ := parseAnswer(body) // judge has
	made := &Registration{
		ClientID: a.text("client_id"), ClientSecret: secrets.New(a.text("client_secret")), Method: a.text("token_endpoint_auth_method"),
	}
	switch id := made.ClientID; {
	case id == "":
		return nil, errors.New("the registration holds no client_id")
	case jsonSize(id) > maxClientID || strings.ContainsFunc(id, unprintable):
		return nil, fmt.Errorf("the client_id is over %d KiB or cannot be printed", maxClientID>>10)
	case jsonSize(made.ClientSecret.Reveal()) > maxClientSecret || strings.ContainsFunc(made.ClientSecret.Reveal(), unprintable):
		return nil, fmt.Errorf("the client_secret is over %d KiB or cannot be printed", maxClientSecret>>10)
	case jsonSize(made.Method) > maxMethod:
		return nil, fmt.Errorf("the token_endpoint_auth_method is over %d bytes", maxMethod)
	}
	made.settleMethod(asked)
	if !made.ClientSecret.IsZero() {
		made.Expires = a.secretExpires()
	}
	if made.Expires != 0 && made.Expires <= time.Now().Unix() {
		return nil, errors.New("the client_secret has expired already (client_secret_expires_at is in the past)")
	}
	return made, nil
}

// settleMethod makes method and secret agree.
func (made *Registration) settleMethod(asked string) {
	confidential := made.Method == MethodBasic || made.Method == MethodPost
	switch {
	case made.ClientSecret.IsZero() && (made.Method == "" || confidential): // there is nothing to prove
		made.Method = MethodNone
		if asked == MethodPrivateKeyJWT {
			made.Method = asked
		}
	case made.Method == "" && (asked == MethodBasic || asked == MethodPost):
		made.Method = asked
	case made.Method == "": // RFC 7591 §2
		made.Method = MethodBasic
	case !confidential:
		made.ClientSecret = secrets.Secret{}
	}
}

// secretExpires is 0 for never and for what cannot be read.
func (a answer) secretExpires() int64 {
	at, err := strconv.ParseFloat(fmt.Sprint(a["client_secret_expires_at"]), 64)
	if err != nil || !(at > 0 && at < math.MaxInt64) {
		return 0
	}
	return int64(at)
}

// unprintable is what a client's name and secret, or a user code, may not hold (RFC 6749 appendix A).
func unprintable(r rune) bool { return r < ' ' || r > '~' }
