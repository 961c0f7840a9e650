package oauth_test

import (
	"bytes"
	"crypto/elliptic"
	"encoding/json"
	"fmt"
	"log/slog"
	"reflect"
	"strings"
	"testing"

	"bearerd/config"
	"bearerd/engine/oauth"
	"bearerd/secrets"
)

const testRedirect = "http://127.0.0.1:8765/callback"

func register(t *testing.T, c *config.OAuth, method, redirect string) (*oauth.Registration, error) {
	t.Helper()
	to := target(c)
	to.Method = method
	return oauth.Register(t.Context(), discard, to, nothing, redirect, testID)
}

func TestRegistrationOnTheWire(t *testing.T) {
	e := newEndpoint(t, 201, jsonType, `{"client_id":"made-1","token_endpoint_auth_method":"none"}`)
	c := delegated(e.url)
	c.ClientID, c.DeviceURL, c.Scope = "", "", "read write"
	c.ClientSecret = secrets.Ref{Kind: secrets.Env, Name: "BEARERD_TEST_ABSENT"} // not even looked at
	made, err := register(t, c, oauth.MethodNone, testRedirect)
	if err != nil || !reflect.DeepEqual(*made, oauth.Registration{ClientID: "made-1", Method: "none"}) {
		t.Fatalf("%+v, %v", made, err)
	}
	want := `{"client_name":"bearerd","application_type":"native","redirect_uris":["http://127.0.0.1:8765/callback"],` +
		`"grant_types":["authorization_code","refresh_token"],"response_types":["code"],"token_endpoint_auth_method":"none",` +
		`"scope":"read write"}`
	r := e.only(t)
	if r.body != want || r.header.Get("Content-Type") != jsonType || r.header.Get("Authorization") != "" ||
		r.header.Get("X-Correlation-ID") != testID {
		t.Errorf("%v\n got %s\nwant %s", r.header, r.body, want)
	}
}

func TestRegistrationIsNotInTheLog(t *testing.T) {
	e := newEndpoint(t, 201, jsonType, `{"client_id":"made-1"}`)
	var out bytes.Buffer
	log := slog.New(slog.NewJSONHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug}))
	if _, err := oauth.Register(t.Context(), log, target(delegated(e.url)), nothing, testRedirect, testID); err != nil {
		t.Fatal(err)
	}
	if text := out.String(); !strings.Contains(text, `"op":"registration"`) || !strings.Contains(text, `"params":null`) {
		t.Errorf("log: %s", text)
	}
}

func TestRegistrationForTheDeviceGrant(t *testing.T) {
	const device = `"urn:ietf:params:oauth:grant-type:device_code"`
	for redirect, want := range map[string][]string{
		testRedirect: {`"grant_types":["authorization_code","refresh_token",` + device + `]`, `"response_types":["code"]`, `"redirect_uris":[`},
		"":           {`"grant_types":["refresh_token",` + device + `]`, `"response_types":[]`, ""},
	} {
		e := newEndpoint(t, 200, jsonType, `{"client_id":"made-1"}`)
		if _, err := register(t, delegated(e.url), "", redirect); err != nil {
			t.Fatal(err)
		}
		body := e.only(t).body
		for _, part := range want {
			if !strings.Contains(body, part) {
				t.Errorf("%q: %s holds no %s", redirect, body, part)
			}
		}
		if redirect == "" && strings.Contains(body, "redirect_uris") {
			t.Errorf("body %s", body)
		}
	}
}

func TestRegistrationOfAKey(t *testing.T) {
	e := newEndpoint(t, 201, jsonType, `{"client_id":"made-1","token_endpoint_auth_method":"private_key_jwt"}`)
	c := delegated(e.url)
	c.PrivateKeyPath, c.PrivateKeyID = secrets.LiteralRef(pkcs8(t, curveKey(t, elliptic.P256()))), "key-1"
	if made, err := register(t, c, oauth.MethodPrivateKeyJWT, testRedirect); err != nil || made.Method != oauth.MethodPrivateKeyJWT {
		t.Fatalf("%+v, %v", made, err)
	}
	var about struct {
		Keys struct{ Keys []map[string]string } `json:"jwks"`
	}
	body := e.only(t).body
	if err := json.Unmarshal([]byte(body), &about); err != nil || len(about.Keys.Keys) != 1 {
		t.Fatalf("%v: %s", err, body)
	}
	key := about.Keys.Keys[0]
	if key["kid"] != "key-1" || key["alg"] != "ES256" || key["use"] != "sig" || key["x"] == "" || key["d"] != "" {
		t.Errorf("key %v", key) // and no private part
	}
}

