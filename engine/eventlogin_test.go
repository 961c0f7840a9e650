package engine

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"bearerd/engine/oauth/oauthtest"
)

func TestEventsOfASignIn(t *testing.T) {
	as, rs := protected(t)
	synctest.Test(t, func(t *testing.T) {
		b := start(t, delegated(rs))
		d, s := observed(b), b.source(t, "a")
		if _, err := s.Token(t.Context()); err == nil {
			t.Error("a token that nobody has approved")
		}
		d.wantChange(t) // needs_reauth: nobody was asked
		l := beginLogin(t, s)
		d.want(t, "sign_in_begun")
		if at, until, ok := s.SigningIn(t.Context()); !ok || at != defaultRedirect || !until.Equal(l.Expires) {
			t.Errorf("signing in at %q until %v, %v", at, until, ok)
		}
		if again := beginLogin(t, s); !again.Resumed {
			t.Error("it does not go on")
		}
		d.wantNothing(t)
		tok, err := s.FinishLogin(t.Context(), visit(t, as, l.URL))
		if err != nil {
			t.Fatal(err)
		}
		got, last, changes := d.take()
		if got != "signed_in" || changes != 0 {
			t.Errorf("events %q and %d changes", got, changes)
		}
		wantAbout(t, last, tok)
		if _, _, ok := s.SigningIn(t.Context()); ok {
			t.Error("signing in still")
		}
		b.renew(t, "a")
		synctest.Wait()
		d.want(t, "refreshed")

		as.Approve(func(oauthtest.AuthorizeRequest) oauthtest.Decision { return oauthtest.Deny("canary") })
		if _, err := s.FinishLogin(t.Context(), visit(t, as, beginLogin(t, s).URL)); err == nil {
			t.Error("no error")
		}
		if e := d.want(t, "sign_in_begun sign_in_failed"); e.Reason != "the sign-in was refused" {
			t.Errorf("reason %q", e.Reason)
		}
		beginLogin(t, s)
		time.Sleep(2 * loginLife)
		if e := d.want(t, "sign_in_begun sign_in_failed"); e.Reason != "nobody finished it in time" {
			t.Errorf("reason %q", e.Reason)
		}
		if _, _, ok := s.SigningIn(t.Context()); ok {
			t.Error("a sign-in that has expired goes on")
		}
		beginLogin(t, s)
		if _, err := s.BeginLogin(t.Context(), "http://127.0.0.1:7412/api/oauth/callback", false); err != nil { // takes its place
			t.Fatal(err)
		}
		d.want(t, "sign_in_begun sign_in_begun")
		if _, _, err := s.Logout(t.Context(), false); err != nil {
			t.Fatal(err)
		}
		d.want(t, "revoked sign_in_failed")
		b.Close()
	})
}

func TestEventsOfADevice(t *testing.T) {
	as, rs := protected(t)
	synctest.Test(t, func(t *testing.T) {
		b := start(t, delegated(rs))
		d, s := observed(b), b.source(t, "a")
		for _, test := range []struct {
			decide func(code string) bool
			want   string
		}{
			{as.ApproveDevice, "sign_in_begun signed_in"},
			{as.DenyDevice, "sign_in_begun sign_in_failed"},
			{func(string) bool { return true }, "sign_in_begun sign_in_failed"}, // nobody does anything
		} {
			l, err := s.BeginDevice(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if !test.decide(l.UserCode) {
				t.Fatal("no such code")
			}
			_, err = s.FinishDevice(t.Context())
			if e := d.want(t, test.want); (err != nil) != (e.Reason != "") {
				t.Errorf("reason %q of %v", e.Reason, err)
			}
		}
		first, err := s.BeginDevice(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		wg.Go(func() { _, _ = s.FinishDevice(t.Context()) })
		synctest.Wait()
		beginLogin(t, s) // takes its place
		wg.Wait()
		if _, _, ok := s.SigningIn(t.Context()); !ok || first == nil {
			t.Error("the end of the first sign-in has ended the second")
		}
		d.want(t, "sign_in_begun sign_in_begun")
		b.Close()
	})
}

// A sign-in over the web arrives at an address of its own, and registers a client for it.
func TestALoginAtAnAddressThatIsNotLoopback(t *testing.T) {
	as, rs := protected(t)
	const callback = "https://bearerd.example.com/api/oauth/callback"
	b := start(t, delegated(rs))
	s := b.source(t, "a")
	l, err := s.BeginLogin(t.Context(), callback, false)
	if err != nil {
		t.Fatal(err)
	}
	if at, err := s.Redirect(t.Context()); err != nil || !at.Pending || at.URI != callback {
		t.Errorf("%+v, %v", at, err)
	}
	if _, err := s.FinishLogin(t.Context(), visit(t, as, l.URL)); err != nil {
		t.Fatal(err)
	}
	if at, err := s.Redirect(t.Context()); err != nil || at.Pending || at.URI != callback {
		t.Errorf("%+v, %v", at, err)
	}
	b.renew(t, "a")
}

// A person who is asked by a request begins one sign-in; what ends it is one event too.
func TestEventsOfASignInByARequest(t *testing.T) {
	as, rs := protected(t)
	synctest.Test(t, func(t *testing.T) {
		p := &person{as: as}
		b := start(t, auto(rs))
		b.AskWith(p.signIn)
		d := observed(b)
		b.token(t, "a")
		d.want(t, "sign_in_begun signed_in")
		if _, err := b.source(t, "a").Revoke(t.Context()); err != nil {
			t.Fatal(err)
		}
		d.want(t, "revoked")
		b.Close()

		refuses := start(t, auto(rs))
		p = &person{as: as}
		p.decide(func(context.Context) error { return ErrNoBrowser })
		refuses.AskWith(p.signIn)
		d = observed(refuses)
		if _, err := refuses.source(t, "a").Token(t.Context()); err == nil {
			t.Error("no error")
		}
		if e := d.want(t, "sign_in_begun sign_in_failed"); e.Reason != "it was not finished" {
			t.Errorf("reason %q", e.Reason)
		}
		refuses.Close()
	})
}

// Somebody else's sign-in ends the wait for ours: it has not failed.
func TestEventsOfASignInByAnotherProcess(t *testing.T) {
	as, rs := protected(t)
	synctest.Test(t, func(t *testing.T) {
		p := &person{as: as}
		p.decide(func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() })
		waits := start(t, auto(rs))
		waits.AskWith(p.signIn)
		d := observed(waits)
		var wg sync.WaitGroup
		wg.Go(func() { waits.token(t, "a") })
		synctest.Wait()
		other := startWith(t, waits.store, waits.lock, delegated(rs))
		signIn(t, as, other.source(t, "a"))
		wg.Wait()
		time.Sleep(2 * loginLife)
		d.want(t, "sign_in_begun")
		if st := waits.source(t, "a").Status(); st.SigningIn || st.State != Authorized {
			t.Errorf("status %+v", st)
		}
		other.Close()
		waits.Close()
	})
}
