package engine

import (
	"context"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"bearerd/config"
	"bearerd/engine/oauth/oauthtest"
	"bearerd/secrets"
)

func TestInvalidateAndAnEditOfTheScopeKeepTheChain(t *testing.T) {
	as := authorizationServer(t)
	first := as.Grant("id")
	b := start(t, rotating(as, "a", first))
	b.token(t, "a")
	if err := b.source(t, "a").Invalidate(t.Context()); err != nil {
		t.Fatal(err)
	}
	b.token(t, "a")
	edited := rotating(as, "a", first)
	edited.OAuth.Audience = "other"
	b.Prepare(&config.Config{Servers: []*config.Server{edited}}).Commit()
	b.token(t, "a")
	wantAsked(t, as, 3)
	wantAlive(t, as, first)
}

func TestRevokeEndsTheChain(t *testing.T) {
	as := authorizationServer(t)
	first := as.Grant("id")
	b := start(t, rotating(as, "a", first))
	b.token(t, "a")
	if n, err := b.source(t, "a").Revoke(t.Context()); n != 2 || err != nil {
		t.Fatal(n, err)
	}
	if c, _ := as.Chain(first); !c.Revoked {
		t.Error("the provider was not told")
	}
	if r := stored(t, b.store, "grant/a"); r.Refresh != "" || !r.Revoked {
		t.Error("the record still holds it")
	}
	_, err := b.source(t, "a").Refresh(t.Context())
	if err == nil || !strings.Contains(err.Error(), "put a new one") {
		t.Errorf("the supplied one was spent again: %v", err)
	}
	wantAsked(t, as, 1)
}

func TestWithoutAnAnswerTheSameRefreshTokenIsSentOnceMore(t *testing.T) {
	as := authorizationServer(t)
	first := as.Grant("id")
	as.Fail(1, oauthtest.Reset())
	b := start(t, rotating(as, "a", first))
	b.token(t, "a")
	wantAsked(t, as, 2)
	wantAlive(t, as, first)
}

func TestAnAnswerThatIsRefusedStillRotates(t *testing.T) {
	as := authorizationServer(t)
	first := as.Grant("id")
	as.Fail(1, oauthtest.Edit(func(m map[string]any) { m["scope"] = "less" }))
	s := rotating(as, "a", first)
	s.OAuth.Scope = "more"
	b := start(t, s)
	if _, err := b.source(t, "a").Token(t.Context()); err == nil {
		t.Fatal("a token without a wanted scope was taken")
	}
	c, _ := as.Chain(first)
	if r := stored(t, b.store, "grant/a"); r.Refresh != c.Current || r.Lease != nil {
		t.Error("the refresh token of the refused answer was not kept")
	}
	if _, err := b.source(t, "a").Refresh(t.Context()); err != nil {
		t.Error(err)
	}
	wantAlive(t, as, first)
}

func TestAStopWaitsForARefreshTokenOnItsWay(t *testing.T) {
	as := authorizationServer(t)
	first := as.Grant("id")
	arrived, answer := make(chan struct{}), make(chan struct{})
	as.Fail(1, oauthtest.Edit(func(map[string]any) {
		close(arrived)
		<-answer
	}))
	b := start(t, rotating(as, "a", first))
	b.KeepFresh()
	<-arrived
	closed := make(chan struct{})
	go func() {
		b.Close()
		close(closed)
	}()
	for b.spawn(func(context.Context) {}) { // until Close has cancelled what it may
		runtime.Gosched()
	}
	close(answer)
	<-closed
	c, _ := as.Chain(first)
	if stored(t, b.store, "grant/a").Refresh != c.Current || c.Rotations != 1 {
		t.Error("the answer was lost")
	}
}

func TestAFailureGivesTheLeaseBack(t *testing.T) {
	as := authorizationServer(t)
	first := as.Grant("id")
	synctest.Test(t, func(t *testing.T) {
		as.Fail(1, oauthtest.Answer(503, "text/plain", ""))
		b := start(t, rotating(as, "a", first))
		if d := took(func() { b.token(t, "a") }); d < 2*time.Second || d > 4*time.Second {
			t.Errorf("it took %v", d)
		}
		wantAsked(t, as, 2)
		b.Close()
	})
}

func TestAHolderThatSleptDoesNotSend(t *testing.T) {
	w := startStopwatch()
	w.boot -= time.Hour
	if sinceBoot() != 0 && w.elapsed() < time.Hour {
		t.Error("sleep is not measured")
	}
	if w := (stopwatch{start: time.Now().Add(-time.Hour)}); w.elapsed() < time.Hour {
		t.Error("time is not measured")
	}
}