func TestAnswerOfARegistration(t *testing.T) {
	const none, basic, post = oauth.MethodNone, oauth.MethodBasic, oauth.MethodPost
	for _, test := range []struct {
		asked, answer string
		secret        string
		method        string
		expires       int64
	}{
		{none, `"client_secret":"s"`, "s", basic, 0}, // RFC 7591 §2
		{post, `"client_secret":"s"`, "s", post, 0},
		{none, `"client_secret":"s","token_endpoint_auth_method":"none"`, "", none, 0},
		{none, `"client_secret":"s","token_endpoint_auth_method":"client_secret_post","client_secret_expires_at":1900000000`, "s", post, 1900000000},
		{none, `"client_secret":"s","client_secret_expires_at":0`, "s", basic, 0},
		{none, `"client_secret":"s","client_secret_expires_at":"1900000000"`, "s", basic, 1900000000},
		{none, `"client_secret":"s","client_secret_expires_at":1e300`, "s", basic, 0},
		{none, `"client_secret_expires_at":1900000000`, "", none, 0},
		{basic, `"token_endpoint_auth_method":"client_secret_basic"`, "", none, 0},
		{basic, `"client_secret":null`, "", none, 0},
		{none, `"client_secret":"s","client_secret_expires_at":1600000000,"token_endpoint_auth_method":"none"`, "", none, 0},
	} {
		e := newEndpoint(t, 201, jsonType, `{"client_id":"made-1",`+test.answer+`}`)
		made, err := register(t, delegated(e.url), test.asked, testRedirect)
		if err != nil {
			t.Errorf("%s: %v", test.answer, err)
			continue
		}
		if made.ClientSecret.Reveal() != test.secret || made.Method != test.method || made.Expires != test.expires {
			t.Errorf("%s: secret %q, method %q, expires %d", test.answer, made.ClientSecret.Reveal(), made.Method, made.Expires)
		}
	}
}

func TestRegistrationThatFails(t *testing.T) {
	for _, test := range []struct {
		status     int
		body, want string
		final      bool
	}{
		{400, `{"error":"invalid_redirect_uri","error_description":"Loopback only"}`, "invalid_redirect_uri - Loopback only", true},
		{400, `{"error":"invalid_client_metadata"}`, "invalid_client_metadata", true},
		{403, `{"error":"access_denied","error_description":"Not for \u001byou"}`, "access_denied - Not for ?you", true},
		{401, `{"error":"invalid_token"}`, "invalid_token", false},
		{500, `{"error":"invalid_client_metadata"}`, "invalid_client_metadata", false},
		{404, `<html>canary`, "HOST answered HTTP 404 Not Found", false},
		{302, ``, "HOST redirects to HOST, which is refused: configure the final address", false},
		{200, `<html>canary`, "HOST gave neither JSON nor a form", false},
		{201, `{"client_secret":"canary"}`, "the registration holds no client_id", false},
		{201, `{"client_id":7}`, "the registration holds no client_id", false},
		{201, `{"client_id":"a\nb"}`, "the client_id is over 2 KiB or cannot be printed", false},
		{201, `{"client_id":"` + strings.Repeat("a", 2<<10+1) + `"}`, "the client_id is over 2 KiB or cannot be printed", false},
		{201, `{"client_id":"a","client_secret":"canary\n"}`, "the client_secret is over 2 KiB or cannot be printed", false},
		{201, `{"client_id":"` + strings.Repeat("<", 400) + `"}`, "the client_id is over 2 KiB or cannot be printed", false},
		{201, `{"client_id":"a","client_secret":"` + strings.Repeat("s", 2<<10+1) + `"}`,
			"the client_secret is over 2 KiB or cannot be printed", false},
		{201, `{"client_id":"a","token_endpoint_auth_method":"` + strings.Repeat("m", 65) + `"}`,
			"the token_endpoint_auth_method is over 64 bytes", false},
		{201, `{"client_id":"a","client_secret":"s","client_secret_expires_at":1600000000}`,
			"the client_secret has expired already (client_secret_expires_at is in the past)", false},
		{201, `{"client_id":"a","token_endpoint_auth_method":"private_key_jwt"}`,
			"the client is registered for private_key_jwt: set OAUTH_PRIVATE_KEY_PATH", false},
		{201, `{"client_id":"a","x":"` + strings.Repeat("a", 64<<10) + `"}`, "the registration is over 64 KiB", false},
	} {
		e := newEndpoint(t, test.status, jsonType, test.body)
		_, err := register(t, delegated(e.url), oauth.MethodNone, testRedirect)
		got := asError(t, err)
		status := test.status
		if test.status == 201 {
			status = 200
		}
		want := fmt.Sprintf("OAuth registration failed: %s (HTTP %d, correlation_id=%s)",
			strings.ReplaceAll(test.want, "HOST", e.host()), status, testID)
		if got.Error() != want || got.Final != test.final || got.Op != "registration" {
			t.Errorf("%.60s: final %v\n got %v\nwant %s", test.body, got.Final, got, want)
		}
	}
}

func TestRegistrationWithoutAnAddress(t *testing.T) {
	c := delegated("https://127.0.0.1:port/canary")
	_, err := register(t, c, oauth.MethodNone, testRedirect)
	if want := "OAuth registration not sent: OAUTH_REGISTRATION_URL cannot be used as an address"; asError(t, err).Error() != want {
		t.Error(err)
	}
}
