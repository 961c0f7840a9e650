package oauth_test

import (
	"bytes"
	"context"
	"crypto/elliptic"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"

	"bearerd/config"
	"bearerd/engine/oauth"
	"bearerd/engine/oauth/oauthtest"
	"bearerd/secrets"
)

// issued is what a server that means well answers, whatever it is asked.
const issued = `{"access_token":"canary.token","refresh_token":"canary.refresh","client_id":"made-1","client_secret":"canary.made",` +
	`"registration_access_token":"canary.manage","device_code":"canary.device","user_code":"WDJB","expires_in":60,` +
	`"verification_uri":"https://auth.example.com/device"}`

// hostile is a server at which every request meets a fault. It keeps the assertions that it is sent.
func hostile(t *testing.T, fault oauthtest.Fault) (address string, assertions func() []string) {
	t.Helper()
	var mu sync.Mutex
	var seen []string
	well := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(issued)) })
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body := new(bytes.Buffer)
		_, _ = body.ReadFrom(r.Body)
		form, _ := url.ParseQuery(body.String())
		mu.Lock()
		seen = append(seen, form["client_assertion"]...)
		mu.Unlock()
		r.Body = http.NoBody
		if body.Len() > 0 {
			r.Body = readCloser{body}
		}
		fault(w, r, well)
	}))
	t.Cleanup(s.Close)
	return s.URL, func() []string {
		mu.Lock()
		defer mu.Unlock()
		return seen
	}
}

type readCloser struct{ *bytes.Buffer }

func (readCloser) Close() error { return nil }

// ownSecrets repeats in the text of an error what the same answer holds.
func ownSecrets() oauthtest.Fault {
	return oauthtest.Answer(400, jsonType, strings.TrimSuffix(issued, "}")+
		`,"error":"x","error_description":"canary.made canary.manage canary.device canary.token canary.refresh"}`)
}

// echoAssertion repeats the client's assertion and nothing else.
func echoAssertion(w http.ResponseWriter, r *http.Request, _ http.Handler) {
	w.WriteHeader(401)
	_, _ = fmt.Fprintf(w, `{"error":"invalid_client","error_description":"not valid: %s"}`, r.FormValue("client_assertion"))
}

// The authorization server has seen the state before the token request.
func TestStateIsNotRepeated(t *testing.T) {
	e := newEndpoint(t, 400, jsonType, `{"error":"invalid_grant","error_description":"of canary-state"}`)
	_, err := spend(t, delegated(e.url), authorization())
	if got := asError(t, err).Error(); got != failed("invalid_grant - of [secret]", 400) {
		t.Error(got)
	}
}

func TestNoSecretOfAGrantInAnyErrorOrLog(t *testing.T) {
	key := pkcs8(t, curveKey(t, elliptic.P256()))
	all := faults()
	all["own secrets"], all["assertion"] = ownSecrets(), echoAssertion
	for name, fault := range all {
		for _, method := range []string{oauth.MethodPost, oauth.MethodPrivateKeyJWT} {
			t.Run(name+", "+method, func(t *testing.T) {
				address, assertions := hostile(t, fault)
				c := canaryGrant(address, key)
				to := target(c)
				to.Method = method
				out := runGrants(t, to)
				if !strings.Contains(out, "OAuth exchange") {
					t.Error("nothing was logged")
				}
				sent := []string{"canary"}
				for _, assertion := range assertions() {
					sent = append(sent, assertion[:60], assertion[strings.LastIndexByte(assertion, '.')+1:]) // a text is cut
				}
				if method == oauth.MethodPrivateKeyJWT && len(sent) < 5 {
					t.Errorf("%d values were sent", len(sent))
				}
				for _, value := range sent {
					if _, after, found := strings.Cut(out, value); found {
						t.Errorf("%q is shown, before %.200q", value, after)
					}
				}
			})
		}
	}
}

func canaryGrant(address, key string) *config.OAuth {
	c := delegated(address + "/?key=" + url.QueryEscape(canary))
	c.ClientSecret, c.PrivateKeyPath = secrets.LiteralRef(canary+"secret"), secrets.LiteralRef(key)
	c.Scope = "read"
	c.AdditionalParams = map[string]secrets.Ref{"realm": secrets.LiteralRef(canary + "param")}
	c.AuthorizationParams = map[string]secrets.Ref{"login_hint": secrets.LiteralRef(canary + "hint")}
	c.CustomHeaders = map[string]secrets.Ref{"X-Key": secrets.LiteralRef(canary + "header")}
	return c
}

// runGrants makes every request that a person's grant has, and gives all that can be seen of it.
func runGrants(t *testing.T, to *oauth.Target) string {
	t.Helper()
	var out bytes.Buffer
	log := slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug}))
	a := oauth.Authorization{
		RedirectURI: testRedirect, State: secrets.New(canary + "state"), Verifier: secrets.New(canary + "verifier"), Scope: "read",
	}
	for _, request := range []func(context.Context) (any, error){
		func(ctx context.Context) (any, error) {
			return oauth.Exchange(ctx, log, to, nothing, secrets.New(canary+"code"), a, testID)
		},
		func(ctx context.Context) (any, error) { return oauth.AuthorizeDevice(ctx, log, to, nothing, testID) },
		func(ctx context.Context) (any, error) {
			return oauth.DeviceToken(ctx, log, to, nothing, secrets.New(canary+"device"), testID)
		},
		func(ctx context.Context) (any, error) {
			return oauth.Register(ctx, log, to, nothing, testRedirect, testID)
		},
	} {
		var got any
		err := exchange(t, func(ctx context.Context) (err error) {
			got, err = request(ctx)
			return err
		})
		fmt.Fprintf(&out, "\n%v %+v %#v %q %+v\n", err, err, err, err, got)
		log.Error("shown", "err", err, "got", got)
	}
	_, err := oauth.Code(nil, url.Values{
		"state": {canary + "state"}, "code": {canary + "code"}, "error": {canary + "state"}, "error_description": {"x " + canary + "code"},
	})
	fmt.Fprintf(&out, "%v %+v %#v\n", err, err, err)
	return out.String()
}
