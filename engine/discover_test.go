package engine

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"bearerd/config"
	"bearerd/engine/oauth/oauthtest"
	"bearerd/secrets"
)

// looks is how often the metadata of the resource was read.
func looks(rs *oauthtest.Resource) (n int) {
	for _, r := range rs.Requests() {
		if strings.Contains(r.Path, "/.well-known/") {
			n++
		}
	}
	return n
}

func wantLooks(t testing.TB, rs *oauthtest.Resource, n int) {
	t.Helper()
	if got := looks(rs); got != n {
		t.Fatalf("the metadata was read %d times, want %d", got, n)
	}
}

// challenge is upstream's 401, as the proxy hands it on.
func challenge(t testing.TB, rs *oauthtest.Resource, tok *Token) http.Header {
	t.Helper()
	body := strings.NewReader(`{"jsonrpc":"2.0","id":1,"method":"ping"}`)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, rs.URL(), body)
	if err != nil {
		t.Fatal(err)
	}
	if tok != nil {
		authorization, _, _ := tok.Headers("", "")
		req.Header.Set("Authorization", authorization)
	}
	transport := &http.Transport{DisableKeepAlives: true}
	resp, err := transport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusUnauthorized {
		t.Fatal(resp.Status)
	}
	return resp.Header
}

func TestMetadataIsKeptForADayAndLookedAtAgain(t *testing.T) {
	as, rs := protected(t)
	synctest.Test(t, func(t *testing.T) {
		b := start(t, delegated(rs))
		s := b.source(t, "a")
		signIn(t, as, s)
		wantLooks(t, rs, 1)
		for range 20 {
			time.Sleep(time.Hour)
			b.token(t, "a")
		}
		b.Close()
		b = startWith(t, b.store, b.lock, delegated(rs))
		s = b.source(t, "a")
		b.renew(t, "a")
		wantLooks(t, rs, 1)
		time.Sleep(5 * time.Hour)
		b.renew(t, "a") // after 25 h
		wantLooks(t, rs, 2)
		b.renew(t, "a")
		wantLooks(t, rs, 2)
		time.Sleep(2 * time.Minute)
		beginLogin(t, s)
		wantLooks(t, rs, 3)
		b.Close()
	})
}

func TestMetadataIsLookedAtAfterA401(t *testing.T) {
	as, rs := protected(t)
	synctest.Test(t, func(t *testing.T) {
		b := start(t, delegated(rs))
		s := b.source(t, "a")
		tok := signIn(t, as, s)
		time.Sleep(10 * time.Minute)
		as.Revoke(tok.Access().Reveal())
		next, again, err := s.Challenged(t.Context(), tok, http.StatusUnauthorized, challenge(t, rs, tok))
		if err != nil || !again || next.Access().Equal(tok.Access()) {
			t.Fatal(next, again, err)
		}
		wantLooks(t, rs, 2)
		b.renew(t, "a")
		wantLooks(t, rs, 2)
		b.Close()
	})
}

func TestOldMetadataThatCannotBeReadAnewIsUsed(t *testing.T) {
	as, rs := protected(t)
	synctest.Test(t, func(t *testing.T) {
		b := start(t, delegated(rs))
		s := b.source(t, "a")
		signIn(t, as, s)
		b.Close()
		b = startWith(t, b.store, b.lock, delegated(rs)) // which has seen no challenge of upstream yet
		s = b.source(t, "a")
		time.Sleep(25 * time.Hour)
		rs.FailAt("/.well-known/oauth-protected-resource/mcp", 1000, oauthtest.Answer(503, "text/plain", ""))
		rs.FailAt("/.well-known/oauth-protected-resource", 1000, oauthtest.Answer(503, "text/plain", ""))
		for i := range 5 {
			if _, err := s.Refresh(t.Context()); err != nil {
				t.Fatal(i, err)
			}
			time.Sleep(time.Hour)
		}
		if n := strings.Count(b.log.String(), "cannot be read anew"); n != 5 {
			t.Errorf("it is told %d times", n)
		}
		b.Close()
	})
}

func TestAMigrationToAnotherIssuerReusesNothing(t *testing.T) {
	old, rs := protected(t)
	as, _ := protected(t)
	synctest.Test(t, func(t *testing.T) {
		b := start(t, delegated(rs))
		s := b.source(t, "a")
		signIn(t, old, s)
		held := stored(t, b.store, "grant/a")
		rs.SetServers(as)
		time.Sleep(25 * time.Hour)
		atOld := len(old.Requests())
		_, err := s.Token(t.Context())
		wantNeedsPerson(t, err, "")
		if r := stored(t, b.store, "grant/a"); r.Refresh != held.Refresh || r.Client.ID != held.Client.ID || r.Issuer != old.URL() {
			t.Errorf("the record of issuer %s lost what the old one gave before anybody has signed in", r.Issuer)
		}
		l := beginLogin(t, s)
		if !strings.HasPrefix(l.URL, as.AuthorizationURL()+"?") {
			t.Error(l.URL)
		}
		tok, err := s.FinishLogin(t.Context(), visit(t, as, l.URL))
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := as.Introspect(tok.Access().Reveal()); !ok {
			t.Error("the token is not the new issuer's")
		}
		b.renew(t, "a")
		wantRegistrations(t, as, 1)
		wantRegistrations(t, old, 1)
		for _, r := range as.Requests() {
			if strings.Contains(r.Body, held.Refresh) || strings.Contains(r.Body, held.AccessToken) ||
				r.Form.Get("client_id") == held.Client.ID {
				t.Errorf("what the old issuer gave went to the new one: %s", r.Path)
			}
		}
		if n := len(old.Requests()); n != atOld {
			t.Errorf("%d requests to the old issuer", n-atOld)
		}
		wantAlive(t, old, held.Refresh)
		b.Close()
	})
}

