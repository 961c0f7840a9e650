package oauth_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"bearerd/config"
	"bearerd/engine/oauth"
	"bearerd/engine/oauth/oauthtest"
	"bearerd/secrets"
)

// newChain is newServer with a first refresh token.
func newChain(t *testing.T) (*oauthtest.Server, *config.OAuth, secrets.Secret) {
	t.Helper()
	s, c := newServer(t)
	c.GrantType = "refresh_token"
	return s, c, secrets.New(s.Grant(c.ClientID))
}

func refresh(ctx context.Context, c *config.OAuth, token secrets.Secret) (*oauth.Token, error) {
	return oauth.RefreshToken(ctx, slog.New(slog.DiscardHandler), target(c), &secrets.Resolver{}, token, testID, nil)
}

func mustRefresh(t *testing.T, c *config.OAuth, token secrets.Secret) *oauth.Token {
	t.Helper()
	got, err := refresh(t.Context(), c, token)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// failRefresh gives the error of a refresh that must fail, and checks how many requests it took.
func failRefresh(
	ctx context.Context, t *testing.T, s *oauthtest.Server, c *config.OAuth, token secrets.Secret, requests int,
) *oauth.Error {
	t.Helper()
	before := len(s.Requests())
	_, err := refresh(ctx, c, token)
	e, ok := errors.AsType[*oauth.Error](err)
	if !ok {
		t.Fatalf("error is %T (%v), want an *oauth.Error", err, err)
	}
	if n := len(s.Requests()) - before; n != requests {
		t.Errorf("%d requests, want %d", n, requests)
	}
	if !token.IsZero() && strings.Contains(err.Error(), token.Reveal()) {
		t.Error("the refresh token is in the error")
	}
	return e
}

func TestRefreshTokenOnTheWire(t *testing.T) {
	s, c, token := newChain(t)
	c.Scope, c.Audience = "read write", "https://api.example.com"
	c.Resource = []string{"https://a.example", "https://b.example"}
	c.AdditionalParams = map[string]secrets.Ref{"realm": secrets.LiteralRef("my realm")}
	got := mustRefresh(t, c, token)
	want := "audience=https%3A%2F%2Fapi.example.com&grant_type=refresh_token&realm=my+realm&refresh_token=" + token.Reveal() +
		"&resource=https%3A%2F%2Fa.example&resource=https%3A%2F%2Fb.example&scope=read+write"
	r := s.Requests()[0]
	if r.Body != want || len(s.Requests()) != 1 {
		t.Errorf("body\n got %s\nwant %s", r.Body, want)
	}
	if id, _, ok := (&http.Request{Header: r.Header}).BasicAuth(); !ok || id != "client-123" {
		t.Error("no client_secret_basic")
	}
	if chain, _ := s.Chain(token.Reveal()); got.RefreshToken.Reveal() != chain.Current || chain.Rotations != 1 {
		t.Errorf("%+v", chain)
	}
	if g, ok := s.Introspect(got.AccessToken.Reveal()); !ok || g.Scope != "read write" || got.ExpiresIn != time.Hour {
		t.Errorf("%+v", g)
	}
	c.AdditionalParams = map[string]secrets.Ref{"refresh_token": secrets.LiteralRef("OVERRIDE")}
	e := failRefresh(t.Context(), t, s, c, got.RefreshToken, 0)
	if !e.Unsent || !strings.Contains(e.Error(), `may not set "refresh_token"`) {
		t.Error(e)
	}
	if e := failRefresh(t.Context(), t, s, c, secrets.Secret{}, 0); !e.Unsent || !strings.Contains(e.Error(), "OAUTH_REFRESH_TOKEN") {
		t.Error(e)
	}
}

func TestRefreshTokenOfAPublicClient(t *testing.T) {
	s, c, token := newChain(t)
	s.Register(oauthtest.Client{ID: "client-123", Methods: []string{oauthtest.None}})
	c.ClientSecret = secrets.Ref{}
	mustRefresh(t, c, token)
	r := s.Requests()[0]
	if want := "client_id=client-123&grant_type=refresh_token&refresh_token=" + token.Reveal(); r.Body != want {
		t.Errorf("body %q, want %q", r.Body, want)
	}
	if r.Header.Get("Authorization") != "" {
		t.Error("an Authorization header was sent")
	}
}

func TestAnswerWithoutARefreshTokenGivesNone(t *testing.T) {
	s, c, token := newChain(t)
	s.Register(oauthtest.Client{ID: "client-123", Secret: testSecret, NonRotating: true})
	for range 2 { // the one that was sent stays valid
		if got := mustRefresh(t, c, token); !got.RefreshToken.IsZero() {
			t.Error("a refresh token was made up")
		}
	}
}

func TestSpentRefreshTokenIsFinal(t *testing.T) {
	s, c, token := newChain(t)
	next := mustRefresh(t, c, token).RefreshToken
	for _, spent := range []secrets.Secret{token, next} {
		if e := failRefresh(t.Context(), t, s, c, spent, 1); e.Code != "invalid_grant" || !e.Final || e.Ambiguous {
			t.Errorf("%+v", *e)
		}
	}
	if s.Reused() != 1 {
		t.Errorf("%d times reused", s.Reused())
	}
}

// answered fails with what the server did say: nothing was granted.
var answered = map[string]oauthtest.Fault{
	"503":                  oauthtest.Answer(503, "text/html", "<p>"),
	"500 broken":           broken(500),
	"400 broken":           broken(400),
	"429":                  oauthtest.TooMany("7"),
	"redirect":             oauthtest.Redirect(307, "https://elsewhere.example/"),
	"invalid_grant":        oauthtest.OAuthError(400, "invalid_grant", ""),
	"200 with an error":    oauthtest.OAuthError(200, "invalid_grant", ""),
	"server_error":         oauthtest.OAuthError(500, "server_error", ""),
	"no words with status": oauthtest.Answer(401, "text/plain", ""),
}

// unclear leaves open what the server did.
var unclear = map[string]oauthtest.Fault{
	"reset":            oauthtest.Reset(),
	"hang":             oauthtest.Hang(),
	"spent, then cut":  oauthtest.Lost(oauthtest.Reset()),
	"spent, then hang": oauthtest.Lost(oauthtest.Hang()),
	"half an answer":   oauthtest.CutShort(),
	"no HTTP":          raw("this is no HTTP\r\n\r\n"),
	"half a head":      raw("HTTP/1.1 200 OK\r\nContent-"),
	"HTML 200":         oauthtest.Answer(200, "text/html", "<p>welcome"),
	"empty 200":        oauthtest.Answer(200, "application/json", ""),
	"empty object":     oauthtest.Answer(201, "application/json", "{}"),
	"too long":         oauthtest.Answer(200, "application/json", strings.Repeat(" ", 1<<20)+"{}"),
	"not bearer": oauthtest.Edit(func(a map[string]any) {
		a["token_type"] = "MAC"
		delete(a, "refresh_token")
	}),
}

// raw answers with bytes of its own and closes the connection.
func raw(text string) oauthtest.Fault {
	return func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		_, _ = io.WriteString(conn, text)
		_ = conn.Close()
	}
}

