package oauth_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"bearerd/engine/oauth"
	"bearerd/secrets"
)

const deviceAnswer = `{"device_code":"canary-device","user_code":"WDJB-MJHT","verification_uri":"https://example.com/device",` +
	`"verification_uri_complete":"https://example.com/device?user_code=WDJB-MJHT","expires_in":1800,"interval":7}`

func TestDeviceAuthorizationOnTheWire(t *testing.T) {
	e := newEndpoint(t, 200, jsonType, deviceAnswer)
	c := delegated(e.url)
	c.Scope, c.Resource, c.Audience = "read write", []string{"https://a.example", "https://b.example"}, "api"
	c.AuthorizationParams = map[string]secrets.Ref{"access_type": secrets.LiteralRef("offline")}
	d, err := oauth.AuthorizeDevice(t.Context(), discard, target(c), nothing, testID)
	if err != nil {
		t.Fatal(err)
	}
	if d.Code.Reveal() != "canary-device" || d.UserCode != "WDJB-MJHT" || d.URL != "https://example.com/device" ||
		d.CompleteURL != d.URL+"?user_code=WDJB-MJHT" || d.ExpiresIn != 30*time.Minute || d.Interval != 7*time.Second {
		t.Errorf("%+v", d)
	}
	want := "access_type=offline&audience=api&client_id=client-123&resource=https%3A%2F%2Fa.example&" +
		"resource=https%3A%2F%2Fb.example&scope=read+write"
	if r := e.only(t); r.body != want || r.header.Get("Content-Type") != formType {
		t.Errorf("body\n got %s\nwant %s", r.body, want)
	}
}

func TestDeviceAuthorizationOfAClientWithASecret(t *testing.T) {
	e := newEndpoint(t, 200, jsonType, deviceAnswer)
	c := delegated(e.url)
	c.ClientSecret = secrets.LiteralRef("s")
	if _, err := oauth.AuthorizeDevice(t.Context(), discard, target(c), nothing, testID); err != nil {
		t.Fatal(err)
	}
	if r := e.only(t); !strings.HasPrefix(r.header.Get("Authorization"), "Basic ") || r.body != "" {
		t.Errorf("%v, body %s", r.header, r.body)
	}
}

func TestIntervalOfADeviceAuthorization(t *testing.T) {
	for value, want := range map[string]time.Duration{
		`"x":0`: 5 * time.Second, `"interval":0`: 5 * time.Second, `"interval":-1`: 5 * time.Second, `"interval":"NaN"`: 5 * time.Second,
		`"interval":"3"`: 3 * time.Second, `"interval":1e300`: 5 * time.Minute,
		`"verification_url":"https://google.example/device","verification_uri":""`: 5 * time.Second,
	} {
		body := strings.Replace(deviceAnswer, `"interval":7`, value, 1)
		e := newEndpoint(t, 200, jsonType, body)
		d, err := oauth.AuthorizeDevice(t.Context(), discard, target(delegated(e.url)), nothing, testID)
		if err != nil || d.Interval != want {
			t.Errorf("%s: %+v, %v", value, d, err)
		}
	}
}

func TestDeviceAuthorizationThatFails(t *testing.T) {
	const page = "the answer's verification_uri is no http or https address that a person may be sent to"
	const complete = "the answer's verification_uri_complete is no http or https address that a person may be sent to"
	const user = "the answer holds no user_code of at most 64 printable characters"
	const life = "the answer does not say how long the codes live (expires_in)"
	const code = "the answer holds no device_code, or one of over 4 KiB"
	for _, test := range []struct{ old, new, want string }{
		{`https://example.com/device"`, `javascript:canary"`, page},
		{`https://example.com/device"`, `file:///canary"`, page},
		{`https://example.com/device"`, `https://canary@example.com/"`, page},
		{`https://example.com/device"`, `https://example.com/\u001b[31m"`, page},
		{`https://example.com/device?`, `javascript:canary?`, complete},
		{"WDJB-MJHT\",\"v", "\\u001b[31mcanary\",\"v", user},
		{"WDJB-MJHT\",\"v", strings.Repeat("W", 65) + "\",\"v", user},
		{`"user_code"`, `"no_code"`, user},
		{`"expires_in":1800`, `"expires_in":"soon"`, life},
		{`"expires_in":1800`, `"expires_in":-1`, life},
		{`"expires_in":1800,`, ``, life},
		{`canary-device`, ``, code},
		{`canary-device`, strings.Repeat("c", 4<<10+1), code},
	} {
		e := newEndpoint(t, 200, jsonType, strings.Replace(deviceAnswer, test.old, test.new, 1))
		_, err := oauth.AuthorizeDevice(t.Context(), discard, target(delegated(e.url)), nothing, testID)
		want := "OAuth device authorization failed: " + test.want + " (HTTP 200, correlation_id=" + testID + ")"
		if got := asError(t, err).Error(); got != want {
			t.Errorf("%s:\n got %s\nwant %s", test.new, got, want)
		}
	}
	e := newEndpoint(t, 400, jsonType, `{"error":"unauthorized_client","error_description":"Not for this client"}`)
	_, err := oauth.AuthorizeDevice(t.Context(), discard, target(delegated(e.url)), nothing, testID)
	if got := asError(t, err); got.Code != "unauthorized_client" || !got.Final {
		t.Error(got)
	}
}

func TestDeviceTokenOnTheWire(t *testing.T) {
	e := newEndpoint(t, 200, jsonType, testAnswer)
	c := delegated(e.url)
	c.Scope = "read"
	token, err := oauth.DeviceToken(t.Context(), discard, target(c), nothing, secrets.New("canary-device"), testID)
	if err != nil || token.AccessToken.Reveal() != "at" {
		t.Fatalf("%+v, %v", token, err)
	}
	want := "client_id=client-123&device_code=canary-device&grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Adevice_code"
	if r := e.only(t); r.body != want {
		t.Errorf("body\n got %s\nwant %s", r.body, want)
	}
}

func TestDeviceTokenThatIsNotThereYet(t *testing.T) {
	for code, final := range map[string]bool{
		"authorization_pending": false, "slow_down": false, "access_denied": true, "expired_token": true, "invalid_grant": true,
	} {
		e := newEndpoint(t, 400, jsonType, fmt.Sprintf(`{"error":%q}`, code))
		_, err := oauth.DeviceToken(t.Context(), discard, target(delegated(e.url)), nothing, testCode, testID)
		if got := asError(t, err); got.Code != code || got.Final != final {
			t.Errorf("%s: %+v", code, *got)
		}
	}
	e := newEndpoint(t, 401, jsonType, `{"error":"access_denied"}`) // by which Auth0 means a wrong secret
	c := delegated(e.url)
	c.GrantType = "client_credentials"
	if _, err := ask(t, c); asError(t, err).Final {
		t.Error("a code of the device grant is final for another one")
	}
}
