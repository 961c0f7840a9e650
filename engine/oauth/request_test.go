package oauth_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"bearerd/config"
	"bearerd/engine/oauth"
	"bearerd/engine/oauth/oauthtest"
	"bearerd/secrets"
)

const (
	testID     = "f47ac10b-58cc-4372-a567-0e02b2c3d479"
	testSecret = "canary-client-secret"
)

// newServer starts an authorization server with one client and gives the configuration that reaches it.
func newServer(t *testing.T) (*oauthtest.Server, *config.OAuth) {
	t.Helper()
	s, err := oauthtest.New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	s.Register(oauthtest.Client{ID: "client-123", Secret: testSecret})
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := s.WriteCA(ca); err != nil {
		t.Fatal(err)
	}
	return s, &config.OAuth{
		Enabled: true, Version: "2.1", GrantType: "client_credentials",
		ClientID: "client-123", ClientSecret: secrets.LiteralRef(testSecret),
		TokenURL: s.TokenURL(), RevocationURL: s.RevocationURL(),
		ValidateScopes: true, CABundlePath: fileRef(ca),
	}
}

func fileRef(path string) secrets.Ref { return secrets.Ref{Kind: secrets.File, Name: path} }

func ask(t *testing.T, c *config.OAuth) (*oauth.Token, error) {
	t.Helper()
	return oauth.ClientCredentials(t.Context(), slog.New(slog.DiscardHandler), target(c), &secrets.Resolver{}, testID)
}

// mustAsk returns the token and the one request that it took.
func mustAsk(t *testing.T, s *oauthtest.Server, c *config.OAuth) (*oauth.Token, oauthtest.Request) {
	t.Helper()
	before := len(s.Requests())
	token, err := ask(t, c)
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := s.Introspect(token.AccessToken.Reveal()); !ok {
		t.Error("the token is not one that the server issued")
	}
	requests := s.Requests()[before:]
	if len(requests) != 1 {
		t.Fatalf("%d requests, want 1", len(requests))
	}
	return token, requests[0]
}

// mustFail asks and returns the error, whose text must be want.
func mustFail(t *testing.T, c *config.OAuth, want string) *oauth.Error {
	t.Helper()
	_, err := ask(t, c)
	e, ok := errors.AsType[*oauth.Error](err)
	if !ok {
		t.Fatalf("error is %T (%v), want an *oauth.Error", err, err)
	}
	if e.Error() != want {
		t.Errorf("error:\n got %s\nwant %s", e, want)
	}
	return e
}

func host(c *config.OAuth) string {
	return strings.TrimSuffix(strings.TrimPrefix(c.TokenURL, "https://"), "/token")
}

func TestAcceptance01_BasicFormEncodesBothHalves(t *testing.T) {
	s, c := newServer(t)
	c.ClientID, c.ClientSecret = "id:é a", secrets.LiteralRef("s/+ %")
	s.Register(oauthtest.Client{ID: "id:é a", Secret: "s/+ %", Methods: []string{oauthtest.Basic}})
	_, r := mustAsk(t, s, c)
	want := "Basic " + base64.StdEncoding.EncodeToString([]byte("id%3A%C3%A9+a:s%2F%2B+%25"))
	if got := r.Header.Get("Authorization"); got != want {
		t.Errorf("Authorization %q, want %q", got, want)
	}
	if r.Body != "grant_type=client_credentials" {
		t.Errorf("body %q", r.Body)
	}
	if got := r.Header.Get("Content-Type"); got != "application/x-www-form-urlencoded" {
		t.Errorf("Content-Type %q", got)
	}
	for name, want := range map[string]string{"Accept": "application/json", "User-Agent": "bearerd", "Connection": "close"} {
		if got := r.Header.Get(name); got != want {
			t.Errorf("%s %q, want %q", name, got, want)
		}
	}
}

