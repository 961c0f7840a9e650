package engine

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"bearerd/config"
	"bearerd/engine/oauth/oauthtest"
	"bearerd/secrets"
)

func TestAJournalOutlivesTheRemovalOfItsServer(t *testing.T) {
	as := authorizationServer(t)
	first := as.Grant("id")
	synctest.Test(t, func(t *testing.T) {
		shared, folder := newMemory(), newMemory()
		h, _ := awayAfter(shared, as, first, 2)
		b := hostOn(t, h, folder, "b", rotating(as, "a", first))
		b.token(t, "a")
		b.renew(t, "a")
		b.Prepare(&config.Config{}).Commit()
		synctest.Wait()
		if r := stored(t, folder, "copy/a"); !r.Pending || r.Refresh == "" {
			t.Error("the only place of the live refresh token was removed")
		}
		b.Close()
		next := host(t, shared, folder, "b", rotating(as, "a", first))
		next.renew(t, "a")
		if c, _ := as.Chain(first); stored(t, shared, "grant/a").Refresh != c.Current {
			t.Error("the server has come back, and its journal was not committed")
		}
		wantAlive(t, as, first)
		next.Close()
	})
}

func TestRevokeInAnOutageRevokesWhatIsInTheJournal(t *testing.T) {
	as := authorizationServer(t)
	first := as.Grant("id")
	shared := newMemory()
	h, away := awayAfter(shared, as, first, 2)
	b := hostOn(t, h, newMemory(), "b", rotating(as, "a", first))
	b.token(t, "a")
	s := b.source(t, "a")
	b.renew(t, "a")
	if _, err := s.Revoke(t.Context()); err == nil {
		t.Error("nobody is told that the store has no tombstone")
	}
	c, _ := as.Chain(first)
	if !c.Revoked {
		t.Error("the provider was not told of the live refresh token")
	}
	away.Store(false)
	_, _ = s.recall(t.Context()) // the next round of commitLater
	if r := stored(t, shared, "grant/a"); r.Refresh == c.Current {
		t.Error("the grant went back into the store")
	}
}

func TestRevokeDuringARotationByAnotherHost(t *testing.T) {
	as := authorizationServer(t)
	first := as.Grant("id")
	shared := newMemory()
	a := host(t, shared, newMemory(), "a", rotating(as, "a", first))
	b := host(t, shared, newMemory(), "b", rotating(as, "a", first))
	a.token(t, "a")
	as.Fail(1, oauthtest.Edit(func(map[string]any) { _, _ = b.source(t, "a").Revoke(t.Context()) }))
	if _, err := a.source(t, "a").Refresh(t.Context()); err == nil {
		t.Error("a revoked grant was renewed")
	}
	if c, _ := as.Chain(first); !c.Revoked {
		t.Error("the chain lives on")
	}
	if r := stored(t, shared, "grant/a"); !r.Revoked || r.Refresh != "" || r.AccessToken != "" {
		t.Error("the tombstone is gone")
	}
}

