package oauth_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"bearerd/config"
	"bearerd/engine/oauth"
	"bearerd/engine/oauth/oauthtest"
	"bearerd/secrets"
)

// failed is the text of an error that the server's answer caused.
func failed(reason string, status int) string {
	return fmt.Sprintf("OAuth token request failed: %s (HTTP %d, correlation_id=%s)", reason, status, testID)
}

// withExpiry answers with a token whose expires_in is value, which nil removes.
func withExpiry(value any) oauthtest.Fault {
	return oauthtest.Edit(func(a map[string]any) {
		if a["expires_in"] = value; value == nil {
			delete(a, "expires_in")
		}
	})
}

func TestAcceptance08_ExpiresIn(t *testing.T) {
	for _, test := range []struct {
		value any // nil: absent
		want  time.Duration
	}{
		{3600, time.Hour},
		{"3600", time.Hour},
		{" 3600 ", time.Hour},
		{3599.9, 3599 * time.Second},
		{nil, 0},
		{0, 0},
		{"0", 0},
		{json.RawMessage("null"), 0},
		{0.4, time.Second},
		{"0.001", time.Second},
		{1e300, 10 << 28 * time.Second},
		{"99999999999999999999", 10 << 28 * time.Second},
	} {
		s, c := newServer(t)
		s.Fail(1, withExpiry(test.value))
		before := time.Now()
		token, _ := mustAsk(t, s, c)
		if token.ExpiresIn != test.want || token.ExpiresGuessed {
			t.Errorf("expires_in %v: %v, guessed %v, want %v", test.value, token.ExpiresIn, token.ExpiresGuessed, test.want)
		}
		if token.Requested.Before(before) || token.Requested.After(time.Now()) {
			t.Errorf("requested at %v", token.Requested)
		}
	}
	for _, value := range []any{-1, "-3600", -1e300, -0.5} {
		s, c := newServer(t)
		s.Fail(1, withExpiry(value))
		mustFail(t, c, failed("the answer holds a token that has already expired (expires_in is negative)", 200))
	}
}

func TestUnreadableExpiryIsNotForEver(t *testing.T) {
	for _, value := range []any{
		"1h", "3600s", "soon", "", "NaN", "Inf", "-inf", true, false, map[string]any{"seconds": 3600}, []any{3600},
	} {
		s, c := newServer(t)
		s.Fail(1, withExpiry(value))
		if token, _ := mustAsk(t, s, c); token.ExpiresIn != 5*time.Minute || !token.ExpiresGuessed {
			t.Errorf("expires_in %#v: %v, guessed %v", value, token.ExpiresIn, token.ExpiresGuessed)
		}
	}
}

func TestAcceptance09_JSONAsTextPlain(t *testing.T) {
	s, c := newServer(t)
	c.Scope = "read write"
	s.Fail(1, oauthtest.AsText())
	token, _ := mustAsk(t, s, c)
	if token.Scope != "read write" || token.ExpiresIn != time.Hour {
		t.Errorf("scope %q, lifetime %v", token.Scope, token.ExpiresIn)
	}
}

func TestAcceptance10_FormEncodedAnswer(t *testing.T) {
	s, c := newServer(t)
	c.Scope = "read write"
	s.Fail(1, oauthtest.AsForm())
	token, _ := mustAsk(t, s, c)
	if token.Scope != "read write" || token.ExpiresIn != time.Hour {
		t.Errorf("scope %q, lifetime %v", token.Scope, token.ExpiresIn)
	}
}

func TestAcceptance11_OAuthErrorWithStatus200(t *testing.T) {
	s, c := newServer(t)
	s.Fail(1, oauthtest.OAuthError(200, "invalid_client", "Client authentication failed"))
	e := mustFail(t, c, failed("invalid_client - Client authentication failed", 200))
	if !e.Final {
		t.Error("not final")
	}
	s.Fail(1, oauthtest.Answer(200, "application/x-www-form-urlencoded", "error=bad_verification_code"))
	if e := mustFail(t, c, failed("bad_verification_code", 200)); e.Final {
		t.Error("a code that no RFC knows is final")
	}
}

func TestAcceptance12_InvalidClient(t *testing.T) {
	s, c := newServer(t)
	c.ClientSecret = secrets.LiteralRef("wrong")
	e := mustFail(t, c, failed("invalid_client - Client authentication failed", 401))
	if !e.Final || e.Unsent || e.Code != "invalid_client" || e.Status != 401 || e.CorrelationID != testID {
		t.Errorf("%+v", *e)
	}
	if n := len(s.Requests()); n != 1 { // no second try with the other AuthStyle
		t.Errorf("%d requests", n)
	}
}