// broken has a status, and a body that breaks off.
func broken(status int) oauthtest.Fault {
	return func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
		w.Header().Set("Content-Length", "100")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, `{"error":`)
	}
}

func TestAmbiguous(t *testing.T) {
	for want, faults := range map[bool]map[string]oauthtest.Fault{false: answered, true: unclear} {
		for name, fault := range faults {
			t.Run(name, func(t *testing.T) {
				s, c, token := newChain(t)
				ctx, giveUp := context.WithCancel(t.Context())
				defer giveUp()
				s.Fail(1, func(w http.ResponseWriter, r *http.Request, next http.Handler) {
					if strings.Contains(name, "hang") {
						giveUp()
					}
					fault(w, r, next)
				})
				if e := failRefresh(ctx, t, s, c, token, 1); e.Ambiguous != want || e.Unsent || !e.Rotated.IsZero() {
					t.Errorf("%+v", *e)
				}
			})
		}
	}
}

func TestNotAmbiguousWhatWasNeverSent(t *testing.T) {
	s, c, token := newChain(t)
	url := c.TokenURL
	check := func(ctx context.Context, what string) {
		t.Helper()
		_, err := refresh(ctx, c, token)
		if e, ok := errors.AsType[*oauth.Error](err); !ok || e.Ambiguous {
			t.Errorf("%s: %+v", what, err)
		}
	}
	for what, address := range map[string]string{
		"dial": "https://" + freePort(t) + "/", "DNS": "https://no-such-host.invalid/", "proxy": "http://as.example/",
		"no address": "https://127.0.0.1:port/",
	} {
		c.TokenURL = address
		check(t.Context(), what)
	}
	c.TokenURL = url
	ca := c.CABundlePath
	c.CABundlePath = secrets.Ref{}
	check(t.Context(), "unknown authority")
	c.CABundlePath = ca
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	check(ctx, "cancelled before")
	c.ClientSecret = secrets.Ref{Kind: secrets.Env, Name: "BEARERD_TEST_ABSENT"}
	check(t.Context(), "no secret")
	if len(s.Requests()) != 0 {
		t.Error("a request was sent")
	}
}

// TestNotAmbiguousWhenTheCertificateIsRefused: with TLS 1.3 the client has written its request by then.
func TestNotAmbiguousWhenTheCertificateIsRefused(t *testing.T) {
	s, c, token := newChain(t)
	strict := s.TLS()
	strict.ClientAuth = tls.RequireAndVerifyClientCert
	c.TokenURL = newTLSServer(t, strict, func(http.ResponseWriter, *http.Request) { t.Error("it got in") })
	e := failRefresh(t.Context(), t, s, c, token, 0)
	if e.Ambiguous || e.Unsent || !strings.Contains(e.Error(), "TLS: the server refused: certificate required") {
		t.Errorf("%+v", *e)
	}
}