func TestInvalidateDuringARotationLeavesNoLease(t *testing.T) {
	as := authorizationServer(t)
	first := as.Grant("id")
	shared := newMemory()
	a := host(t, shared, newMemory(), "a", rotating(as, "a", first))
	b := host(t, shared, newMemory(), "b", rotating(as, "a", first))
	a.renew(t, "a") // which waits for the commit
	s := a.source(t, "a")
	g, err := s.recall(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := s.claim(t.Context(), g); err != nil {
		t.Fatal(err)
	}
	if err := b.source(t, "a").Invalidate(t.Context()); err != nil {
		t.Fatal(err)
	}
	if stored(t, shared, "grant/a").Lease == nil {
		t.Error("the lease is lost while its holder may spend the refresh token")
	}
	failed := errors.New("no answer")
	if err := s.giveBack(t.Context(), &flight{fallback: make(chan struct{})}, g, failed); !errors.Is(err, failed) {
		t.Error(err)
	}
	if l := stored(t, shared, "grant/a").Lease; l != nil {
		t.Errorf("the lease of %s outlives its rotation", l.Owner)
	}
}

// Neither the journal nor the store took the answer of a process that lives: the lock that it keeps says so.
func TestAnOwnerWithoutAJournalIsNotTakenForDead(t *testing.T) {
	as := authorizationServer(t)
	first := as.Grant("id")
	synctest.Test(t, func(t *testing.T) {
		shared, folder, lock := newMemory(), newMemory(), locks()
		h, away := awayAfter(shared, as, first, 2)
		a := hostOn(t, h, folder, "here", rotating(as, "a", first))
		a.local.Lock = lock
		a.token(t, "a")
		a.local.Reserve = func(context.Context, string) (func(context.Context, []byte) error, func(), error) {
			return func(context.Context, []byte) error { return errors.New("the disk is full") }, func() {}, nil
		}
		a.renew(t, "a")
		synctest.Wait()
		away.Store(false)
		b := host(t, shared, folder, "here", rotating(as, "a", first))
		b.local.Lock = lock
		if d := took(func() { b.renew(t, "a") }); d > 6*time.Second {
			t.Errorf("it took %v, though the owner commits within 2 s", d)
		}
		b.renew(t, "a")
		wantAlive(t, as, first)
		wantAsked(t, as, 3)
		a.Close()
		b.Close()
	})
}

// hanging is m, which answers nobody while on says so, and then with an outage.
func hanging(m *memory, patience time.Duration, on func() bool) *hooked {
	return &hooked{m, func(ctx context.Context, _, _ string) error {
		if !on() {
			return nil
		}
		sleep(ctx, patience)
		return secrets.ErrUnavailable
	}}
}

func TestAStopDoesNotWaitForAStoreThatHangs(t *testing.T) {
	as := authorizationServer(t)
	first := as.Grant("id")
	synctest.Test(t, func(t *testing.T) {
		folder := newMemory()
		shared := hanging(newMemory(), time.Hour, func() bool { c, _ := as.Chain(first); return c.Rotations > 0 })
		b := hostOn(t, shared, folder, "b", rotating(as, "a", first))
		b.token(t, "a")
		if d := took(b.Close); d > 4*time.Second {
			t.Errorf("the stop took %v", d)
		}
		if c, _ := as.Chain(first); stored(t, folder, "copy/a").Refresh != c.Current {
			t.Error("the journal does not hold the answer")
		}
	})
}

func TestACopyIsServedSoonWhileTheStoreHangs(t *testing.T) {
	as := authorizationServer(t)
	synctest.Test(t, func(t *testing.T) {
		shared, folder := newMemory(), newMemory()
		a := host(t, shared, folder, "a", server(as, "a"))
		token := a.token(t, "a")
		a.Close()
		b := hostOn(t, hanging(shared, time.Minute, func() bool { return true }), folder, "a", server(as, "a"))
		if d := took(func() { _ = b.token(t, "a") }); d > 4*time.Second {
			t.Errorf("it took %v", d)
		}
		if !b.token(t, "a").Access().Equal(token.Access()) {
			t.Error("it has another token")
		}
		wantAsked(t, as, 1)
		b.Close()
	})
}

// Who was refused must not be able to cut the line to be served again.
func TestARefusalEndsTheCopiesForGood(t *testing.T) {
	as := authorizationServer(t)
	synctest.Test(t, func(t *testing.T) {
		shared, folder := newMemory(), newMemory()
		a := host(t, shared, folder, "a", server(as, "a"))
		a.token(t, "a")
		a.Close()
		as.Fail(100, oauthtest.Answer(503, "text/plain", ""))
		for _, err := range []error{secrets.ErrDenied, secrets.ErrUnavailable} {
			shared.set(func(m *memory) { m.down = err })
			b := host(t, shared, folder, "a", server(as, "a"))
			if _, got := b.source(t, "a").Token(t.Context()); got == nil {
				t.Errorf("%v: a copy is served", err)
			}
			b.Close()
		}
	})
}