func TestAcceptance02_PostPutsBothIntoTheBody(t *testing.T) {
	s, c := newServer(t)
	c.UseBasicAuth, c.ClientSecret = new(false), secrets.LiteralRef("s/+ %")
	s.Register(oauthtest.Client{ID: "client-123", Secret: "s/+ %", Methods: []string{oauthtest.Post}})
	_, r := mustAsk(t, s, c)
	if want := "client_id=client-123&client_secret=s%2F%2B+%25&grant_type=client_credentials"; r.Body != want {
		t.Errorf("body %q, want %q", r.Body, want)
	}
	if r.Header.Get("Authorization") != "" {
		t.Error("an Authorization header was sent")
	}
}

func TestAcceptance03_EachParameterOnceAndReservedOnesKept(t *testing.T) {
	s, c := newServer(t)
	c.Scope, c.Audience, c.Organization = "read write", "https://api.example.com", "org-123"
	c.Resource = []string{"https://a.example.com", "https://b.example.com"}
	c.AdditionalParams = map[string]secrets.Ref{"realm": secrets.LiteralRef("my realm")}
	_, r := mustAsk(t, s, c)
	want := "audience=https%3A%2F%2Fapi.example.com&grant_type=client_credentials&organization=org-123&realm=my+realm" +
		"&resource=https%3A%2F%2Fa.example.com&resource=https%3A%2F%2Fb.example.com&scope=read+write"
	if r.Body != want {
		t.Errorf("body\n got %s\nwant %s", r.Body, want)
	}
	for _, name := range []string{"grant_type", "client_id", "client_secret", "scope", "audience", "organization", "resource"} {
		c.AdditionalParams = map[string]secrets.Ref{name: secrets.LiteralRef("OVERRIDE")}
		e := mustFail(t, c, `OAuth token request not sent: OAUTH_ADDITIONAL_PARAMS may not set "`+name+
			`", which has a field of its own`)
		if !e.Unsent || len(s.Requests()) != 1 {
			t.Errorf("%s: a request was sent", name)
		}
	}
}

func TestAcceptance04_ResourceWhateverTheVersion(t *testing.T) {
	for _, version := range []string{"2.0", "2.1"} {
		s, c := newServer(t)
		c.Version, c.Resource = version, []string{"https://mcp.example.com"}
		token, r := mustAsk(t, s, c)
		if got := r.Form["resource"]; !slices.Equal(got, c.Resource) {
			t.Errorf("%s: resource %q", version, got)
		}
		if g, _ := s.Introspect(token.AccessToken.Reveal()); !slices.Equal(g.Resource, c.Resource) {
			t.Errorf("%s: granted resource %q", version, g.Resource)
		}
	}
}

func TestAcceptance05_CustomHeadersAddedNotReplacing(t *testing.T) {
	s, c := newServer(t)
	c.CustomHeaders = map[string]secrets.Ref{
		"x-tenant": secrets.LiteralRef("t1"), "X-Correlation-ID": secrets.LiteralRef("mine"),
	}
	_, r := mustAsk(t, s, c)
	if got := r.Header.Get("X-Tenant"); got != "t1" {
		t.Errorf("X-Tenant %q", got)
	}
	if got := r.Header.Values("X-Correlation-ID"); !slices.Equal(got, []string{testID}) {
		t.Errorf("X-Correlation-ID %q", got)
	}
	for _, name := range []string{"authorization", "Content-type"} {
		c.CustomHeaders = map[string]secrets.Ref{name: secrets.LiteralRef("mine")}
		mustFail(t, c, "OAuth token request not sent: OAUTH_CUSTOM_HEADERS may not set "+http.CanonicalHeaderKey(name))
	}
	if len(s.Requests()) != 1 {
		t.Error("a refused header was sent")
	}
}

