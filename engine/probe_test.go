package engine

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"bearerd/engine/oauth"
	"bearerd/engine/oauth/oauthtest"
)

// hidden is an MCP server whose metadata is found by its challenge alone.
func hidden(t testing.TB) (*oauthtest.Server, *oauthtest.Resource) {
	as, rs := protected(t)
	rs.Protect(oauthtest.Protection{MetadataPath: "/custom"})
	return as, rs
}

// What is wrong at the first look is looked at again by the next sign-in, and mended with the server.
func TestAFirstProbeThatFailsIsRepeatedByTheNextLogin(t *testing.T) {
	for name, f := range map[string]oauthtest.Fault{
		"502": oauthtest.Answer(502, "text/plain", ""),
		"404": oauthtest.Answer(404, "text/plain", "404 page not found"),
		"200": oauthtest.Answer(200, "text/plain", "soon here"),
	} {
		t.Run(name, func(t *testing.T) {
			as, rs := hidden(t)
			rs.FailAt("/mcp", 2, f) // GET and POST
			synctest.Test(t, func(t *testing.T) {
				b := start(t, delegated(rs))
				s := b.source(t, "a")
				if _, err := s.BeginLogin(t.Context(), defaultRedirect, false); err == nil {
					t.Fatal("a login has begun without metadata")
				}
				time.Sleep(10 * time.Second)
				signIn(t, as, s)
				b.Close()
			})
		})
	}
}

// An answer of 502 says nothing of what the server asks for: the request goes out without a token, and nobody is asked yet.
func TestAGatewayErrorIsNoWordOfTheServer(t *testing.T) {
	as, rs := hidden(t)
	rs.FailAt("/mcp", 2, oauthtest.Answer(502, "text/plain", ""))
	synctest.Test(t, func(t *testing.T) {
		p := &person{as: as}
		b := start(t, auto(rs))
		b.AskWith(p.signIn)
		s := b.source(t, "a")
		if _, err := s.BeginLogin(t.Context(), defaultRedirect, false); err == nil {
			t.Fatal("a login has begun without metadata")
		}
		if tok, err := s.TokenOrNone(t.Context()); tok != nil || err != nil {
			t.Error(tok, err)
		}
		wantPersonAsked(t, p, 0)
		if _, _, err := s.Challenged(t.Context(), nil, http.StatusUnauthorized, challenge(t, rs, nil)); err != nil {
			t.Error(err)
		}
		wantPersonAsked(t, p, 1)
		b.Close()
	})
}

// A challenge that names an address of before is asked for anew when a person is there.
func TestALoginDoesNotGoByAnOldChallenge(t *testing.T) {
	as, rs := hidden(t)
	rs.FailAt("/mcp", 1, func(w http.ResponseWriter, r *http.Request, _ http.Handler) {
		w.Header().Set("WWW-Authenticate", `Bearer resource_metadata="http://`+r.Host+`/before"`)
		w.WriteHeader(http.StatusUnauthorized)
	})
	synctest.Test(t, func(t *testing.T) {
		b := start(t, delegated(rs))
		s := b.source(t, "a")
		if _, err := s.BeginLogin(t.Context(), defaultRedirect, false); err == nil {
			t.Fatal("a login has begun without metadata")
		}
		time.Sleep(2 * metadataPause)
		signIn(t, as, s)
		b.Close()
	})
}

// A 401 of a gateway's own is no word of the MCP server.
func TestABasicChallengeIsNotHeard(t *testing.T) {
	as, rs := hidden(t)
	synctest.Test(t, func(t *testing.T) {
		p := &person{as: as}
		b := start(t, auto(rs))
		b.AskWith(p.signIn)
		s := b.source(t, "a")
		_, _, _ = s.Challenged(t.Context(), nil, http.StatusUnauthorized, http.Header{"Www-Authenticate": {`Basic realm="gateway"`}})
		time.Sleep(10 * time.Second)
		b.token(t, "a")
		b.Close()
	})
}

// A challenge that is heard while another one is looked into is looked into next.
func TestAChallengeDuringALookIsNotTakenForLookedInto(t *testing.T) {
	as, rs := protected(t)
	b := start(t, delegated(rs))
	s := b.source(t, "a")
	tok := signIn(t, as, s)
	as.Revoke(tok.Access().Reveal())
	h := challenge(t, rs, tok)
	rs.FailAt("/.well-known/oauth-protected-resource/mcp", 1, func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		s.heard(oauth.Challenge{Bearer: true, ResourceMetadata: rs.URL() + "/new"})
		next.ServeHTTP(w, r)
	})
	if _, _, err := s.Challenged(t.Context(), tok, http.StatusUnauthorized, h); err != nil {
		t.Fatal(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.challenge.ResourceMetadata != rs.URL()+"/new" || s.settled == nil || s.settled == s.challenge {
		t.Errorf("settled is %+v, heard was %+v", s.settled, s.challenge)
	}
}
