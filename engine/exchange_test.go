package engine

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"

	"bearerd/engine/oauth"
	"bearerd/engine/oauth/oauthtest"
	"bearerd/secrets"
)

func TestACodeIsSentAgainWhileNobodyHasTakenIt(t *testing.T) {
	for name, c := range map[string]struct {
		fault oauthtest.Fault
		times int // what fails
		sent  int
	}{
		"busy once":      {oauthtest.Answer(503, "text/plain", ""), 1, 2},
		"too many once":  {oauthtest.TooMany("1"), 1, 2},
		"busy for long":  {oauthtest.Answer(503, "text/plain", ""), 100, maxTries},
		"reset":          {oauthtest.Reset(), 1, 1},
		"reset, taken":   {oauthtest.Lost(oauthtest.Reset()), 1, 1},
		"half an answer": {oauthtest.CutShort(), 1, 1},
		"refused":        {oauthtest.OAuthError(400, "invalid_grant", ""), 1, 1},
	} {
		t.Run(name, func(t *testing.T) {
			as, rs := protected(t)
			synctest.Test(t, func(t *testing.T) {
				b := start(t, delegated(rs))
				s := b.source(t, "a")
				query := visit(t, as, beginLogin(t, s).URL)
				as.FailAt("/token", c.times, c.fault)
				_, err := s.FinishLogin(t.Context(), query)
				if n := len(forms(as, "authorization_code")); n != c.sent || (err == nil) != (c.sent > c.times) {
					t.Errorf("the code was sent %d times: %v", n, err)
				}
				b.Close()
			})
		})
	}
}

func TestWhichFailuresLeaveACodeUnspent(t *testing.T) {
	for _, c := range []struct {
		err  *oauth.Error
		want bool
	}{
		{&oauth.Error{}, true}, // no connection
		{&oauth.Error{Status: 503}, true},
		{&oauth.Error{Status: 429}, true},
		{&oauth.Error{Ambiguous: true}, false},
		{&oauth.Error{Unsent: true}, false},
		{&oauth.Error{Status: 400}, false},
		{&oauth.Error{Status: 503, Code: "temporarily_unavailable"}, false},
	} {
		if got := unspent(c.err); got != c.want {
			t.Errorf("status %d, code %q, ambiguous %v, unsent %v: %v", c.err.Status, c.err.Code, c.err.Ambiguous, c.err.Unsent, got)
		}
	}
	if unspent(errors.New("no space left on device")) {
		t.Error("of an error of this host")
	}
}

// What came with an answer that is refused is revoked, unless a grant lives: some providers would end that too.
func TestTheRefreshTokenOfARefusedAnswer(t *testing.T) {
	for _, lives := range []bool{false, true} {
		t.Run(map[bool]string{false: "no grant", true: "a grant lives"}[lives], func(t *testing.T) {
			as, rs := protected(t)
			synctest.Test(t, func(t *testing.T) {
				b := start(t, scoped(rs, "read"))
				s := b.source(t, "a")
				if lives {
					signIn(t, as, s)
				}
				query := visit(t, as, beginLogin(t, s).URL)
				as.Fail(1, oauthtest.Edit(func(answer map[string]any) { answer["scope"] = "other" }))
				_, err := s.FinishLogin(t.Context(), query)
				wantNeedsPerson(t, err, "")
				list := as.Chains(as.Registrations()[0].ClientID)
				if c := list[len(list)-1]; c.Revoked == lives {
					t.Errorf("its refresh token is revoked: %v", c.Revoked)
				}
				if lives {
					b.token(t, "a")
					b.renew(t, "a")
				}
				b.Close()
			})
		})
	}
}

