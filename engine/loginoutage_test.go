package engine

import (
	"context"
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"bearerd/engine/oauth/oauthtest"
	"bearerd/secrets"
)

func away(m *memory) { m.down = secrets.ErrUnavailable }
func back(m *memory) { m.down = nil }

// finishAway finishes a login while the store is away.
func finishAway(t *testing.T, as *oauthtest.Server, shared *memory, s *Source) *Token {
	t.Helper()
	query := visit(t, as, beginLogin(t, s).URL)
	shared.set(away)
	tok, err := s.FinishLogin(t.Context(), query)
	if err != nil {
		t.Fatal(err)
	}
	return tok
}

// The tombstone of the logout before is older than the login, whatever the store could be told of it.
func TestALoginAfterALogoutOutlivesAnOutage(t *testing.T) {
	for _, restart := range []bool{false, true} {
		t.Run(fmt.Sprint("restart ", restart), func(t *testing.T) {
			as, rs := protected(t)
			synctest.Test(t, func(t *testing.T) {
				shared, folder := newMemory(), newMemory()
				b := host(t, shared, folder, "here", delegated(rs))
				signIn(t, as, b.source(t, "a"))
				logout(t, b)
				tok := finishAway(t, as, shared, b.source(t, "a"))
				if restart {
					b.Close()
				}
				shared.set(back)
				if restart {
					b = host(t, shared, folder, "here", delegated(rs))
				}
				time.Sleep(2 * time.Minute)
				if !b.token(t, "a").Access().Equal(tok.Access()) || stored(t, shared, "grant/a").Revoked {
					t.Error("the logout has won")
				}
				time.Sleep(2 * time.Hour)
				b.token(t, "a")
				synctest.Wait() // until it is committed
				wantGrantKept(t, as, shared)
				b.Close()
			})
		})
	}
}

func TestALoginThatWaitsForTheStoreWinsOverRenewalsByAnotherHost(t *testing.T) {
	as, rs := protected(t)
	synctest.Test(t, func(t *testing.T) {
		shared := newMemory()
		var cutOff atomic.Bool
		cut := &hooked{shared, func(context.Context, string, string) error {
			if cutOff.Load() {
				return secrets.ErrUnavailable
			}
			return nil
		}}
		a := hostOn(t, cut, newMemory(), "a", delegated(rs))
		b := host(t, shared, newMemory(), "b", delegated(rs))
		s := a.source(t, "a")
		signIn(t, as, s)
		b.token(t, "a")
		query := visit(t, as, beginLogin(t, s).URL)
		cutOff.Store(true)
		if _, err := s.FinishLogin(t.Context(), query); err != nil {
			t.Fatal(err)
		}
		b.renew(t, "a")
		b.renew(t, "a")
		cutOff.Store(false)
		time.Sleep(2 * time.Minute)
		wantNewest(t, as, shared)
		if s.Status().Uncommitted {
			t.Error("it is not committed")
		}
		b.renew(t, "a")
		a.renew(t, "a")
		wantNewest(t, as, shared)
		a.Close()
		b.Close()
	})
}

// A host that knows nothing of the chain signs in over a grant that is dead.
func TestTheFirstLoginOfAHostOutlivesAnOutage(t *testing.T) {
	as, rs := protected(t)
	synctest.Test(t, func(t *testing.T) {
		shared := newMemory()
		b := host(t, shared, newMemory(), "b", delegated(rs))
		signIn(t, as, b.source(t, "a"))
		as.Revoke(stored(t, shared, "grant/a").Refresh)
		time.Sleep(time.Hour)
		_, err := b.source(t, "a").Token(t.Context())
		wantNeedsPerson(t, err, "")
		b.Close()
		a := host(t, shared, newMemory(), "a", delegated(rs))
		finishAway(t, as, shared, a.source(t, "a"))
		shared.set(back)
		time.Sleep(2 * time.Minute)
		wantNewest(t, as, shared)
		time.Sleep(2 * time.Hour)
		a.token(t, "a")
		synctest.Wait() // until it is committed
		wantNewest(t, as, shared)
		a.Close()
	})
}

// A logout in an outage tells the provider of what is on this host alone; the one after it forgets the rest.
func TestALogoutInAnOutageRevokesWhatTheJournalHas(t *testing.T) {
	for name, before := range map[string]func(t *testing.T, as *oauthtest.Server, shared *memory, b *bench){
		"a login": func(t *testing.T, as *oauthtest.Server, shared *memory, b *bench) {
			finishAway(t, as, shared, b.source(t, "a"))
		},
		"a renewal": func(t *testing.T, as *oauthtest.Server, shared *memory, b *bench) {
			signIn(t, as, b.source(t, "a"))
			as.Fail(1, func(w http.ResponseWriter, r *http.Request, next http.Handler) {
				shared.set(away)
				next.ServeHTTP(w, r)
			})
			b.renew(t, "a")
		},
	} {
		t.Run(name, func(t *testing.T) {
			as, rs := protected(t)
			synctest.Test(t, func(t *testing.T) {
				shared := newMemory()
				b := host(t, shared, newMemory(), "here", delegated(rs))
				before(t, as, shared, b)
				if sent, _, _ := b.source(t, "a").Logout(t.Context(), false); sent == 0 { // that the store is away is told
					t.Error("the provider was not told")
				}
				wantRefreshRevokedFirst(t, as)
				shared.set(back)
				logout(t, b)
				for _, client := range as.Registrations() {
					for _, c := range as.Chains(client.ClientID) {
						if !c.Revoked {
							t.Error("a refresh token is forgotten here and works there")
						}
					}
				}
				b.Close()
			})
		})
	}
}
