package oauth_test

import (
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"testing"

	"bearerd/config"
	"bearerd/engine/oauth"
	"bearerd/secrets"
)

// endpoint gives one recorded answer, and keeps what it was sent.
type endpoint struct {
	url string

	mu   sync.Mutex
	seen []sent
}

type sent struct {
	header http.Header
	body   string
	form   url.Values
}

func newEndpoint(t *testing.T, status int, contentType, body string) *endpoint {
	t.Helper()
	e := &endpoint{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		form, _ := url.ParseQuery(string(b))
		e.mu.Lock()
		e.seen = append(e.seen, sent{r.Header, string(b), form})
		e.mu.Unlock()
		w.Header().Set("Content-Type", contentType)
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}))
	t.Cleanup(server.Close)
	e.url = server.URL
	return e
}

// only is the one request that must have come.
func (e *endpoint) only(t *testing.T) sent {
	t.Helper()
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.seen) != 1 {
		t.Fatalf("%d requests, want 1", len(e.seen))
	}
	return e.seen[0]
}

func (e *endpoint) host() string { return e.url[len("http://"):] }

// delegated is a public client of a grant that a person approves, at one endpoint for everything.
func delegated(address string) *config.OAuth {
	return &config.OAuth{
		Enabled: true, Version: "2.0", GrantType: "authorization_code", ClientID: "client-123", ValidateScopes: true,
		AuthorizationURL: address, TokenURL: address, RegistrationURL: address, DeviceURL: address, RevocationURL: address,
	}
}

var (
	discard    = slog.New(slog.DiscardHandler)
	nothing    = &secrets.Resolver{}
	testCode   = secrets.New("canary-code")
	testAnswer = `{"access_token":"at","token_type":"Bearer"}`
)

const formType, jsonType = "application/x-www-form-urlencoded", "application/json"

func authorization() oauth.Authorization {
	return oauth.Authorization{
		RedirectURI: "http://127.0.0.1:8765/callback", State: secrets.New("canary-state"), Verifier: secrets.New("canary-verifier"),
	}
}

func spend(t *testing.T, c *config.OAuth, a oauth.Authorization) (*oauth.Token, error) {
	t.Helper()
	return oauth.Exchange(t.Context(), discard, target(c), nothing, testCode, a, testID)
}

func asError(t *testing.T, err error) *oauth.Error {
	t.Helper()
	e, ok := errors.AsType[*oauth.Error](err)
	if !ok {
		t.Fatalf("error is %T (%v), want an *oauth.Error", err, err)
	}
	return e
}