// `bearerd login --register` makes another client; a grant that lives keeps its own until somebody has signed in.
func TestALoginThatRegistersAnew(t *testing.T) {
	as, rs := protected(t)
	synctest.Test(t, func(t *testing.T) {
		agreed := configured(as, rs)
		agreed.Name = "agreed"
		b := start(t, delegated(rs), agreed)
		s := b.source(t, "a")
		signIn(t, as, s)
		first := stored(t, b.store, "grant/a").Client.ID
		beginLogin(t, s)
		l, err := s.BeginLogin(t.Context(), defaultRedirect, true)
		if err != nil || l.Resumed || param(t, l.URL, "client_id") == first {
			t.Fatal("it goes on with the client of before:", err)
		}
		wantRegistrations(t, as, 2)
		b.renew(t, "a")
		if r := stored(t, b.store, "grant/a"); r.Client.ID != first {
			t.Error("the grant has lost its client")
		}
		if _, err := s.FinishLogin(t.Context(), visit(t, as, l.URL)); err != nil {
			t.Fatal(err)
		}
		if r := stored(t, b.store, "grant/a"); r.Client.ID == first {
			t.Error("the new client is not kept")
		}
		b.renew(t, "a")
		_, err = b.source(t, "agreed").BeginLogin(t.Context(), defaultRedirect, true)
		if e := new(Error); !errors.As(err, &e) || !strings.Contains(e.Remedy, "--register") {
			t.Errorf("of a configured client the error is: %v", err)
		}
		wantRegistrations(t, as, 2)
		b.Close()
	})
}

// A browser's page can say that trying again helps.
func TestAForgottenClientIsToldFromARefusal(t *testing.T) {
	for name, forget := range map[string]bool{"forgotten": true, "refused": false} {
		t.Run(name, func(t *testing.T) {
			as, rs := protected(t)
			synctest.Test(t, func(t *testing.T) {
				b := start(t, delegated(rs))
				s := b.source(t, "a")
				query := visit(t, as, beginLogin(t, s).URL)
				code := "invalid_grant"
				if forget {
					code = "invalid_client"
				}
				as.FailAt("/token", 1, oauthtest.OAuthError(401, code, ""))
				if _, err := s.FinishLogin(t.Context(), query); errors.Is(err, ErrUnregistered) != forget {
					t.Errorf("the error is: %v", err)
				}
				p, _, err := s.pendingLogin(t.Context())
				if err != nil || (p.pause() > 0) == forget {
					t.Errorf("a request asks again after %v: %v", p.pause(), err)
				}
				b.Close()
			})
		})
	}
}

// Nobody is sent to a browser in vain.
func TestASecretThatIsMissingIsToldBeforeASignIn(t *testing.T) {
	as, rs := protected(t)
	c := configured(as, rs)
	c.OAuth.ClientSecret = secrets.Ref{Kind: secrets.File, Name: t.TempDir() + "/missing"}
	s := start(t, c).source(t, "a")
	l, err := s.BeginLogin(t.Context(), defaultRedirect, false)
	if e := new(Error); l != nil || !errors.As(err, &e) || !strings.Contains(e.Reason, "OAUTH_CLIENT_SECRET cannot be read") {
		t.Errorf("the error is: %v", err)
	}
	if p, _, err := s.pendingLogin(t.Context()); p.waits() || err != nil {
		t.Error("a login is pending", err)
	}
}

func TestAServerThatNeedsNoSignInIsToldBeforeOne(t *testing.T) {
	for status, says := range map[int]string{200: "it needs no sign-in", 404: "nothing is found at its url"} {
		t.Run(http.StatusText(status), func(t *testing.T) {
			open := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/mcp" {
					w.WriteHeader(status)
				} else {
					http.NotFound(w, r)
				}
			}))
			t.Cleanup(open.Close)
			_, rs := protected(t)
			c := delegated(rs)
			c.URL = open.URL + "/mcp"
			_, err := start(t, c).source(t, "a").BeginLogin(t.Context(), defaultRedirect, false)
			if e := new(Error); !errors.As(err, &e) || !strings.Contains(e.Reason, says) || e.Remedy == "" {
				t.Errorf("the error is: %v", err)
			}
		})
	}
}