func TestUselessAnswerThatRotated(t *testing.T) {
	for name, test := range map[string]struct {
		change func(map[string]any)
		final  bool
	}{
		"scope":        {func(a map[string]any) { a["scope"] = "read" }, true},
		"token type":   {func(a map[string]any) { a["token_type"] = "MAC" }, false},
		"no token":     {func(a map[string]any) { delete(a, "access_token") }, false},
		"expired":      {func(a map[string]any) { a["expires_in"] = -1 }, false},
		"long token":   {func(a map[string]any) { a["access_token"] = strings.Repeat("a", 32<<10+1) }, false},
		"line break":   {func(a map[string]any) { a["access_token"] = "a\nb" }, false},
		"no ambiguity": {func(a map[string]any) { a["access_token"] = 7 }, false},
	} {
		t.Run(name, func(t *testing.T) {
			s, c, token := newChain(t)
			c.Scope = "read write"
			s.Fail(1, oauthtest.Edit(test.change))
			e := failRefresh(t.Context(), t, s, c, token, 1)
			chain, _ := s.Chain(token.Reveal())
			if e.Rotated.Reveal() != chain.Current || chain.Rotations != 1 || e.Ambiguous || e.Final != test.final {
				t.Errorf("%+v, %d rotations", *e, chain.Rotations)
			}
			c.Scope = ""
			mustRefresh(t, c, e.Rotated)
		})
	}
}

func TestRefreshedScopes(t *testing.T) {
	s, c, token := newChain(t)
	s.Register(oauthtest.Client{ID: "client-123", Secret: testSecret, Scopes: []string{"read"}})
	c.Scope, c.ValidateScopes = "read write", false
	got := mustRefresh(t, c, token)
	if got.MissingScopes != "write" || got.Scope != "read" {
		t.Errorf("%+v", got)
	}
	c.Scope = ""
	if got := mustRefresh(t, c, got.RefreshToken); got.MissingScopes != "" || got.Scope != "read" {
		t.Errorf("%+v", got)
	}
}

func TestOutageOfTheStoreIsTheCause(t *testing.T) {
	s, c, token := newChain(t)
	down := &secrets.Resolver{Vault: func(context.Context, string, string) (string, error) {
		return "", secrets.ErrUnavailable
	}}
	vault := secrets.Ref{Kind: secrets.Vault, Name: "mcp/tickets", Field: "f"}
	for name, set := range map[string]func(*config.OAuth){
		"OAUTH_CLIENT_SECRET":     func(c *config.OAuth) { c.ClientSecret = vault },
		"CA bundle":               func(c *config.OAuth) { c.CABundlePath = vault },
		"Client certificate":      func(c *config.OAuth) { c.UseMTLS, c.ClientCertPath, c.ClientKeyPath = true, vault, vault },
		"OAUTH_ADDITIONAL_PARAMS": func(c *config.OAuth) { c.AdditionalParams = map[string]secrets.Ref{"realm": vault} },
		"OAUTH_CUSTOM_HEADERS":    func(c *config.OAuth) { c.CustomHeaders = map[string]secrets.Ref{"X-Key": vault} },
	} {
		changed := *c
		set(&changed)
		_, err := oauth.RefreshToken(t.Context(), slog.New(slog.DiscardHandler), target(&changed), down, token, testID, nil)
		e, ok := errors.AsType[*oauth.Error](err)
		if !ok || !e.Unsent || e.Ambiguous || !errors.Is(err, secrets.ErrUnavailable) ||
			!strings.Contains(err.Error(), name) || !strings.Contains(err.Error(), `vault("mcp/tickets", "f")`) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if len(s.Requests()) != 0 {
		t.Error("a request was sent")
	}
}

func TestWhatIsAskedBeforeKeepsTheTokenFromBeingSent(t *testing.T) {
	as, err := oauthtest.NewPlain()
	if err != nil {
		t.Fatal(err)
	}
	defer as.Close()
	stop := errors.New("the lease has run out")
	c := &config.OAuth{Enabled: true, Version: "2.0", GrantType: "refresh_token", ClientID: "id", TokenURL: as.TokenURL()}
	_, err = oauth.RefreshToken(t.Context(), slog.New(slog.DiscardHandler), target(c), &secrets.Resolver{}, secrets.New("rt"), testID,
		func() error { return stop })
	var e *oauth.Error
	if !errors.As(err, &e) || !e.Unsent || e.Ambiguous || !errors.Is(err, stop) || len(as.Requests()) != 0 {
		t.Errorf("%v after %d requests", err, len(as.Requests()))
	}
}
