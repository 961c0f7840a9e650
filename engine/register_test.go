package engine

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"bearerd/config"
	"bearerd/engine/oauth/oauthtest"
	"bearerd/secrets"
)

// configured is a server whose client was agreed with the authorization server.
func configured(as *oauthtest.Server, rs *oauthtest.Resource) *config.Server {
	as.Register(oauthtest.Client{ID: "mine", Secret: "s3cret", RedirectURIs: []string{defaultRedirect}})
	s := delegated(rs)
	s.OAuth.ClientID, s.OAuth.ClientSecret = "mine", secrets.LiteralRef("s3cret")
	return s
}

func wantRegistrations(t testing.TB, as *oauthtest.Server, n int) {
	t.Helper()
	if got := len(as.Registrations()); got != n {
		t.Fatalf("%d registrations, want %d", got, n)
	}
}

func TestAClientIsRegisteredOnceAndKept(t *testing.T) {
	as, rs := protected(t)
	synctest.Test(t, func(t *testing.T) {
		b := start(t, delegated(rs))
		signIn(t, as, b.source(t, "a"))
		signIn(t, as, b.source(t, "a"))
		b.renew(t, "a")
		b.Close()
		c := startWith(t, b.store, b.lock, delegated(rs))
		time.Sleep(48 * time.Hour)
		c.renew(t, "a")
		signIn(t, as, c.source(t, "a"))
		wantRegistrations(t, as, 1)
		c.Close()
	})
}

func TestNotCovered_RedirectPortReuseVsStoredDCRClient(t *testing.T) {
	as, rs := protected(t)
	const moved = "http://127.0.0.1:7414/callback"
	synctest.Test(t, func(t *testing.T) {
		b := start(t, delegated(rs))
		s := b.source(t, "a")
		signIn(t, as, s)
		if to, err := s.Redirect(t.Context()); to.URI != defaultRedirect || !to.Movable || err != nil {
			t.Error(to, err)
		}
		l, err := s.BeginLogin(t.Context(), moved, false) // the port is taken
		if err != nil {
			t.Fatal(err)
		}
		if got := param(t, l.URL, "redirect_uri"); got != moved {
			t.Errorf("the redirect URI is %q", got)
		}
		wantRegistrations(t, as, 2)
		if asked := as.Registrations()[1].Asked["redirect_uris"].([]any); len(asked) != 1 || asked[0] != moved {
			t.Errorf("registered with %v", asked)
		}
		if _, err := s.FinishLogin(t.Context(), visit(t, as, l.URL)); err != nil {
			t.Fatal(err)
		}
		b.renew(t, "a")
		if to, _ := s.Redirect(t.Context()); to.URI != moved {
			t.Errorf("the next login is to arrive at %q", to.URI)
		}
		wantRegistrations(t, as, 2)
		b.Close()
	})
}

// The refresh token belongs to the client that it was given to, until a login has brought another.
func TestALoginAtAnotherPortThatIsGivenUpLeavesTheGrant(t *testing.T) {
	as, rs := protected(t)
	synctest.Test(t, func(t *testing.T) {
		b := start(t, delegated(rs))
		s := b.source(t, "a")
		signIn(t, as, s)
		if _, err := s.BeginLogin(t.Context(), "http://127.0.0.1:7414/callback", false); err != nil {
			t.Fatal(err)
		}
		if err := s.EndLogin(t.Context(), ""); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Refresh(t.Context()); err != nil {
			t.Error(err)
		}
		b.Close()
	})
}

func TestNotCovered_InvalidClientReRegistersOnce(t *testing.T) {
	as, rs := protected(t)
	synctest.Test(t, func(t *testing.T) {
		b := start(t, delegated(rs))
		s := b.source(t, "a")
		signIn(t, as, s)
		as.ForgetClients()
		time.Sleep(time.Hour)
		_, err := s.Token(t.Context())
		wantNeedsPerson(t, err, "invalid_client")
		wantState(t, s, NeedsReauth)
		before := len(as.RequestsTo("/token"))
		b.KeepFresh()
		time.Sleep(24 * time.Hour)
		if n := len(as.RequestsTo("/token")) - before; n != 0 {
			t.Errorf("%d requests of a client that is not known", n)
		}
		wantRegistrations(t, as, 1) // nobody has asked for another
		signIn(t, as, s)
		wantRegistrations(t, as, 2)
		wantState(t, s, Authorized)
		b.renew(t, "a")
		b.Close()
	})
}

func TestNotCovered_InvalidClientAtTheExchangeReRegistersOnce(t *testing.T) {
	as, rs := protected(t)
	synctest.Test(t, func(t *testing.T) {
		b := start(t, delegated(rs))
		s := b.source(t, "a")
		query := visit(t, as, beginLogin(t, s).URL)
		as.ForgetClients()
		_, err := s.FinishLogin(t.Context(), query)
		wantNeedsPerson(t, err, "invalid_client")
		signIn(t, as, s)
		wantRegistrations(t, as, 2)
		b.Close()
	})
}

