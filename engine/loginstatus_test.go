package engine

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"bearerd/engine/oauth/oauthtest"
)

func TestStatusOfAnAccessTokenThatHasEnded(t *testing.T) {
	as, rs := protected(t)
	synctest.Test(t, func(t *testing.T) {
		b := start(t, delegated(rs))
		s := b.source(t, "a")
		as.Fail(1, oauthtest.Edit(func(answer map[string]any) { delete(answer, "refresh_token") }))
		signIn(t, as, s)
		b.KeepFresh()
		time.Sleep(58 * time.Minute) // its renewal was due, and failed
		if st := s.Status(); st.State != Authorized || st.Status != "expiring" {
			t.Errorf("before its end the status is %+v", st)
		}
		time.Sleep(2 * time.Minute)
		if st := s.Status(); st.State != NeedsReauth || !st.IsExpired || st.Remedy != "run `bearerd login a`" {
			t.Errorf("the status is %+v", st)
		}
		b.Close()
	})
}

// Without a daemon nothing has looked yet: status says what is to be done all the same.
func TestStatusBeforeAnybodyHasSignedIn(t *testing.T) {
	as, rs := protected(t)
	unasked := start(t, delegated(rs), server(as, "b"))
	if st := unasked.source(t, "a").Status(); st.State != NeedsReauth || st.Remedy != "run `bearerd login a`" || st.SigningIn {
		t.Errorf("the status is %+v", st)
	}
	if st := unasked.source(t, "b").Status(); st.State != Pending || st.Error != "" {
		t.Errorf("of an unattended grant it is %+v", st)
	}
}

func TestStatusWhileAPersonIsAsked(t *testing.T) {
	_, rs := protected(t)
	synctest.Test(t, func(t *testing.T) {
		byCommand := start(t, delegated(rs)).source(t, "a")
		beginLogin(t, byCommand)
		if !byCommand.Status().SigningIn {
			t.Error("nobody is signing in by a command")
		}
		if err := byCommand.EndLogin(t.Context(), ""); err != nil || byCommand.Status().SigningIn {
			t.Error("it goes on:", err)
		}
		b := start(t, auto(rs))
		b.AskWith(func(ctx context.Context, _ *Source) error { return nobody(ctx) })
		s := b.source(t, "a")
		var wg sync.WaitGroup
		wg.Go(func() { _, _ = s.Token(t.Context()) })
		time.Sleep(10 * time.Second)
		if st := s.Status(); !st.SigningIn || st.State != NeedsReauth {
			t.Errorf("the status is %+v", st)
		}
		wg.Wait()
		if s.Status().SigningIn {
			t.Error("nobody has signed in, and it goes on")
		}
		b.Close()
	})
}

// A person signs in between the look of a flight at the tombstone and its end.
func TestAFlightThatSawATombstoneLeavesANewerSignInAlone(t *testing.T) {
	as, rs := protected(t)
	b := start(t, delegated(rs))
	s := b.source(t, "a")
	signIn(t, as, s)
	revoke(t, b)
	query := visit(t, as, beginLogin(t, s).URL)
	s.loginEnded("") // else the request would wait for it
	var looked atomic.Bool
	var tok *Token
	lock := b.local.Lock
	b.local.Lock = func(ctx context.Context, name string) (func(), error) {
		unlock, err := lock(ctx, name)
		return func() {
			unlock()
			if looked.CompareAndSwap(false, true) {
				if tok, err = s.FinishLogin(context.Background(), query); err != nil {
					t.Error(err)
				}
			}
		}, err
	}
	if got, err := s.Token(t.Context()); err != nil || tok == nil || got != tok || s.current.Load() != tok {
		t.Fatalf("the token of the sign-in is not in service: %v", err)
	}
	if st := s.Status(); st.State != Authorized || st.Error != "" {
		t.Errorf("the status is %+v", st)
	}
}

// A dropped token whose refresh token is kept needs nobody.
func TestStatusAfterAnInvalidation(t *testing.T) {
	as, rs := protected(t)
	s := start(t, delegated(rs)).source(t, "a")
	signIn(t, as, s)
	if err := s.Invalidate(t.Context()); err != nil {
		t.Fatal(err)
	}
	if st := s.Status(); st.State != Pending || st.Error != "" || st.Remedy != "" {
		t.Errorf("after the invalidation: %+v", st)
	}
	if _, err := s.Token(t.Context()); err != nil {
		t.Error(err)
	}
	if _, err := s.Revoke(t.Context()); err != nil {
		t.Fatal(err)
	}
	if st := s.Status(); st.State != Revoked || st.Remedy != "run `bearerd login a`" {
		t.Errorf("after the revocation: %+v", st)
	}
}
