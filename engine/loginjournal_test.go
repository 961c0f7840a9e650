package engine

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"bearerd/engine/oauth/oauthtest"
	"bearerd/secrets"
)

// wantNewest wants the record to hold the refresh token that the authorization server gave out last.
func wantNewest(t testing.TB, as *oauthtest.Server, m *memory) {
	t.Helper()
	list := as.Chains(as.Registrations()[0].ClientID)
	newest := list[len(list)-1]
	if r := stored(t, m, "grant/a"); r.Refresh != newest.Current || newest.Revoked || r.Revoked {
		t.Fatalf("of %d chains the record does not hold the newest; revoked: %v, %v", len(list), newest.Revoked, r.Revoked)
	}
}

// It runs by the real clock, as the authorization server calls back into it.
func TestALoginReplacesAChainThatAnotherProcessRenews(t *testing.T) {
	as, rs := protected(t)
	shared := newMemory()
	a := host(t, shared, newMemory(), "a", delegated(rs))
	b := host(t, shared, newMemory(), "b", delegated(rs))
	signIn(t, as, a.source(t, "a"))
	b.token(t, "a")
	l := beginLogin(t, b.source(t, "a"))
	query := visit(t, as, l.URL)
	as.Fail(1, func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if stored(t, shared, "grant/a").Lease == nil {
			t.Error("nobody holds the lease")
		}
		if _, err := b.source(t, "a").FinishLogin(t.Context(), query); err != nil {
			t.Error(err)
		}
		next.ServeHTTP(w, r)
	})
	tok, err := a.source(t, "a").Refresh(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if !b.token(t, "a").Access().Equal(tok.Access()) {
		t.Error("they hold two tokens")
	}
	wantNewest(t, as, shared)
	a.renew(t, "a")
	b.renew(t, "a")
	wantNewest(t, as, shared)
	if as.Reused() != 0 {
		t.Error("a refresh token was spent twice")
	}
}

// failing is m, whose next n writes of the record fail once on says so.
func failing(m *memory, n int, on *bool) *hooked {
	return &hooked{m, func(_ context.Context, op, key string) error {
		if op == "put" && key == "grant/a" && *on && n > 0 {
			n--
			return errors.New("the disk is full")
		}
		return nil
	}}
}

// A process that ends between the exchange and the commit leaves the new chain in the journal, whatever it replaces.
func TestTheJournalOfALoginIsCommittedByTheNextProcess(t *testing.T) {
	for name, before := range map[string]func(t *testing.T, as *oauthtest.Server, b *bench){
		"the first one":  func(*testing.T, *oauthtest.Server, *bench) {},
		"over a chain":   func(t *testing.T, as *oauthtest.Server, b *bench) { signIn(t, as, b.source(t, "a")); b.renew(t, "a") },
		"over a revoked": func(t *testing.T, as *oauthtest.Server, b *bench) { signIn(t, as, b.source(t, "a")); revoke(t, b) },
		"after a logout": func(t *testing.T, as *oauthtest.Server, b *bench) { signIn(t, as, b.source(t, "a")); logout(t, b) },
	} {
		t.Run(name, func(t *testing.T) {
			as, rs := protected(t)
			synctest.Test(t, func(t *testing.T) {
				folder, on := newMemory(), false
				a := startWith(t, folder, locks(), delegated(rs))
				a.Engine.store = failing(folder, 1<<30, &on)
				before(t, as, a)
				l := beginLogin(t, a.source(t, "a"))
				on = true
				tok, err := a.source(t, "a").FinishLogin(t.Context(), visit(t, as, l.URL))
				if err != nil {
					t.Fatal(err)
				}
				st := a.source(t, "a").Status()
				if st.State != Authorized || !st.Uncommitted || !a.token(t, "a").Access().Equal(tok.Access()) {
					t.Errorf("the status is %+v", st)
				}
				a.Close()
				b := startWith(t, folder, locks(), delegated(rs))
				if !b.token(t, "a").Access().Equal(tok.Access()) {
					t.Error("it has another token")
				}
				b.renew(t, "a")
				list := as.Registrations()
				chains := as.Chains(list[len(list)-1].ClientID)
				if r := stored(t, folder, "grant/a"); r.Refresh != chains[len(chains)-1].Current || r.Revoked || as.Reused() > 0 {
					t.Errorf("the record does not hold the new chain; revoked: %v", r.Revoked)
				}
				b.Close()
			})
		})
	}
}

