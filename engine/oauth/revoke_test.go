package oauth_test

import (
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"bearerd/config"
	"bearerd/engine/oauth"
	"bearerd/engine/oauth/oauthtest"
	"bearerd/secrets"
)

func revoke(t *testing.T, c *config.OAuth, token secrets.Secret) error {
	t.Helper()
	log := slog.New(slog.DiscardHandler)
	return oauth.Revoke(t.Context(), log, target(c), &secrets.Resolver{}, token, "access_token", testID)
}

func TestAcceptance37_Revocation(t *testing.T) {
	for _, basic := range []bool{true, false} {
		s, c := newServer(t)
		c.UseBasicAuth = &basic
		c.AdditionalParams = map[string]secrets.Ref{"realm": secrets.LiteralRef("x")} // of the token request alone
		token, _ := mustAsk(t, s, c)
		if err := revoke(t, c, token.AccessToken); err != nil {
			t.Fatal(err)
		}
		if _, ok := s.Introspect(token.AccessToken.Reveal()); ok {
			t.Error("the token is still alive")
		}
		r := s.Requests()[1]
		want := "token=" + token.AccessToken.Reveal() + "&token_type_hint=access_token"
		if !basic {
			want = "client_id=client-123&client_secret=" + testSecret + "&" + want
		}
		if r.Path != "/revoke" || r.Body != want {
			t.Errorf("%s: body\n got %s\nwant %s", r.Path, r.Body, want)
		}
		if r.Header.Get("X-Correlation-ID") != testID || r.Header.Get("X-Request-ID") != testID {
			t.Error("no correlation id")
		}
		if err := revoke(t, c, token.AccessToken); err != nil { // unknown by now
			t.Errorf("an unknown token: %v", err)
		}
	}
}

func TestAcceptance37_RevocationFailures(t *testing.T) {
	s, c := newServer(t)
	for _, test := range []struct {
		fault  oauthtest.Fault
		reason string
		status int
		final  bool
	}{
		{oauthtest.Answer(503, "text/html", "<p>"), host(c) + " answered HTTP 503 Service Unavailable", 503, false},
		{oauthtest.OAuthError(400, "unsupported_token_type", ""), "unsupported_token_type", 400, true},
		{oauthtest.OAuthError(401, "invalid_client", "no"), "invalid_client - no", 401, true},
		{oauthtest.Redirect(307, "https://elsewhere.example/?canary"), host(c) +
			" redirects to elsewhere.example, which is refused: configure the final address", 307, false},
	} {
		s.Fail(1, test.fault)
		err := revoke(t, c, secrets.New("some-token"))
		e, ok := errors.AsType[*oauth.Error](err)
		want := fmt.Sprintf("OAuth revocation failed: %s (HTTP %d, correlation_id=%s)", test.reason, test.status, testID)
		if !ok || e.Error() != want || e.Final != test.final {
			t.Errorf("error\n got %v\nwant %s", err, want)
		}
	}
	s.Fail(1, oauthtest.TooMany("3"))
	if e, _ := errors.AsType[*oauth.Error](revoke(t, c, secrets.New("some-token"))); e.RetryAfter != 3*time.Second {
		t.Errorf("retry after %v", e.RetryAfter)
	}
	s.Fail(1, oauthtest.Answer(200, "text/plain", "error=ignored")) // RFC 7009 §2.2: the body means nothing
	if err := revoke(t, c, secrets.New("some-token")); err != nil {
		t.Error(err)
	}
}

func TestAcceptance38_RevocationNotConfigured(t *testing.T) {
	s, c := newServer(t)
	c.RevocationURL = ""
	if err := revoke(t, c, secrets.New("some-token")); err != oauth.ErrNoRevocationURL {
		t.Errorf("error %v", err)
	}
	if len(s.Requests()) != 0 {
		t.Error("a request was sent")
	}
}
