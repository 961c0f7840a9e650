package engine

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"bearerd/config"
	"bearerd/engine/oauth/oauthtest"
	"bearerd/secrets"
)

// rotating is a server whose refresh token may be spent once.
func rotating(as *oauthtest.Server, name, token string) *config.Server {
	s := server(as, name)
	s.OAuth.GrantType, s.OAuth.RefreshToken = "refresh_token", secrets.LiteralRef(token)
	return s
}

// host is an engine with a state folder of its own, beside a store that hosts share.
func host(t testing.TB, shared, folder *memory, place string, servers ...*config.Server) *bench {
	b := &bench{store: shared, log: &lines{}}
	log := slog.New(slog.NewTextHandler(b.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	b.Engine = New(t.Context(), shared, beside(folder, locks(), place), &secrets.Resolver{}, log)
	t.Cleanup(b.Close)
	b.Prepare(&config.Config{Servers: servers}).Commit()
	return b
}

// stored is the record as the store has it; edit writes it back.
func stored(t testing.TB, m *memory, key string) record {
	t.Helper()
	b, _, err := m.Get(t.Context(), key)
	var r record
	if err != nil || json.Unmarshal(b, &r) != nil {
		t.Fatalf("%s: %v", key, err)
	}
	return r
}

func edit(t testing.TB, m *memory, key string, change func(*record)) {
	t.Helper()
	r := stored(t, m, key)
	change(&r)
	b, _ := json.Marshal(r)
	_, rev, _ := m.Get(t.Context(), key)
	if _, err := m.Put(t.Context(), key, b, rev); err != nil {
		t.Fatal(err)
	}
}

func wantAlive(t testing.TB, as *oauthtest.Server, token string) {
	t.Helper()
	if c, ok := as.Chain(token); !ok || c.Revoked || as.Reused() > 0 {
		t.Fatalf("the chain is dead: %d reuses", as.Reused())
	}
}

func TestManyHostsSpendEachRefreshTokenOnce(t *testing.T) {
	as := authorizationServer(t)
	as.SetLifetime(20 * time.Second)
	first := as.Grant("id")
	synctest.Test(t, func(t *testing.T) {
		shared := newMemory()
		var hosts []*bench
		for i := range 5 {
			b := host(t, shared, newMemory(), fmt.Sprint("host", i), rotating(as, "a", first))
			b.KeepFresh()
			hosts = append(hosts, b)
		}
		for range 30 {
			time.Sleep(7 * time.Second)
			for i, b := range hosts {
				if _, err := b.source(t, "a").Token(t.Context()); err != nil {
					t.Fatalf("host %d: %v\n%s", i, err, b.log)
				}
			}
		}
		wantAlive(t, as, first)
		if c, _ := as.Chain(first); asked(as, "/token") != c.Rotations || c.Rotations < 8 {
			t.Errorf("%d requests for %d rotations", asked(as, "/token"), c.Rotations)
		}
		for _, b := range hosts {
			b.Close()
		}
	})
}

func TestTheLeaseOfAHostThatIsGoneIsWaitedFor(t *testing.T) {
	as := authorizationServer(t)
	as.SetLifetime(20 * time.Second)
	first := as.Grant("id")
	synctest.Test(t, func(t *testing.T) {
		shared := newMemory()
		a := host(t, shared, newMemory(), "a", rotating(as, "a", first))
		a.token(t, "a")
		a.Close()
		edit(t, shared, "grant/a", func(r *record) { r.Lease = &lease{Owner: "gone", Place: "gone", Life: 60_000} })
		b := host(t, shared, newMemory(), "b", rotating(as, "a", first))
		time.Sleep(30 * time.Second)
		if d := took(func() { b.token(t, "a") }); d < 60*time.Second || d > 62*time.Second {
			t.Errorf("it took %v", d)
		}
		wantAsked(t, as, 2)
		wantAlive(t, as, first)
		b.Close()
	})
}

func TestTheLeaseOfADeadProcessOfThisFolderIsTakenAtOnce(t *testing.T) {
	as := authorizationServer(t)
	first := as.Grant("id")
	synctest.Test(t, func(t *testing.T) {
		store := newMemory()
		a := startWith(t, store, locks(), rotating(as, "a", first))
		a.token(t, "a")
		a.Close()
		edit(t, store, "grant/a", func(r *record) {
			r.Lease, r.AccessToken = &lease{Owner: "dead", Place: "here/" + bootID(), Life: 60_000}, ""
		})
		b := startWith(t, store, locks(), rotating(as, "a", first))
		if d := took(func() { b.token(t, "a") }); d > time.Second {
			t.Errorf("it took %v", d)
		}
		wantAlive(t, as, first)
		b.Close()
	})
}

func TestALostAnswerOfTheStoreLosesNoRefreshToken(t *testing.T) {
	for _, lost := range []string{"of the lease", "of the commit", "of both"} {
		t.Run(lost, func(t *testing.T) {
			as := authorizationServer(t)
			first := as.Grant("id")
			synctest.Test(t, func(t *testing.T) {
				shared := newMemory()
				a := host(t, shared, newMemory(), "a", rotating(as, "a", first))
				losing := func(n int) { shared.set(func(m *memory) { m.lose = n }) }
				switch lost {
				case "of the lease":
					losing(1)
				case "of both":
					losing(2)
				default:
					as.Fail(1, oauthtest.Edit(func(map[string]any) { losing(1) }))
				}
				a.token(t, "a")
				a.Close() // the commit comes after the token is served
				c, _ := as.Chain(first)
				if got := stored(t, shared, "grant/a"); got.Refresh != c.Current || got.Lease != nil {
					t.Error("the store does not hold the newest refresh token, or still a lease")
				}
				wantAsked(t, as, 1)
			})
		})
	}
}

func TestARefreshTokenThatCouldNotBeCommittedIsInTheJournal(t *testing.T) {
	as := authorizationServer(t)
	first := as.Grant("id")
	synctest.Test(t, func(t *testing.T) {
		shared, folder := newMemory(), newMemory()
		a := host(t, shared, folder, "a", rotating(as, "a", first))
		down := func(err error) { shared.set(func(m *memory) { m.down = err }) }
		as.Fail(1, oauthtest.Edit(func(map[string]any) { down(secrets.ErrUnavailable) }))
		token := a.token(t, "a")
		synctest.Wait() // the commit comes after the token is served
		if st := a.source(t, "a").Status(); !st.Uncommitted || st.Store != storeUnavailable {
			t.Errorf("the status is %+v", st)
		}
		a.Close() // and never came to commit it
		c, _ := as.Chain(first)
		if j := stored(t, folder, "copy/a"); j.Refresh != c.Current || !j.Pending {
			t.Fatal("the journal does not hold it")
		}
		b := host(t, shared, folder, "a", rotating(as, "a", first))
		b.KeepFresh()
		if got := b.token(t, "a"); !got.Access().Equal(token.Access()) {
			t.Error("the copy is not served while the store is away")
		}
		down(nil)
		time.Sleep(10 * time.Second)
		if _, err := b.source(t, "a").Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		wantAlive(t, as, first)
		if c, _ := as.Chain(first); c.Rotations != 2 || stored(t, shared, "grant/a").Refresh != c.Current {
			t.Errorf("%d rotations", c.Rotations)
		}
		if copied := stored(t, folder, "copy/a"); copied.Refresh != "" || copied.Pending {
			t.Error("the copy of a committed record holds a refresh token")
		}
		b.Close()
	})
}

func TestARunningProcessCommitsAsSoonAsTheStoreIsBack(t *testing.T) {
	as := authorizationServer(t)
	first := as.Grant("id")
	synctest.Test(t, func(t *testing.T) {
		shared := newMemory()
		a := host(t, shared, newMemory(), "a", rotating(as, "a", first))
		as.Fail(1, oauthtest.Edit(func(map[string]any) {
			shared.set(func(m *memory) { m.down = secrets.ErrUnavailable })
		}))
		a.token(t, "a")
		time.Sleep(time.Minute)
		shared.set(func(m *memory) { m.down = nil })
		time.Sleep(31 * time.Second)
		c, _ := as.Chain(first)
		if got := stored(t, shared, "grant/a"); got.Refresh != c.Current || got.Lease != nil {
			t.Error("it was not committed")
		}
		if a.source(t, "a").Status().Uncommitted {
			t.Error("the status says otherwise")
		}
		a.Close()
	})
}

func TestADeadRefreshTokenIsReplacedByANewlySuppliedOne(t *testing.T) {
	as := authorizationServer(t)
	first := as.Grant("id")
	var value atomic.Value
	value.Store(first)
	synctest.Test(t, func(t *testing.T) {
		s := rotating(as, "a", "")
		s.OAuth.RefreshToken = secrets.Ref{Kind: secrets.Env, Name: "RT"}
		b := start(t, s)
		b.resolve.Getenv = func(string) (string, bool) { return value.Load().(string), true }
		b.KeepFresh()
		b.token(t, "a")
		c, _ := as.Chain(first)
		as.Revoke(c.Current)
		if _, err := b.source(t, "a").Refresh(t.Context()); err == nil {
			t.Fatal("a dead token was renewed")
		}
		if err := b.source(t, "a").Invalidate(t.Context()); err != nil {
			t.Fatal(err)
		}
		_, err := b.source(t, "a").Token(t.Context())
		var e *Error
		if !errors.As(err, &e) || e.State != NeedsReauth || !strings.Contains(e.Remedy, `env("RT")`) {
			t.Fatalf("the error is %v", err)
		}
		wantState(t, b.source(t, "a"), NeedsReauth)
		n := asked(as, "/token")
		time.Sleep(10 * time.Minute)
		wantAsked(t, as, n) // nobody is asked with a dead token
		value.Store(as.Grant("id"))
		time.Sleep(80 * time.Second)
		wantState(t, b.source(t, "a"), Authorized)
		wantAsked(t, as, n+1)
		b.Close()
	})
}

func TestWhatMayBeSpentElsewhereIsNotSpent(t *testing.T) {
	as := authorizationServer(t)
	first := as.Grant("id")
	store := newMemory()
	a := startWith(t, store, locks(), rotating(as, "a", first))
	a.token(t, "a")
	for name, c := range map[string]struct {
		local Local
		want  string
	}{
		"a copied folder":      {beside(store, locks(), "elsewhere"), "bearerd store adopt"},
		"a network filesystem": {Local{Store: store, Lock: locks(), Network: "NFS"}, "NFS"},
	} {
		t.Run(name, func(t *testing.T) {
			e := New(t.Context(), store, c.local, &secrets.Resolver{}, slog.New(slog.DiscardHandler))
			defer e.Close()
			e.Prepare(&config.Config{Servers: []*config.Server{rotating(as, "a", first)}}).Commit()
			s, _ := e.Source("a")
			if _, err := s.Token(t.Context()); err != nil {
				t.Errorf("the access token is not served: %v", err)
			}
			if _, err := s.Refresh(t.Context()); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v", err)
			}
			wantAsked(t, as, 1)
		})
	}
}

func TestTwoServersWithOneRefreshToken(t *testing.T) {
	as := authorizationServer(t)
	first := as.Grant("id")
	b := start(t, rotating(as, "a", first), rotating(as, "b", first))
	b.token(t, "a")
	if _, err := b.source(t, "b").Token(t.Context()); err == nil || !strings.Contains(err.Error(), `the one of server "a"`) {
		t.Errorf("got %v", err)
	}
	wantAsked(t, as, 1)
	wantAlive(t, as, first)
}