func TestOfTwoHostsThatAskedAtOnceOneTokenIsShared(t *testing.T) {
	as := authorizationServer(t)
	shared := newMemory()
	a, b := host(t, shared, newMemory(), "a", server(as, "a")), host(t, shared, newMemory(), "b", server(as, "a"))
	as.Fail(1, oauthtest.Edit(func(map[string]any) { b.token(t, "a") })) // while a's request is under way
	if got := a.token(t, "a"); !got.Access().Equal(b.token(t, "a").Access()) {
		t.Error("each has its own")
	}
	wantAsked(t, as, 2)
}

func TestARenewalByOneHostReachesTheOthers(t *testing.T) {
	as := authorizationServer(t)
	synctest.Test(t, func(t *testing.T) {
		shared := newMemory()
		a, b := host(t, shared, newMemory(), "a", server(as, "a")), host(t, shared, newMemory(), "b", server(as, "a"))
		a.KeepFresh()
		a.token(t, "a")
		if _, err := b.source(t, "a").Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Minute)
		if !a.token(t, "a").Access().Equal(b.token(t, "a").Access()) {
			t.Error("it does not")
		}
		wantAsked(t, as, 2)
		a.Close()
		b.Close()
	})
}

func TestWhileTheStoreIsAway(t *testing.T) {
	as := authorizationServer(t)
	synctest.Test(t, func(t *testing.T) {
		shared, folder := newMemory(), newMemory()
		s := server(as, "a")
		a := host(t, shared, folder, "a", s)
		token := a.token(t, "a")
		a.Close()
		shared.set(func(m *memory) { m.down = secrets.ErrUnavailable })

		b := host(t, shared, folder, "a", s)
		b.KeepFresh()
		if got := b.token(t, "a"); !got.Access().Equal(token.Access()) {
			t.Error("the copy is not served")
		}
		if st := b.source(t, "a").Status(); st.Store != storeUnavailable || st.State != Authorized {
			t.Errorf("%+v", st)
		}
		shared.set(func(m *memory) { m.down = nil })
		time.Sleep(time.Minute)
		if st := b.source(t, "a").Status(); st.Store != "" {
			t.Errorf("the store is back: %+v", st)
		}
		wantAsked(t, as, 1)

		shared.set(func(m *memory) { m.down = secrets.ErrUnavailable })
		c := host(t, shared, folder, "a", s)
		c.KeepFresh()
		c.token(t, "a")
		shared.set(func(m *memory) { m.down = secrets.ErrDenied })
		time.Sleep(time.Minute)
		if c.source(t, "a").current.Load() != nil {
			t.Error("a copy is served though the store refuses")
		}
		b.Close()
		c.Close()
	})
}

func TestWithoutACopyAServerIsPendingWhileVaultIsAway(t *testing.T) {
	as := authorizationServer(t)
	first := as.Grant("id")
	synctest.Test(t, func(t *testing.T) {
		shared := newMemory()
		shared.set(func(m *memory) { m.down = secrets.ErrUnavailable })
		b := host(t, shared, newMemory(), "a", rotating(as, "a", first))
		b.KeepFresh()
		time.Sleep(time.Hour)
		wantState(t, b.source(t, "a"), Pending)
		wantAsked(t, as, 0)
		shared.set(func(m *memory) { m.down = nil })
		time.Sleep(13 * time.Second)
		wantState(t, b.source(t, "a"), Authorized)
		b.Close()
	})
}

func TestASecretThatWasChangedAfterARefusalIsUsedWithinAMinute(t *testing.T) {
	as := authorizationServer(t)
	value := "wrong"
	synctest.Test(t, func(t *testing.T) {
		s := server(as, "a")
		s.OAuth.ClientSecret = secrets.Ref{Kind: secrets.Stored, Name: "x"}
		b := start(t, s)
		b.set(t, value)
		b.KeepFresh()
		time.Sleep(10 * time.Minute)
		wantState(t, b.source(t, "a"), Failed)
		wantAsked(t, as, 1)
		b.set(t, "s3cret")
		time.Sleep(80 * time.Second)
		wantState(t, b.source(t, "a"), Authorized)
		wantAsked(t, as, 2)
		b.Close()
	})
}

// set keeps the client secret in the store.
func (b *bench) set(t *testing.T, value string) {
	t.Helper()
	_, rev, _ := b.store.Get(t.Context(), secrets.StoreKey("x"))
	if _, err := b.store.Put(t.Context(), secrets.StoreKey("x"), []byte(value), rev); err != nil {
		t.Fatal(err)
	}
}
