package oauth_test

import (
	"crypto/elliptic"
	"net/url"
	"testing"

	"bearerd/config"
	"bearerd/engine/oauth"
	"bearerd/engine/oauth/oauthtest"
	"bearerd/secrets"
)

// newDelegate starts an authorization server that delegates, and gives the configuration of a client that it does not know yet.
func newDelegate(t *testing.T) (*oauthtest.Server, *config.OAuth) {
	t.Helper()
	s, c := newServer(t)
	s.Delegate()
	c.GrantType, c.ClientID, c.ClientSecret, c.Scope = "authorization_code", "", secrets.Ref{}, "read"
	c.AuthorizationURL, c.RegistrationURL, c.DeviceURL = s.AuthorizationURL(), s.RegistrationURL(), s.DeviceAuthorizationURL()
	c.Resource = []string{"https://mcp.example.com"}
	return s, c
}

// signIn goes through the whole authorization, as a person who approves it.
func signIn(t *testing.T, s *oauthtest.Server, to *oauth.Target) *oauth.Token {
	t.Helper()
	a := oauth.Authorization{RedirectURI: testRedirect, State: oauth.NewState(), Verifier: oauth.NewVerifier(), Scope: to.Scope}
	address, err := to.URL(t.Context(), nothing, a)
	if err != nil {
		t.Fatal(err)
	}
	back, err := s.Visit(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(back)
	if err != nil || u.Query().Get("state") != a.State.Reveal() {
		t.Fatalf("%s: %v", back, err)
	}
	code, err := oauth.Code(&oauth.Metadata{Issuer: s.URL(), IssuerInResponse: true}, u.Query())
	if err != nil {
		t.Fatal(err)
	}
	token, err := oauth.Exchange(t.Context(), discard, to, nothing, code, a, testID)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func TestLifeOfADelegatedGrant(t *testing.T) {
	for _, method := range []string{oauth.MethodNone, oauth.MethodBasic, oauth.MethodPost} {
		t.Run(method, func(t *testing.T) {
			s, c := newDelegate(t)
			made, err := register(t, c, method, testRedirect)
			if err != nil || made.Method != method || made.ClientSecret.IsZero() != (method == oauth.MethodNone) {
				t.Fatalf("%+v, %v", made, err)
			}
			c.ClientID = made.ClientID
			if !made.ClientSecret.IsZero() {
				c.ClientSecret = secrets.LiteralRef(made.ClientSecret.Reveal())
			}
			to := target(c)
			to.Method = made.Method
			liveAndEnd(t, s, to, signIn(t, s, to))
		})
	}
}

func TestLifeOfAGrantToAKey(t *testing.T) {
	s, c := newDelegate(t)
	key := curveKey(t, elliptic.P256())
	c.ClientID, c.PrivateKeyPath = "client-jwt", secrets.LiteralRef(pkcs8(t, key))
	s.Register(oauthtest.Client{
		ID: "client-jwt", Methods: []string{oauthtest.PrivateKeyJWT}, Key: key.Public(), RedirectURIs: []string{testRedirect},
	})
	to := target(c)
	to.Issuer = s.URL()
	liveAndEnd(t, s, to, signIn(t, s, to))
}

// liveAndEnd refreshes and revokes the grant.
func liveAndEnd(t *testing.T, s *oauthtest.Server, to *oauth.Target, first *oauth.Token) {
	t.Helper()
	granted, ok := s.Introspect(first.AccessToken.Reveal())
	if !ok || granted.Scope != "read" || len(granted.Resource) != 1 || granted.Resource[0] != "https://mcp.example.com" {
		t.Errorf("granted %+v", granted)
	}
	next, err := oauth.RefreshToken(t.Context(), discard, to, nothing, first.RefreshToken, testID, nil)
	if err != nil || next.RefreshToken.IsZero() {
		t.Fatalf("%+v, %v", next, err)
	}
	if err := oauth.Revoke(t.Context(), discard, to, nothing, next.RefreshToken, "refresh_token", testID); err != nil {
		t.Fatal(err)
	}
	if _, ok := s.Introspect(next.AccessToken.Reveal()); ok {
		t.Error("the grant outlives its revocation")
	}
}

func TestLifeOfADeviceGrant(t *testing.T) {
	s, c := newDelegate(t)
	made, err := register(t, c, oauth.MethodNone, "")
	if err != nil {
		t.Fatal(err)
	}
	c.ClientID = made.ClientID
	to := target(c)
	d, err := oauth.AuthorizeDevice(t.Context(), discard, to, nothing, testID)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := oauth.DeviceToken(t.Context(), discard, to, nothing, d.Code, testID); asError(t, err).Code != "authorization_pending" {
		t.Error(err)
	}
	if !s.ApproveDevice(d.UserCode) {
		t.Fatal("the server does not know the user code")
	}
	token, err := oauth.DeviceToken(t.Context(), discard, to, nothing, d.Code, testID)
	if err != nil {
		t.Fatal(err)
	}
	liveAndEnd(t, s, to, token)
}

func TestPersonRefuses(t *testing.T) {
	s, c := newDelegate(t)
	made, err := register(t, c, oauth.MethodNone, testRedirect)
	if err != nil {
		t.Fatal(err)
	}
	c.ClientID = made.ClientID
	s.Approve(func(oauthtest.AuthorizeRequest) oauthtest.Decision { return oauthtest.Deny("<b>No</b>") })
	address, err := target(c).URL(t.Context(), nothing, oauth.Authorization{
		RedirectURI: testRedirect, State: oauth.NewState(), Verifier: oauth.NewVerifier(),
	})
	if err != nil {
		t.Fatal(err)
	}
	back, err := s.Visit(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	u, _ := url.Parse(back)
	_, err = oauth.Code(&oauth.Metadata{Issuer: s.URL()}, u.Query())
	if e := asError(t, err); e.Code != "access_denied" || e.Description != "<b>No</b>" || !e.Final {
		t.Errorf("%+v", *e)
	}
}