func TestAConfiguredClientStaysWithItsIssuerUntilALogout(t *testing.T) {
	old, rs := protected(t)
	as, _ := protected(t)
	as.Register(oauthtest.Client{ID: "mine", Secret: "s3cret", RedirectURIs: []string{defaultRedirect}})
	synctest.Test(t, func(t *testing.T) {
		b := start(t, configured(old, rs))
		s := b.source(t, "a")
		signIn(t, old, s)
		if r := stored(t, b.store, "grant/a"); r.Pinned != old.URL() {
			t.Errorf("it is pinned to %q", r.Pinned)
		}
		rs.SetServers(as)
		time.Sleep(25 * time.Hour)
		_, err := s.Token(t.Context())
		var e *Error
		if !errors.As(err, &e) || e.State != NeedsReauth || !strings.Contains(e.ForCaller(), "bearerd logout a") {
			t.Errorf("the error is %v", err)
		}
		if _, err := s.BeginLogin(t.Context(), defaultRedirect, false); err == nil {
			t.Error("a login goes to the other issuer")
		}
		if len(as.Requests()) != 0 {
			t.Error("the other issuer was sent something")
		}
		if r := stored(t, b.store, "grant/a"); r.Refresh == "" || r.Issuer != old.URL() {
			t.Error("the grant is gone")
		}
		logout(t, b)
		wantRefreshRevokedFirst(t, old)
		signIn(t, as, s)
		if r := stored(t, b.store, "grant/a"); r.Pinned != as.URL() {
			t.Errorf("it is pinned to %q", r.Pinned)
		}
		wantState(t, s, Authorized)
		b.Close()
	})
}

func TestClientCredentialsWithADiscoveredTokenURL(t *testing.T) {
	as, rs := protected(t)
	synctest.Test(t, func(t *testing.T) {
		c := server(as, "a")
		c.URL, c.OAuth.TokenURL = rs.URL(), ""
		b := start(t, c)
		tok := b.token(t, "a")
		if g, ok := as.Introspect(tok.Access().Reveal()); !ok || len(g.Resource) != 1 || g.Resource[0] != rs.URL() {
			t.Errorf("the token is for %v", g.Resource)
		}
		wantLooks(t, rs, 1)
		b.renew(t, "a")
		wantLooks(t, rs, 1)
		if r := stored(t, b.store, "grant/a"); r.Metadata == nil || r.Pinned != as.URL() {
			t.Errorf("it is pinned to %q", r.Pinned)
		}
		b.Close()
	})
}

// The secret of client credentials goes to the first issuer that was discovered, and to no other.
func TestAClientSecretIsNotSentToAnotherDiscoveredIssuer(t *testing.T) {
	old, rs := protected(t)
	as, _ := protected(t)
	synctest.Test(t, func(t *testing.T) {
		c := server(old, "a")
		c.URL, c.OAuth.TokenURL = rs.URL(), ""
		b := start(t, c)
		b.token(t, "a")
		rs.SetServers(as)
		time.Sleep(25 * time.Hour)
		_, err := b.source(t, "a").Token(t.Context())
		var e *Error
		if !errors.As(err, &e) || e.State != NeedsReauth || !strings.Contains(e.Remedy, "bearerd logout a") {
			t.Errorf("the error is %v", err)
		}
		wantAsked(t, as, 0)
		logout(t, b)
		if _, err := b.source(t, "a").Refresh(t.Context()); err != nil {
			t.Error(err)
		}
		wantAsked(t, as, 1)
		b.Close()
	})
}

func TestALoginWithoutAnyDiscovery(t *testing.T) {
	as, rs := protected(t)
	as.Register(oauthtest.Client{ID: "mine", Methods: []string{oauthtest.None}, RedirectURIs: []string{defaultRedirect}})
	synctest.Test(t, func(t *testing.T) {
		c := delegated(rs)
		o := c.OAuth
		o.ClientID, o.AuthorizationURL, o.TokenURL, o.ClientSecret = "mine", as.AuthorizationURL(), as.TokenURL(), secrets.Ref{}
		b := start(t, c)
		signIn(t, as, b.source(t, "a"))
		b.renew(t, "a")
		if len(rs.Requests()) != 0 || len(as.RequestsTo("/.well-known/oauth-authorization-server")) != 0 {
			t.Error("something was discovered")
		}
		b.Close()
	})
}

func TestAnEditOfTheServerURLDiscoversAnew(t *testing.T) {
	as, rs := protected(t)
	other, second := protected(t)
	synctest.Test(t, func(t *testing.T) {
		b := start(t, delegated(rs))
		signIn(t, as, b.source(t, "a"))
		b.Prepare(&config.Config{Servers: []*config.Server{delegated(second)}}).Commit()
		s := b.source(t, "a")
		_, err := s.Token(t.Context())
		wantNeedsPerson(t, err, "")
		signIn(t, other, s)
		if r := stored(t, b.store, "grant/a"); r.Issuer != other.URL() || r.Metadata.Resource != second.URL() {
			t.Errorf("the record is of %s for %s", r.Issuer, r.Metadata.Resource)
		}
		b.Close()
	})
}
