package engine

import (
	"context"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"bearerd/engine/oauth/oauthtest"
)

// A request in one process waits for the person who signs in by another, be it after a logout; it gives up with its own
// context, and says what to do.
func TestARequestWaitsForTheSignInOfAnotherProcess(t *testing.T) {
	for name, before := range map[string]func(*testing.T, *oauthtest.Server, *Source){
		"first":          func(*testing.T, *oauthtest.Server, *Source) {},
		"after a logout": loggedOut,
	} {
		t.Run(name, func(t *testing.T) {
			as, rs := protected(t)
			synctest.Test(t, func(t *testing.T) {
				a := start(t, delegated(rs))
				b := startWith(t, a.store, a.lock, delegated(rs))
				here, there := a.source(t, "a"), b.source(t, "a")
				before(t, as, here)
				l := beginLogin(t, here)
				hasty, cancel := context.WithTimeout(t.Context(), 20*time.Second)
				defer cancel()
				_, err := there.Token(hasty)
				wantNeedsPerson(t, err, "has not finished yet")
				got := make(chan error, 1)
				go func() {
					_, err := there.Token(t.Context())
					got <- err
				}()
				time.Sleep(30 * time.Second)
				if _, err := here.FinishLogin(t.Context(), visit(t, as, l.URL)); err != nil {
					t.Fatal(err)
				}
				if err := <-got; err != nil {
					t.Error(err)
				}
				a.Close()
				b.Close()
			})
		})
	}
}

func loggedOut(t *testing.T, as *oauthtest.Server, s *Source) {
	signIn(t, as, s)
	if _, _, err := s.Logout(t.Context(), false); err != nil {
		t.Fatal(err)
	}
}

// Some servers hold a client to the scopes that it was registered for: it is registered for what may be demanded, and anew
// when more is.
func TestARegistrationGrowsWithItsScopes(t *testing.T) {
	as, rs := protected(t)
	rs.Protect(oauthtest.Protection{Scopes: []string{"read"}})
	synctest.Test(t, func(t *testing.T) {
		server := delegated(rs)
		server.AllowStepUp = []string{"write"}
		b := start(t, server)
		s := b.source(t, "a")
		for _, step := range []struct {
			demand     string
			registered int
			scope      any
		}{{"write", 1, "read write"}, {"admin", 2, "read write admin"}} {
			tok := signIn(t, as, s)
			_, _, err := s.Challenged(t.Context(), tok, http.StatusForbidden, lacksScope(step.demand))
			wantNeedsPerson(t, err, step.demand)
			signIn(t, as, s)
			list := as.Registrations()
			if len(list) != step.registered || list[len(list)-1].Asked["scope"] != step.scope {
				t.Errorf("%s: %d registrations, the last for %v", step.demand, len(list), list[len(list)-1].Asked["scope"])
			}
		}
		b.Close()
	})
}
