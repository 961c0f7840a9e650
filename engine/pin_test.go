package engine

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"bearerd/config"
	"bearerd/engine/oauth"
	"bearerd/engine/oauth/oauthtest"
	"bearerd/secrets"
)

// unattended is a server whose client is configured, and whose authorization server is discovered.
func unattended(as *oauthtest.Server, rs *oauthtest.Resource) *config.Server {
	c := server(as, "a")
	c.URL, c.OAuth.TokenURL, c.OAuth.RevocationURL = rs.URL(), "", ""
	return c
}

// hide lets the resource say, n times for each, that it has no metadata.
func hide(rs *oauthtest.Resource, n int) {
	for _, path := range []string{"/.well-known/oauth-protected-resource/mcp", "/.well-known/oauth-protected-resource"} {
		rs.FailAt(path, n, oauthtest.Answer(404, "text/plain", "404 page not found"))
	}
}

func wantPinned(t testing.TB, err error) {
	t.Helper()
	var e *Error
	if !errors.As(err, &e) || e.State != NeedsReauth || !strings.Contains(e.Remedy, "bearerd logout a") {
		t.Fatalf("the error is: %v", err)
	}
}

// A server whose metadata is away at the first start is no authorization server to stay with.
func TestAnIssuerThatGaveNothingIsNotPinned(t *testing.T) {
	as, rs := protected(t)
	rs.Protect(oauthtest.Protection{NoMetadataURL: true})
	hide(rs, 1)
	synctest.Test(t, func(t *testing.T) {
		b := start(t, unattended(as, rs))
		if _, err := b.source(t, "a").Token(t.Context()); err == nil {
			t.Fatal("the MCP server itself gave a token")
		}
		if r := stored(t, b.store, "grant/a"); r.Pinned != "" {
			t.Errorf("it is pinned to %q", r.Pinned)
		}
		time.Sleep(metadataLife + time.Hour)
		b.token(t, "a")
		synctest.Wait() // until it is committed
		if r := stored(t, b.store, "grant/a"); r.Pinned != as.URL() {
			t.Errorf("it is pinned to %q", r.Pinned)
		}
		b.Close()
	})
}

func TestAnEditOfTheScopeKeepsThePin(t *testing.T) {
	old, rs := protected(t)
	as, _ := protected(t)
	synctest.Test(t, func(t *testing.T) {
		b := start(t, unattended(old, rs))
		b.token(t, "a")
		rs.SetServers(as)
		edited := unattended(old, rs)
		edited.OAuth.Scope = "read"
		b.Prepare(&config.Config{Servers: []*config.Server{edited}}).Commit()
		_, err := b.source(t, "a").Token(t.Context())
		wantPinned(t, err)
		wantAsked(t, as, 0)
		b.Close()
	})
}

func TestSecretHeadersAndParametersStayWithTheirIssuer(t *testing.T) {
	for name, set := range map[string]func(*config.OAuth, map[string]secrets.Ref){
		"header":    func(o *config.OAuth, v map[string]secrets.Ref) { o.CustomHeaders = v },
		"parameter": func(o *config.OAuth, v map[string]secrets.Ref) { o.AdditionalParams = v },
	} {
		t.Run(name, func(t *testing.T) {
			old, rs := protected(t)
			as, _ := protected(t)
			synctest.Test(t, func(t *testing.T) {
				c := delegated(rs)
				set(c.OAuth, map[string]secrets.Ref{"X-Api-Key": secrets.LiteralRef("canary")})
				b := start(t, c)
				s := b.source(t, "a")
				signIn(t, old, s)
				rs.SetServers(as)
				time.Sleep(metadataLife + time.Hour)
				_, err := s.Token(t.Context())
				wantPinned(t, err)
				_, err = s.BeginLogin(t.Context(), defaultRedirect, false)
				wantPinned(t, err)
				if n := len(as.Requests()); n != 0 {
					t.Errorf("%d requests to the other issuer", n)
				}
				logout(t, b)
				signIn(t, as, s)
				b.Close()
			})
		})
	}
}