// Only the client that was refused is forgotten.
func TestInvalidClientAtAnotherPortLeavesThePresentClient(t *testing.T) {
	as, rs := protected(t)
	synctest.Test(t, func(t *testing.T) {
		b := start(t, delegated(rs))
		s := b.source(t, "a")
		signIn(t, as, s)
		l, err := s.BeginLogin(t.Context(), "http://127.0.0.1:7414/callback", false)
		if err != nil {
			t.Fatal(err)
		}
		query := visit(t, as, l.URL)
		as.Fail(1, oauthtest.OAuthError(401, "invalid_client", ""))
		_, err = s.FinishLogin(t.Context(), query)
		wantNeedsPerson(t, err, "invalid_client")
		if _, err := s.Refresh(t.Context()); err != nil {
			t.Error(err)
		}
		b.Close()
	})
}

func TestARegistrationWhoseSecretHasExpired(t *testing.T) {
	as, rs := protected(t)
	as.EditMetadata(func(d map[string]any) { d["token_endpoint_auth_methods_supported"] = []string{oauthtest.Basic} })
	synctest.Test(t, func(t *testing.T) {
		end := time.Now().Add(3 * time.Hour)
		as.FailAt("/register", 1, oauthtest.Edit(func(answer map[string]any) { answer["client_secret_expires_at"] = end.Unix() }))
		b := start(t, delegated(rs))
		s := b.source(t, "a")
		signIn(t, as, s)
		if c := stored(t, b.store, "grant/a").Client; c.Secret == "" || c.Expires != end.Unix() {
			t.Errorf("the registration ends at %d", c.Expires)
		}
		time.Sleep(time.Hour)
		b.token(t, "a") // renewed as the client
		time.Sleep(2*time.Hour + time.Minute)
		before := len(as.RequestsTo("/token"))
		_, err := s.Token(t.Context())
		wantNeedsPerson(t, err, "the registration of its client has ended")
		if len(as.RequestsTo("/token")) != before {
			t.Error("the ended registration was used")
		}
		wantRegistrations(t, as, 1)
		signIn(t, as, s)
		wantRegistrations(t, as, 2)
		b.renew(t, "a")
		b.Close()
	})
}

func TestAConfiguredClientNeverRegisters(t *testing.T) {
	as, rs := protected(t)
	synctest.Test(t, func(t *testing.T) {
		b := start(t, configured(as, rs))
		s := b.source(t, "a")
		if to, err := s.Redirect(t.Context()); to.URI != defaultRedirect || to.Movable || err != nil {
			t.Error(to, err)
		}
		l, err := s.BeginLogin(t.Context(), "http://127.0.0.1:1/other", false)
		if err != nil || param(t, l.URL, "client_id") != "mine" {
			t.Error(err)
		}
		signIn(t, as, s)
		b.renew(t, "a")
		wantRegistrations(t, as, 0)
		if stored(t, b.store, "grant/a").Client != nil {
			t.Error("a registration is kept")
		}
		b.Close()
	})
}

func TestWithoutARegistrationEndpointTheErrorSaysWhatToConfigure(t *testing.T) {
	as, rs := protected(t)
	as.EditMetadata(func(d map[string]any) { delete(d, "registration_endpoint") })
	synctest.Test(t, func(t *testing.T) {
		b := start(t, delegated(rs))
		const at = "http://127.0.0.1:7499/callback"
		_, err := b.source(t, "a").BeginLogin(t.Context(), at, false)
		var e *Error
		if !errors.As(err, &e) || !strings.Contains(e.ForCaller(), at) || !strings.Contains(e.ForCaller(), "OAUTH_CLIENT_ID") {
			t.Errorf("the error is %v", err)
		}
		if _, _, err := b.store.Get(t.Context(), "flow/a"); !errors.Is(err, secrets.ErrNotFound) {
			t.Error("a flow is pending")
		}
		wantRegistrations(t, as, 0)
		b.Close()
	})
}

func TestNotCovered_PKCEAbsentRefusal(t *testing.T) {
	for name, methods := range map[string]any{"absent": nil, "empty": []string{}, "plain": []string{"plain"}} {
		t.Run(name, func(t *testing.T) {
			as, rs := protected(t)
			as.EditMetadata(func(d map[string]any) {
				if delete(d, "code_challenge_methods_supported"); methods != nil {
					d["code_challenge_methods_supported"] = methods
				}
			})
			synctest.Test(t, func(t *testing.T) {
				b := start(t, delegated(rs))
				l, err := b.source(t, "a").BeginLogin(t.Context(), defaultRedirect, false)
				var e *Error
				if l != nil || !errors.As(err, &e) || !strings.Contains(e.Remedy, `OAUTH_CODE_CHALLENGE_METHOD = "S256"`) {
					t.Errorf("the error is %v", err)
				}
				if _, _, err := b.store.Get(t.Context(), "flow/a"); !errors.Is(err, secrets.ErrNotFound) {
					t.Error("a flow is pending")
				}
				b.Close()
				written := delegated(rs)
				written.OAuth.CodeChallengeMethod = "S256"
				b = start(t, written)
				signIn(t, as, b.source(t, "a"))
				b.Close()
			})
		})
	}
}