func TestFinalOnlyForKnownCodesAndStatuses(t *testing.T) {
	for _, test := range []struct {
		status int
		code   string
		final  bool
	}{
		{400, "invalid_request", true},
		{400, "invalid_grant", true},
		{400, "unauthorized_client", true},
		{400, "unsupported_grant_type", true},
		{400, "invalid_scope", true},
		{400, "invalid_target", true},
		{401, "invalid_client", true},
		{403, "invalid_client", false},
		{429, "invalid_request", false},
		{500, "invalid_client", false},
		{400, "server_error", false},
		{400, "temporarily_unavailable", false},
		{400, "Invalid_Client", false},
	} {
		s, c := newServer(t)
		s.Fail(1, oauthtest.OAuthError(test.status, test.code, ""))
		if e := mustFail(t, c, failed(test.code, test.status)); e.Final != test.final {
			t.Errorf("%d %s: final %v", test.status, test.code, e.Final)
		}
	}
}

func TestAcceptance13_HTMLError(t *testing.T) {
	s, c := newServer(t)
	s.Fail(1, oauthtest.Answer(503, "text/html", "<html><body>canary</body></html>"))
	if e := mustFail(t, c, failed(host(c)+" answered HTTP 503 Service Unavailable", 503)); e.Final {
		t.Error("final")
	}
}

func TestStatusWithoutAName(t *testing.T) {
	s, c := newServer(t)
	s.Fail(1, oauthtest.Answer(599, "text/html", "<p>"))
	mustFail(t, c, failed(host(c)+" answered HTTP 599", 599))
}

func TestAcceptance14_RetryAfter(t *testing.T) {
	for _, test := range []struct {
		header   string
		min, max time.Duration
	}{
		{"7", 7 * time.Second, 7 * time.Second},
		{time.Now().Add(time.Minute).UTC().Format(http.TimeFormat), 30 * time.Second, time.Minute},
		{time.Now().Add(-time.Minute).UTC().Format(http.TimeFormat), 0, 0},
		{"99999999", 24 * time.Hour, 24 * time.Hour},
		{"-7", 0, 0},
		{"later", 0, 0},
	} {
		s, c := newServer(t)
		s.Fail(1, oauthtest.TooMany(test.header))
		e := mustFail(t, c, failed(host(c)+" answered HTTP 429 Too Many Requests", 429))
		if e.Final || e.RetryAfter < test.min || e.RetryAfter > test.max {
			t.Errorf("%q: final %v, %v", test.header, e.Final, e.RetryAfter)
		}
	}
}

func TestAcceptance15_NetworkErrorsInPlainWords(t *testing.T) {
	s, c := newServer(t)
	suffix := " (correlation_id=" + testID + ")"
	s.Fail(1, oauthtest.Reset())
	e := mustFail(t, c, "OAuth token request failed: "+host(c)+": connection reset by peer"+suffix)
	if e.Final || e.Unsent || !errors.Is(e, syscall.ECONNRESET) {
		t.Errorf("%+v", *e)
	}

	address := freePort(t)
	c.TokenURL = "https://" + address + "/token?key=" + testSecret
	if e := mustFail(t, c, "OAuth token request failed: "+address+": connection refused"+suffix); e.Final {
		t.Error("final")
	}

	c.TokenURL = "https://no-such-host.invalid/token"
	mustFail(t, c, "OAuth token request failed: no-such-host.invalid: the host name cannot be resolved"+suffix)
}

func TestAcceptance15_TimeoutAndCancellation(t *testing.T) {
	s, c := newServer(t)
	s.Fail(2, oauthtest.Hang())
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	log := slog.New(slog.DiscardHandler)
	_, err := oauth.ClientCredentials(ctx, log, target(c), &secrets.Resolver{}, testID)
	if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), host(c)+": timed out after ") {
		t.Errorf("error %v", err)
	}
	ctx, cancel = context.WithCancel(t.Context())
	cancel()
	_, err = oauth.ClientCredentials(ctx, log, target(c), &secrets.Resolver{}, testID)
	if !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), host(c)+": cancelled") {
		t.Errorf("error %v", err)
	}
}

