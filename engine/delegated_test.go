package engine

import (
	"net/http"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"bearerd/config"
	"bearerd/engine/oauth/oauthtest"
)

func TestNotCovered_RFC8707InRefresh(t *testing.T) {
	two := []string{"https://one.example", "https://two.example"}
	for name, c := range map[string]struct {
		set  func(*config.OAuth)
		want []string // besides the resource itself, "URL"
	}{
		"of the metadata": {func(*config.OAuth) {}, []string{"URL"}},
		"written":         {func(o *config.OAuth) { o.Resource = two }, two},
		"none":            {func(o *config.OAuth) { o.Resource = []string{} }, nil},
	} {
		t.Run(name, func(t *testing.T) {
			as, rs := protected(t)
			synctest.Test(t, func(t *testing.T) {
				server := delegated(rs)
				server.OAuth.Scope = "read write"
				c.set(server.OAuth)
				b := start(t, server)
				signIn(t, as, b.source(t, "a"))
				b.renew(t, "a")
				want := slices.Clone(c.want)
				if i := slices.Index(want, "URL"); i >= 0 {
					want[i] = rs.URL()
				}
				for _, grant := range []string{"authorization_code", "refresh_token"} {
					form := forms(as, grant)[0]
					if !slices.Equal(form["resource"], want) {
						t.Errorf("%s: the resource is %q, want %q", grant, form["resource"], want)
					}
					if form.Has("scope") {
						t.Errorf("%s: the scope %q is sent", grant, form.Get("scope"))
					}
				}
				if st := b.source(t, "a").Status(); st.Scope != "read write" {
					t.Errorf("the scope is %q", st.Scope)
				}
				b.Close()
			})
		})
	}
}

// A rotated refresh token is in the store before anybody has the access token that came with it, or in the journal.
func TestTheRotatedTokenOfALoginIsKeptBeforeUse(t *testing.T) {
	as, rs := protected(t)
	as.SetLifetime(10 * time.Minute)
	synctest.Test(t, func(t *testing.T) {
		b := start(t, delegated(rs))
		signIn(t, as, b.source(t, "a"))
		client := as.Registrations()[0].ClientID
		for i := range 50 {
			time.Sleep(10 * time.Minute)
			b.token(t, "a")
			current := as.Chains(client)[0].Current
			if stored(t, b.store, "copy/a").Refresh != current &&
				stored(t, b.store, "grant/a").Refresh != current {
				t.Fatalf("the refresh token of generation %d is nowhere", i)
			}
		}
		synctest.Wait()
		c, kept := as.Chains(client)[0], stored(t, b.store, "grant/a").Refresh
		if c.Rotations != 50 || c.Revoked || as.Reused() != 0 || kept != c.Current {
			t.Errorf("%d rotations, %d reuses", c.Rotations, as.Reused())
		}
		b.Close()
	})
}

func TestNotCovered_SingleFlightAlsoAcrossProcesses(t *testing.T) {
	as, rs := protected(t)
	synctest.Test(t, func(t *testing.T) {
		store, lock := newMemory(), locks()
		var all []*bench
		for range 3 {
			all = append(all, startWith(t, store, lock, delegated(rs)))
		}
		signIn(t, as, all[0].source(t, "a"))
		for range 5 {
			time.Sleep(2 * time.Hour)
			var wg sync.WaitGroup
			for _, b := range all {
				for range 7 {
					wg.Go(func() { b.token(t, "a") })
				}
			}
			wg.Wait()
		}
		if n := len(forms(as, "refresh_token")); n != 5 || as.Reused() != 0 {
			t.Errorf("%d renewals, %d reuses", n, as.Reused())
		}
		for _, b := range all {
			b.Close()
		}
	})
}

func TestInvalidGrantAsksForALogin(t *testing.T) {
	as, rs := protected(t)
	synctest.Test(t, func(t *testing.T) {
		b := start(t, delegated(rs))
		s := b.source(t, "a")
		signIn(t, as, s)
		as.Revoke(stored(t, b.store, "grant/a").Refresh)
		time.Sleep(time.Hour)
		_, err := s.Token(t.Context())
		wantNeedsPerson(t, err, "invalid_grant")
		if st := s.Status(); st.State != NeedsReauth || st.Remedy != "run `bearerd login a`" {
			t.Errorf("the status is %+v", st)
		}
		b.KeepFresh()
		time.Sleep(24 * time.Hour)
		if n := len(forms(as, "refresh_token")); n != 1 {
			t.Errorf("the dead refresh token was sent %d times", n)
		}
		b.Close()
		b = startWith(t, b.store, b.lock, delegated(rs))
		s = b.source(t, "a")
		_, err = s.Token(t.Context())
		wantNeedsPerson(t, err, "does not accept the refresh token any more")
		signIn(t, as, s)
		b.renew(t, "a")
		wantState(t, s, Authorized)
		b.Close()
	})
}

func TestALoginWithoutARefreshToken(t *testing.T) {
	as, rs := protected(t)
	synctest.Test(t, func(t *testing.T) {
		b := start(t, delegated(rs))
		s := b.source(t, "a")
		as.Fail(1, oauthtest.Edit(func(answer map[string]any) { delete(answer, "refresh_token") }))
		tok := signIn(t, as, s)
		b.KeepFresh()
		if st := s.Status(); st.State != Authorized || st.Renewable == nil || *st.Renewable {
			t.Errorf("the status is %+v", st)
		}
		time.Sleep(59 * time.Minute)
		if !b.token(t, "a").Access().Equal(tok.Access()) {
			t.Error("it is not used until its end")
		}
		time.Sleep(time.Minute)
		_, err := s.Token(t.Context())
		wantNeedsPerson(t, err, "came without a refresh token")
		time.Sleep(2 * time.Minute)
		wantState(t, s, NeedsReauth)
		wantAsked(t, as, 1)
		signIn(t, as, s)
		b.renew(t, "a")
		b.Close()
	})
}

func TestATokenWithoutExpiryIsUsedUntilItIsRefused(t *testing.T) {
	as, rs := protected(t)
	synctest.Test(t, func(t *testing.T) {
		b := start(t, delegated(rs))
		s := b.source(t, "a")
		as.Fail(1, oauthtest.Edit(func(answer map[string]any) {
			delete(answer, "expires_in")
			delete(answer, "refresh_token")
		}))
		tok := signIn(t, as, s)
		b.KeepFresh()
		for range 30 {
			time.Sleep(24 * time.Hour)
			if !b.token(t, "a").Access().Equal(tok.Access()) {
				t.Fatal("it was replaced")
			}
		}
		wantAsked(t, as, 1)
		as.Revoke(tok.Access().Reveal())
		_, _, err := s.Challenged(t.Context(), tok, http.StatusUnauthorized, challenge(t, rs, tok))
		wantNeedsPerson(t, err, "")
		_, err = s.Token(t.Context())
		wantNeedsPerson(t, err, "")
		b.Close()
	})
}
