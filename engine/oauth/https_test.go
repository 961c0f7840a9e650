package oauth_test

import (
	"strings"
	"testing"

	"bearerd/config"
	"bearerd/engine/oauth"
	"bearerd/engine/oauth/oauthtest"
	"bearerd/secrets"
)

const httpRemedy = `set both OAUTH_VERSION = "2.0" and OAUTH_ENFORCE_HTTPS = false`

// Addresses may have been discovered while plain http was allowed.
func TestPlainHTTPIsNotSent(t *testing.T) {
	for op, send := range map[string]func(*oauth.Target) error{
		"token request": func(to *oauth.Target) error {
			_, err := oauth.RefreshToken(t.Context(), discard, to, nothing, testCode, testID, func() error {
				t.Error("the refresh token was about to be spent")
				return nil
			})
			return err
		},
		"revocation": func(to *oauth.Target) error {
			return oauth.Revoke(t.Context(), discard, to, nothing, testCode, "refresh_token", testID)
		},
		"registration": func(to *oauth.Target) error {
			_, err := oauth.Register(t.Context(), discard, to, nothing, testRedirect, testID)
			return err
		},
		"device authorization": func(to *oauth.Target) error {
			_, err := oauth.AuthorizeDevice(t.Context(), discard, to, nothing, testID)
			return err
		},
	} {
		for _, rule := range []struct {
			version string
			enforce bool
		}{{"2.1", true}, {"2.1", false}, {"2.0", true}} {
			e := newEndpoint(t, 200, jsonType, testAnswer)
			c := delegated(e.url + "/canary")
			c.Version, c.EnforceHTTPS, c.ClientSecret = rule.version, rule.enforce, secrets.LiteralRef("canary")
			err := asError(t, send(target(c)))
			want := "OAuth " + op + " not sent: the address at " + e.host() + " is plain http, and https is required: use an https:// URL, or " + httpRemedy
			if err.Error() != want || !err.Unsent || len(e.seen) != 0 {
				t.Errorf("%+v: %d requests\n got %v\nwant %s", rule, len(e.seen), err, want)
			}
		}
	}
}

func TestNobodyIsSentToPlainHTTP(t *testing.T) {
	strict := func(address string) *config.OAuth {
		c := delegated(address)
		c.Version, c.EnforceHTTPS = "2.1", true
		return c
	}
	_, err := target(strict("http://auth.example.com/canary")).URL(t.Context(), nothing, authorization())
	want := "OAuth authorization not sent: the authorization endpoint is plain http, and https is required: use an https:// URL, or " + httpRemedy
	if e := asError(t, err); e.Error() != want || !e.Unsent {
		t.Error(e)
	}
	if _, err := target(delegated("http://auth.example.com/")).URL(t.Context(), nothing, authorization()); err != nil {
		t.Error(err)
	}

	as, c := newServer(t)
	c.DeviceURL, c.EnforceHTTPS = as.TokenURL(), true
	for _, test := range []struct{ old, new string }{
		{`https://example.com/device"`, `http://example.com/device"`}, {`https://example.com/device?`, `http://example.com/device?`},
	} {
		as.Fail(1, oauthtest.Answer(200, jsonType, strings.Replace(deviceAnswer, test.old, test.new, 1)))
		_, err := oauth.AuthorizeDevice(t.Context(), discard, target(c), nothing, testID)
		want := "the answer's verification_uri is plain http, and https is required: mend it at the provider, or " + httpRemedy
		if e := asError(t, err); !strings.Contains(e.Error(), want) {
			t.Error(e)
		}
		e := newEndpoint(t, 200, jsonType, strings.Replace(deviceAnswer, test.old, test.new, 1))
		if _, err := oauth.AuthorizeDevice(t.Context(), discard, target(delegated(e.url)), nothing, testID); err != nil {
			t.Error(err)
		}
	}
	as.Fail(1, oauthtest.Answer(200, jsonType, deviceAnswer))
	if _, err := oauth.AuthorizeDevice(t.Context(), discard, target(c), nothing, testID); err != nil {
		t.Error(err)
	}
}