// What is configured goes to nobody of whom it is not known that he is the one of before.
func TestAStoreThatCannotBeReadLetsNoSecretGo(t *testing.T) {
	for name, c := range map[string]struct {
		from    func(*memory) // the start
		later   func(*memory)
		restart bool // on an empty state folder
	}{
		"no writes":            {from: func(m *memory) { m.broken = secrets.ErrDenied }},
		"away":                 {later: func(m *memory) { m.down = secrets.ErrUnavailable }},
		"refuses":              {later: func(m *memory) { m.down = secrets.ErrDenied }},
		"away, and a new host": {later: func(m *memory) { m.down = secrets.ErrUnavailable }, restart: true},
	} {
		t.Run(name, func(t *testing.T) {
			old, rs := protected(t)
			as, _ := protected(t)
			synctest.Test(t, func(t *testing.T) {
				m := newMemory()
				if c.from != nil {
					m.set(c.from)
				}
				b := host(t, m, newMemory(), "here", unattended(old, rs))
				b.token(t, "a")
				if c.later != nil {
					m.set(c.later)
				}
				if c.restart {
					b.Close()
					b = host(t, m, newMemory(), "there", unattended(old, rs))
				}
				rs.SetServers(as)
				for range 30 {
					time.Sleep(time.Hour)
					_, _ = b.source(t, "a").Token(t.Context())
				}
				wantAsked(t, as, 0)
				if n := asked(old, "/token"); c.restart && n != 1 {
					t.Errorf("%d requests of one who knows nobody", n)
				}
				b.Close()
			})
		})
	}
}

// An outage in which the local copy tells whom the client belongs to ends no service.
func TestInAnOutageTheCopyTellsWhomTheSecretGoesTo(t *testing.T) {
	as, rs := protected(t)
	synctest.Test(t, func(t *testing.T) {
		m, folder := newMemory(), newMemory()
		b := host(t, m, folder, "here", unattended(as, rs))
		b.token(t, "a")
		b.Close()
		m.set(func(m *memory) { m.down = secrets.ErrUnavailable })
		b = host(t, m, folder, "here", unattended(as, rs))
		time.Sleep(2 * time.Hour)
		b.token(t, "a")
		synctest.Wait() // until it is committed
		wantAsked(t, as, 2)
		b.Close()
	})
}

func TestAWrittenAuthorizationEndpointIsNotMixedWithTheTokenEndpointOfAnother(t *testing.T) {
	honest, _ := protected(t)
	other, rs := protected(t)
	c := configured(honest, rs)
	c.OAuth.AuthorizationURL = honest.AuthorizationURL()
	s := start(t, c).source(t, "a")
	_, err := s.BeginLogin(t.Context(), defaultRedirect, false)
	if e := new(Error); !errors.As(err, &e) || !strings.Contains(e.Remedy, "OAUTH_TOKEN_URL") {
		t.Errorf("the error is %v", err)
	}
	if len(other.Requests()) != 0 {
		t.Error("the other one was sent something")
	}
	own := configured(other, rs)
	own.OAuth.AuthorizationURL = other.AuthorizationURL()
	signIn(t, other, start(t, own).source(t, "a"))
}