func TestAcceptance06_OneCorrelationIDOnWireInLogAndInError(t *testing.T) {
	s, c := newServer(t)
	var log bytes.Buffer
	logger := slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	s.Fail(1, oauthtest.OAuthError(401, "invalid_client", "no"))
	_, err := oauth.ClientCredentials(t.Context(), logger, target(c), &secrets.Resolver{}, testID)
	r := s.Requests()[0]
	for _, name := range []string{"X-Correlation-ID", "X-Request-ID"} {
		if got := r.Header.Values(name); !slices.Equal(got, []string{testID}) {
			t.Errorf("%s %q", name, got)
		}
	}
	if want := "correlation_id=" + testID; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("error %v holds no %s", err, want)
	}
	want := regexp.MustCompile(`"level":"DEBUG","msg":"\[OAuthService\] OAuth exchange","op":"token request","method":"POST",` +
		`"url":"https://127.0.0.1:\d+/token","params":\["grant_type"\],"status":401,"duration":\d+,` +
		`"correlation_id":"` + testID + `"`)
	if !want.Match(log.Bytes()) {
		t.Errorf("log: %s", log.String())
	}
}

func TestAcceptance07_RedirectsAreRefused(t *testing.T) {
	var reached atomic.Int32
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached.Add(1) }))
	defer other.Close()
	for _, status := range []int{301, 302, 303, 307, 308} {
		s, c := newServer(t)
		c.UseBasicAuth = new(false)
		s.Fail(1, oauthtest.Redirect(status, other.URL+"/path?canary"))
		e := mustFail(t, c, "OAuth token request failed: "+host(c)+" redirects to "+other.Listener.Addr().String()+
			", which is refused: configure the final address (HTTP "+strconv.Itoa(status)+
			", correlation_id="+testID+")")
		if e.Final || e.Status != status {
			t.Errorf("final %v, status %d", e.Final, e.Status)
		}
	}
	if reached.Load() != 0 {
		t.Error("a redirect was followed")
	}
}

func TestAcceptance20_UpperCaseScheme(t *testing.T) {
	s, c := newServer(t)
	c.TokenURL = "HTTPS://" + host(c) + "/token?tenant=7" // and RFC 6749 §3.2: the query is kept
	_, r := mustAsk(t, s, c)
	if r.Path != "/token?tenant=7" {
		t.Errorf("path %q", r.Path)
	}
}

func TestAcceptance22_MTLSWithoutSecret(t *testing.T) {
	s, c := newServer(t)
	s.Register(oauthtest.Client{ID: "client-123", Methods: []string{oauthtest.MTLS}, CertSubject: "bearerd-test"})
	withCert(t, s, c, "bearerd-test")
	c.ClientSecret = secrets.Ref{}
	_, r := mustAsk(t, s, c)
	if want := "client_id=client-123&grant_type=client_credentials"; r.Body != want {
		t.Errorf("body %q, want %q", r.Body, want)
	}
	if r.Header.Get("Authorization") != "" {
		t.Error("an Authorization header was sent")
	}
}

func TestSecretThatCannotBeRead(t *testing.T) {
	s, c := newServer(t)
	c.ClientSecret = secrets.Ref{Kind: secrets.Env, Name: "BEARERD_TEST_ABSENT"}
	e := mustFail(t, c, `OAuth token request not sent: OAUTH_CLIENT_SECRET: env("BEARERD_TEST_ABSENT"): `+
		`the environment variable is not set where bearerd runs`)
	if e.Final || !e.Unsent || len(s.Requests()) != 0 {
		t.Errorf("final %v, unsent %v, %d requests", e.Final, e.Unsent, len(s.Requests()))
	}
}

func TestAddressThatCannotBeParsed(t *testing.T) {
	_, c := newServer(t)
	c.TokenURL = "https://127.0.0.1:port/?key=" + testSecret
	mustFail(t, c, "OAuth token request not sent: OAUTH_TOKEN_URL cannot be used as an address")
}

// freePort is an address that nobody listens on.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// target is c as it is for a server that nothing was discovered for.
func target(c *config.OAuth) *oauth.Target {
	return &oauth.Target{OAuth: c, Reach: oauth.NewReach(&config.Server{OAuth: c})}
}
