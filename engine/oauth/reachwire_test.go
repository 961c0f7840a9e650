package oauth_test

import (
	"errors"
	"net/url"
	"strings"
	"testing"

	"bearerd/config"
	"bearerd/engine/oauth"
	"bearerd/secrets"
)

// No request of any kind goes from a made server to where it may not go, configured as it may be.
func TestMadeServersSendNothingInside(t *testing.T) {
	e := newEndpoint(t, 200, jsonType, testAnswer)
	u, err := url.Parse(e.url)
	if err != nil {
		t.Fatal(err)
	}
	for _, host := range []string{u.Host, "localhost:" + u.Port()} {
		address := "http://" + host + "/"
		c := delegated(address)
		c.ServerURL = address
		s := &config.Server{Name: "a", URL: address, Made: true, OAuth: c}
		to := &oauth.Target{OAuth: c, Reach: oauth.NewReach(s)}
		for op, send := range map[string]func() error{
			"token": func() error { _, err := oauth.ClientCredentials(t.Context(), discard, to, nothing, testID); return err },
			"refresh": func() error {
				_, err := oauth.RefreshToken(t.Context(), discard, to, nothing, secrets.New("rt"), testID, nil)
				return err
			},
			"code": func() error {
				_, err := oauth.Exchange(t.Context(), discard, to, nothing, testCode, oauth.Authorization{}, testID)
				return err
			},
			"revocation": func() error {
				return oauth.Revoke(t.Context(), discard, to, nothing, secrets.New("at"), "access_token", testID)
			},
			"registration": func() error {
				_, err := oauth.Register(t.Context(), discard, to, nothing, testRedirect, testID)
				return err
			},
			"device": func() error { _, err := oauth.AuthorizeDevice(t.Context(), discard, to, nothing, testID); return err },
			"device token": func() error {
				_, err := oauth.DeviceToken(t.Context(), discard, to, nothing, testCode, testID)
				return err
			},
			"probe": func() error { _, err := oauth.Probe(t.Context(), discard, s, nothing, testID); return err },
			"discovery": func() error {
				_, err := oauth.Discover(t.Context(), discard, s, nothing, oauth.Challenge{}, "", testID)
				return err
			},
		} {
			err := send()
			var wire *oauth.Error
			if !errors.Is(err, oauth.ErrOutOfReach) || !errors.As(err, &wire) || !wire.Final {
				t.Errorf("%s to %s: error %v", op, host, err)
			}
		}
		if n := len(e.seen); n != 0 {
			t.Fatalf("%d requests arrived", n)
		}
		s.Made = false
		to.Reach = oauth.NewReach(s)
		if _, err := oauth.ClientCredentials(t.Context(), discard, to, nothing, testID); err != nil {
			t.Errorf("a server by hand: %v", err)
		}
		e.seen = nil
	}
}

// A redirect URI that is no loopback one is that of a web application.
func TestRegistrationForThePublicCallback(t *testing.T) {
	for redirect, want := range map[string]string{
		testRedirect: `"application_type":"native"`, "https://bearerd.example.com/api/oauth/callback": `"application_type":"web"`,
	} {
		e := newEndpoint(t, 201, jsonType, `{"client_id":"made-1"}`)
		if _, err := register(t, delegated(e.url), "", redirect); err != nil {
			t.Fatal(err)
		}
		if body := e.only(t).body; !strings.Contains(body, want) || !strings.Contains(body, `"redirect_uris":["`+redirect+`"]`) {
			t.Errorf("body %s", body)
		}
	}
}