func TestAcceptance16_OtherTokenTypes(t *testing.T) {
	for _, kind := range []string{"DPoP", "MAC", "N_A"} {
		s, c := newServer(t)
		s.Fail(1, oauthtest.Edit(func(a map[string]any) { a["token_type"] = kind }))
		mustFail(t, c, failed("token_type "+kind+" is not supported", 200))
	}
	for _, kind := range []any{"bearer", "BEARER", "", nil} {
		s, c := newServer(t)
		s.Fail(1, oauthtest.Edit(func(a map[string]any) { a["token_type"] = kind }))
		mustAsk(t, s, c)
	}
}

func TestAnswersThatAreNoToken(t *testing.T) {
	for _, test := range []struct {
		name, body, reason string
	}{
		{"no token", `{"token_type":"Bearer"}`, "the answer holds no access_token"},
		{"empty token", `{"access_token":""}`, "the answer holds no access_token"},
		{"number", `{"access_token":7}`, "the answer holds no access_token"},
		{"nested error", `{"error":{"message":"no"}}`, "the answer holds no access_token"},
		{"list", `[{"access_token":"x"}]`, "HOST gave neither JSON nor a form"},
		{"cut off", `{"access_token":"x"`, "HOST gave neither JSON nor a form"},
		{"trailing", `{"access_token":"x"} and more`, "HOST gave neither JSON nor a form"},
		{"empty", "", "HOST gave neither JSON nor a form"},
		{"HTML", "<p>access_token</p>", "HOST gave neither JSON nor a form"},
		{"line break", `{"access_token":"a\nb"}`, "the access_token holds characters that no HTTP header may carry"},
		{"space", `{"access_token":"a b"}`, "the access_token holds characters that no HTTP header may carry"},
		{"not ASCII", `{"access_token":"é"}`, "the access_token holds characters that no HTTP header may carry"},
		{"long", `{"access_token":"` + strings.Repeat("a", 32<<10+1) + `"}`, "the access_token is over 32 KiB"},
		{"long as JSON", `{"access_token":"` + strings.Repeat("<", 9<<10) + `"}`, "the access_token is over 32 KiB"},
		{"long refresh", `{"access_token":"a","refresh_token":"` + strings.Repeat("a", 8<<10+1) + `"}`,
			"the refresh_token is over 8 KiB"},
		{"long scope", `{"access_token":"a","scope":"` + strings.Repeat("a ", 2<<10) + `aa"}`, "the scope is over 4 KiB"},
		{"huge", `{"access_token":"` + strings.Repeat("a", 1<<20) + `"}`, "HOST: the answer is over 1 MiB"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s, c := newServer(t)
			s.Fail(1, oauthtest.Answer(200, "application/json", test.body))
			e := mustFail(t, c, failed(strings.ReplaceAll(test.reason, "HOST", host(c)), 200))
			if e.Final {
				t.Error("final")
			}
		})
	}
}

func TestLargestTokenFitsARecord(t *testing.T) {
	s, c := newServer(t)
	access, refresh := strings.Repeat("a", 32<<10), strings.Repeat("r", 8<<10)
	scope := strings.Repeat("s", 4<<10)
	s.Fail(1, oauthtest.Edit(func(a map[string]any) {
		a["access_token"], a["refresh_token"], a["scope"] = access, refresh, scope
	}))
	token, err := ask(t, c)
	if err != nil {
		t.Fatal(err)
	}
	if token.AccessToken.Reveal() != access || token.RefreshToken.Reveal() != refresh || token.Scope != scope {
		t.Error("the answer was changed")
	}
}

func TestDescriptionIsCutAndCleaned(t *testing.T) {
	s, c := newServer(t)
	s.Fail(1, oauthtest.OAuthError(400, "invalid_scope", "é\x1b[31m\n"+strings.Repeat("x", 1000)))
	e := mustFail(t, c, failed("invalid_scope - ??[31m?"+strings.Repeat("x", 193), 400))
	if len(e.Description) != 200 {
		t.Errorf("%d characters", len(e.Description))
	}
}

func TestPlainHTTPServer(t *testing.T) {
	s, err := oauthtest.NewPlain()
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	s.Register(oauthtest.Client{ID: "a", Secret: "b"})
	s.SetLifetime(5 * time.Second)
	c := &config.OAuth{
		Version: "2.0", ClientID: "a", ClientSecret: secrets.LiteralRef("b"), TokenURL: s.TokenURL(),
	}
	if token, _ := mustAsk(t, s, c); token.ExpiresIn != 5*time.Second {
		t.Errorf("lifetime %v", token.ExpiresIn)
	}
	c.TokenURL = strings.Replace(c.TokenURL, "http:", "https:", 1)
	mustFail(t, c, "OAuth token request failed: "+host(c)+
		": TLS: the server does not speak TLS on this port (correlation_id="+testID+")")
}
