package engine

import (
	"errors"
	"testing"
	"testing/synctest"

	"bearerd/config"
	"bearerd/engine/oauth/oauthtest"
)

// madeWithout is a server that came over the API with its endpoints, but for that of revocations.
func madeWithout(as *oauthtest.Server) *config.Server {
	s := server(as, "a")
	s.Made, s.AllowPrivate, s.OAuth.RevocationURL = true, []string{"127.0.0.1"}, ""
	return s
}

func TestTheRevocationEndpointOfAMadeServerIsLookedUp(t *testing.T) {
	as := authorizationServer(t)
	b := start(t, madeWithout(as))
	token := b.token(t, "a").Access().Reveal()
	if sent, err := b.source(t, "a").Revoke(t.Context()); sent != 1 || err != nil {
		t.Error(sent, err)
	}
	if _, alive := as.Introspect(token); alive {
		t.Error("the token lives on")
	}
}

// Metadata of another token endpoint says nothing, and where there is none the token is dropped all the same.
func TestNoRevocationEndpointIsFound(t *testing.T) {
	for name, change := range map[string]func(map[string]any){
		"of another":   func(d map[string]any) { d["token_endpoint"] = d["token_endpoint"].(string) + "/other" },
		"other issuer": func(d map[string]any) { d["issuer"] = "http://127.0.0.1:1" },
		"none":         func(d map[string]any) { delete(d, "revocation_endpoint") },
	} {
		as := authorizationServer(t)
		as.EditMetadata(change)
		b := start(t, madeWithout(as))
		b.token(t, "a")
		if _, err := b.source(t, "a").Revoke(t.Context()); !errors.Is(err, ErrNoRevocation) {
			t.Errorf("%s: error %v", name, err)
		}
		if n := len(as.RequestsTo("/revoke")); n != 0 {
			t.Errorf("%s: %d revocations", name, n)
		}
		wantState(t, b.source(t, "a"), Revoked)
	}
}

func TestALookUpThatFailsDropsNothing(t *testing.T) {
	as := authorizationServer(t)
	synctest.Test(t, func(t *testing.T) {
		b := start(t, madeWithout(as))
		first := b.token(t, "a")
		as.FailAt("/.well-known/oauth-authorization-server", 10, oauthtest.Answer(503, "text/plain", ""))
		as.FailAt("/.well-known/openid-configuration", 10, oauthtest.Answer(503, "text/plain", ""))
		if _, err := b.source(t, "a").Revoke(t.Context()); err == nil || errors.Is(err, ErrNoRevocation) {
			t.Errorf("error %v", err)
		}
		if b.token(t, "a") != first {
			t.Error("the token was dropped")
		}
		b.Close()
	})
}