func TestAWrittenTokenEndpointTakesNothingOfTheMetadataOfAnother(t *testing.T) {
	honest, _ := protected(t)
	other, rs := protected(t)
	for as, own := range map[*oauthtest.Server]bool{honest: false, other: true} {
		c := configured(as, rs)
		c.OAuth.TokenURL = as.TokenURL()
		s := start(t, c).source(t, "a")
		at, err := s.target(&record{Metadata: &oauth.Metadata{
			Issuer: other.URL(), TokenURL: other.TokenURL(), AuthorizationURL: other.AuthorizationURL(), RevocationURL: other.RevocationURL(),
			RegistrationURL: other.RegistrationURL(), DeviceURL: other.DeviceAuthorizationURL(),
		}})
		if err != nil {
			t.Fatal(err)
		}
		rest := at.Issuer + at.AuthorizationURL + at.RevocationURL + at.RegistrationURL + at.DeviceURL
		if at.TokenURL != as.TokenURL() || (rest != "") != own || own && at.RevocationURL != as.RevocationURL() {
			t.Errorf("own metadata: %v; the token endpoint is %q, taken was %q", own, at.TokenURL, rest)
		}
		if _, err := s.BeginLogin(t.Context(), defaultRedirect, false); (err == nil) != own {
			t.Errorf("own metadata: %v; the login: %v", own, err)
		}
	}
}

// Where a person signs in, the store notes it later if it must: the client's secret goes to nobody else from then on.
func TestASignInWhileTheStoreIsAwayIsPinned(t *testing.T) {
	old, rs := protected(t)
	as, _ := protected(t)
	synctest.Test(t, func(t *testing.T) {
		shared := newMemory()
		b := host(t, shared, newMemory(), "here", configured(old, rs))
		finishAway(t, old, shared, b.source(t, "a"))
		shared.set(back)
		time.Sleep(2 * time.Minute)
		if r := stored(t, shared, "grant/a"); r.Refresh == "" || r.Pinned != old.URL() || r.PinnedClient != "mine" {
			t.Errorf("it is pinned to %q, as %q", r.Pinned, r.PinnedClient)
		}
		b.Close()
		rs.SetServers(as)
		b = host(t, shared, newMemory(), "there", configured(old, rs))
		_, err := b.source(t, "a").BeginLogin(t.Context(), defaultRedirect, false)
		wantPinned(t, err)
		if n := len(as.Requests()); n > 2 { // its documents
			t.Errorf("%d requests to the other issuer", n)
		}
		b.Close()
	})
}

// What is configured while a grant lives belongs to the issuer that a person signs in to next.
func TestASignInAtAnotherIssuerMovesThePin(t *testing.T) {
	old, rs := protected(t)
	as, _ := protected(t)
	synctest.Test(t, func(t *testing.T) {
		b := start(t, delegated(rs))
		signIn(t, old, b.source(t, "a"))
		edited := delegated(rs)
		edited.OAuth.CustomHeaders = map[string]secrets.Ref{"X-Api-Key": secrets.LiteralRef("k")}
		b.Prepare(&config.Config{Servers: []*config.Server{edited}}).Commit()
		rs.SetServers(as)
		time.Sleep(2 * time.Minute)
		signIn(t, as, b.source(t, "a"))
		if r := stored(t, b.store, "grant/a"); r.Issuer != as.URL() || r.Pinned != as.URL() {
			t.Errorf("it signed in at %q, and is pinned to %q", r.Issuer, r.Pinned)
		}
		time.Sleep(metadataLife + time.Hour)
		b.token(t, "a")
		b.Close()
	})
}

// Without a person there is nobody to sign in again: a client that no record says is another's goes on at the new issuer.
func TestAnUnattendedGrantWithoutAPinGoesOnAtAnotherIssuer(t *testing.T) {
	old, rs := protected(t)
	as, _ := protected(t)
	old.Fail(1, oauthtest.Edit(func(answer map[string]any) { answer["refresh_token"] = "unasked" }))
	synctest.Test(t, func(t *testing.T) {
		b := start(t, unattended(old, rs))
		b.token(t, "a")
		b.Close()
		edit(t, b.store, "grant/a", func(r *record) { r.Pinned, r.PinnedClient = "", "" })
		rs.SetServers(as)
		b = startWith(t, b.store, b.lock, unattended(old, rs))
		time.Sleep(metadataLife + time.Hour)
		b.token(t, "a")
		wantAsked(t, as, 1)
		b.Close()
	})
}