func revoke(t *testing.T, b *bench) {
	t.Helper()
	if _, err := b.source(t, "a").Revoke(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func logout(t *testing.T, b *bench) {
	t.Helper()
	if _, _, err := b.source(t, "a").Logout(t.Context(), false); err != nil {
		t.Fatal(err)
	}
}

// A revocation by another host, after the login, is the last word on it.
func TestARevocationAfterALoginStandsAgainstItsJournal(t *testing.T) {
	as, rs := protected(t)
	synctest.Test(t, func(t *testing.T) {
		shared, folder, on := newMemory(), newMemory(), false
		a := hostOn(t, failing(shared, 1<<30, &on), folder, "a", delegated(rs))
		signIn(t, as, a.source(t, "a"))
		l := beginLogin(t, a.source(t, "a"))
		on = true
		if _, err := a.source(t, "a").FinishLogin(t.Context(), visit(t, as, l.URL)); err != nil {
			t.Fatal(err)
		}
		a.Close()
		b := host(t, shared, newMemory(), "b", delegated(rs))
		b.token(t, "a")
		revoke(t, b)
		next := host(t, shared, folder, "a", delegated(rs))
		if _, err := next.source(t, "a").Token(t.Context()); err == nil {
			t.Error("a grant that was revoked is in service")
		}
		if r := stored(t, shared, "grant/a"); !r.Revoked {
			t.Error("the tombstone is gone")
		}
		next.Close()
		b.Close()
	})
}

// While the store is away a login cannot know which chain it replaces.
func TestALoginDuringAnOutageIsCommittedAfterIt(t *testing.T) {
	as, rs := protected(t)
	synctest.Test(t, func(t *testing.T) {
		shared, folder := newMemory(), newMemory()
		a := host(t, shared, folder, "a", delegated(rs))
		s := a.source(t, "a")
		signIn(t, as, s)
		for range 3 {
			a.renew(t, "a")
		}
		l := beginLogin(t, s)
		query := visit(t, as, l.URL)
		shared.set(func(m *memory) { m.down = secrets.ErrUnavailable })
		tok, err := s.FinishLogin(t.Context(), query)
		if err != nil {
			t.Fatal(err)
		}
		shared.set(func(m *memory) { m.down = nil })
		time.Sleep(time.Minute)
		wantNewest(t, as, shared)
		if !a.token(t, "a").Access().Equal(tok.Access()) || s.Status().Uncommitted {
			t.Error("the token of the login is not the one in service")
		}
		a.Close()
	})
}

func TestALoginEndsARevocation(t *testing.T) {
	as, rs := protected(t)
	synctest.Test(t, func(t *testing.T) {
		b := start(t, delegated(rs))
		s := b.source(t, "a")
		signIn(t, as, s)
		if _, err := s.Revoke(t.Context()); err != nil {
			t.Fatal(err)
		}
		wantState(t, s, Revoked)
		time.Sleep(time.Hour)
		_, err := s.Token(t.Context())
		if e := new(Error); !errors.As(err, &e) || e.State != Revoked || !strings.Contains(e.Remedy, "bearerd login a") {
			t.Errorf("the error is %v", err)
		}
		tok := signIn(t, as, s)
		if !b.token(t, "a").Access().Equal(tok.Access()) || stored(t, b.store, "grant/a").Revoked {
			t.Error("it is still revoked")
		}
		if _, err := s.Refresh(t.Context()); err != nil {
			t.Error(err)
		}
		b.Close()
	})
}

func TestWithoutRoomForTheAnswerNoCodeIsSent(t *testing.T) {
	as, rs := protected(t)
	synctest.Test(t, func(t *testing.T) {
		b := start(t, delegated(rs))
		s := b.source(t, "a")
		reserve := b.local.Reserve
		b.local.Reserve = func(context.Context, string) (func(context.Context, []byte) error, func(), error) {
			return nil, nil, errors.New("the disk is full")
		}
		_, err := s.FinishLogin(t.Context(), visit(t, as, beginLogin(t, s).URL))
		if e := new(Error); !errors.As(err, &e) || !strings.Contains(e.Remedy, "give it space") {
			t.Errorf("the error is %v", err)
		}
		wantAsked(t, as, 0)
		b.local.Reserve = reserve
		signIn(t, as, s)
		b.Close()
	})
}

// A tombstone whose grant had no chain is replaced like any other, once the store takes it.
func TestALoginOverATombstoneWithoutAChainIsCommittedLater(t *testing.T) {
	for name, before := range map[string]func(t *testing.T, as *oauthtest.Server, s *Source){
		"never signed in": func(*testing.T, *oauthtest.Server, *Source) {},
		"no refresh token": func(t *testing.T, as *oauthtest.Server, s *Source) {
			as.Fail(1, oauthtest.Edit(func(answer map[string]any) { delete(answer, "refresh_token") }))
			signIn(t, as, s)
		},
		"a chain": func(t *testing.T, as *oauthtest.Server, s *Source) { signIn(t, as, s) },
	} {
		t.Run(name, func(t *testing.T) {
			as, rs := protected(t)
			synctest.Test(t, func(t *testing.T) {
				folder, on := newMemory(), false
				b := startWith(t, folder, locks(), delegated(rs))
				b.Engine.store = failing(folder, 3, &on)
				s := b.source(t, "a")
				before(t, as, s)
				logout(t, b)
				query := visit(t, as, beginLogin(t, s).URL)
				on = true
				if _, err := s.FinishLogin(t.Context(), query); err != nil || !s.Status().Uncommitted {
					t.Fatal("it is committed at once, or not at all:", err)
				}
				time.Sleep(10 * time.Minute)
				if r := stored(t, folder, "grant/a"); r.Revoked || r.Refresh == "" || s.Status().Uncommitted {
					t.Errorf("revoked: %v; a refresh token is kept: %v", r.Revoked, r.Refresh != "")
				}
				time.Sleep(time.Hour)
				b.token(t, "a")
				b.Close()
			})
		})
	}
}
