package engine

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"bearerd/engine/oauth/oauthtest"
	"bearerd/secrets"
)

func wantRefreshRevokedFirst(t testing.TB, as *oauthtest.Server) {
	t.Helper()
	list := as.RequestsTo("/revoke")
	if len(list) == 0 || list[0].Form.Get("token_type_hint") != "refresh_token" {
		t.Fatalf("%d revocations, or the refresh token was not the first", len(list))
	}
}

func TestALogoutRevokesAndForgetsEverything(t *testing.T) {
	as, rs := protected(t)
	synctest.Test(t, func(t *testing.T) {
		b := start(t, delegated(rs))
		s := b.source(t, "a")
		tok := signIn(t, as, s)
		query := visit(t, as, beginLogin(t, s).URL)
		sent, _, err := s.Logout(t.Context(), false)
		if sent != 2 || err != nil {
			t.Error(sent, err)
		}
		wantRefreshRevokedFirst(t, as)
		if c := as.Chains(as.Registrations()[0].ClientID); !c[0].Revoked {
			t.Error("the chain lives on")
		}
		if _, ok := as.Introspect(tok.Access().Reveal()); ok {
			t.Error("the access token lives on")
		}
		r := stored(t, b.store, "grant/a")
		if !r.Revoked || r.Refresh != "" || r.AccessToken != "" || r.Client != nil || r.Metadata != nil || !r.Found.IsZero() ||
			r.Issuer != "" || r.Pinned != "" || r.Asked != "" || r.Wanted != "" {
			t.Error("the record still holds something")
		}
		if _, _, err := b.store.Get(t.Context(), "flow/a"); !errors.Is(err, secrets.ErrNotFound) {
			t.Error("a flow is pending still")
		}
		wantOtherFlow(t, s, query)
		b.KeepFresh()
		time.Sleep(time.Hour)
		wantState(t, s, Revoked)
		b.Close()
		again := startWith(t, b.store, b.lock, delegated(rs))
		if _, err := again.source(t, "a").Token(t.Context()); err == nil {
			t.Error("a restart ends the logout")
		}
		signIn(t, as, again.source(t, "a"))
		wantRegistrations(t, as, 2)
		again.Close()
	})
}

func TestALogoutWithoutARevocationEndpoint(t *testing.T) {
	as, rs := protected(t)
	as.EditMetadata(func(d map[string]any) { delete(d, "revocation_endpoint") })
	b := start(t, delegated(rs))
	s := b.source(t, "a")
	signIn(t, as, s)
	if sent, _, err := s.Logout(t.Context(), false); sent != 0 || err != nil {
		t.Error(sent, err)
	}
	if r := stored(t, b.store, "grant/a"); !r.Revoked || r.Refresh != "" || r.Client != nil {
		t.Error("the grant is not forgotten")
	}
	if len(as.RequestsTo("/revoke")) != 0 {
		t.Error("something was revoked")
	}
}

func TestALogoutWhoseProviderIsOutOfReachForgetsNothing(t *testing.T) {
	as, rs := protected(t)
	synctest.Test(t, func(t *testing.T) {
		b := start(t, delegated(rs))
		s := b.source(t, "a")
		tok := signIn(t, as, s)
		as.FailAt("/revoke", 100, oauthtest.Answer(503, "text/plain", ""))
		if _, _, err := s.Logout(t.Context(), false); err == nil {
			t.Error("nobody is told")
		}
		r := stored(t, b.store, "grant/a")
		if r.Revoked || r.Refresh == "" || r.Client == nil || !b.token(t, "a").Access().Equal(tok.Access()) {
			t.Error("the grant is forgotten")
		}
		b.Close()
	})
}
