package engine

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"bearerd/config"
)

func TestNotCovered_SignInLongerThanClientTimeout(t *testing.T) {
	as, rs := protected(t)
	synctest.Test(t, func(t *testing.T) {
		p := &person{as: as}
		p.decide(func(ctx context.Context) error {
			sleep(ctx, 2*time.Minute)
			_, err := p.source.FinishLogin(ctx, visit(t, as, p.urls[0]))
			return err
		})
		b := start(t, auto(rs))
		b.AskWith(p.signIn)
		p.source = b.source(t, "a")
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Second)
		defer cancel()
		var err error
		if d := took(func() { _, err = p.source.Token(ctx) }); d != 50*time.Second {
			t.Errorf("it waited %v", d)
		}
		wantNeedsPerson(t, err, "finish the sign-in in the browser, then send the request again")
		wantState(t, p.source, NeedsReauth)
		if d := took(func() { b.token(t, "a") }); d > 71*time.Second {
			t.Errorf("the next one waited %v", d)
		}
		wantPersonAsked(t, p, 1)
		b.Close()
	})
}

// The same for a sign-in that a command has begun.
func TestRequestsWaitForALoginByCommand(t *testing.T) {
	as, rs := protected(t)
	synctest.Test(t, func(t *testing.T) {
		b := start(t, delegated(rs))
		s := b.source(t, "a")
		l := beginLogin(t, s)
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Second)
		defer cancel()
		_, err := s.Token(ctx)
		wantNeedsPerson(t, err, "")
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() { b.token(t, "a") })
		}
		time.Sleep(time.Minute)
		if _, err := s.FinishLogin(t.Context(), visit(t, as, l.URL)); err != nil {
			t.Error(err)
		}
		if d := took(wg.Wait); d != 0 {
			t.Errorf("they waited %v longer", d)
		}
		b.Close()
	})
}

func TestWaitersAreLetGoWhenALoginEnds(t *testing.T) {
	_, rs := protected(t)
	synctest.Test(t, func(t *testing.T) {
		b := start(t, delegated(rs))
		s := b.source(t, "a")
		beginLogin(t, s)
		var err error
		if d := took(func() { _, err = s.Token(t.Context()) }); d != loginLife {
			t.Errorf("it waited %v", d)
		}
		wantNeedsPerson(t, err, "")
		beginLogin(t, s)
		time.AfterFunc(10*time.Second, func() { _ = s.EndLogin(t.Context(), "") })
		if d := took(func() { _, err = s.Token(t.Context()) }); d != 10*time.Second {
			t.Errorf("it waited %v", d)
		}
		wantNeedsPerson(t, err, "")
		b.Close()
	})
}

func TestATokenOfAnotherProcessEndsTheAsking(t *testing.T) {
	as, rs := protected(t)
	synctest.Test(t, func(t *testing.T) {
		p := &person{as: as}
		ended := make(chan struct{})
		p.decide(func(ctx context.Context) error { <-ctx.Done(); close(ended); return ctx.Err() })
		b := start(t, auto(rs))
		b.AskWith(p.signIn)
		other := startWith(t, b.store, b.lock, delegated(rs)) // `bearerd login` beside it
		time.AfterFunc(20*time.Second, func() {
			if _, err := other.source(t, "a").FinishLogin(t.Context(), visit(t, as, beginLogin(t, other.source(t, "a")).URL)); err != nil {
				t.Error(err)
			}
		})
		if d := took(func() { b.token(t, "a") }); d < 20*time.Second || d > 22*time.Second {
			t.Errorf("it took %v", d)
		}
		<-ended
		wantPersonAsked(t, p, 1)
		b.Close()
		other.Close()
	})
}

func TestAnAskingGoesOnAfterARestart(t *testing.T) {
	as, rs := protected(t)
	synctest.Test(t, func(t *testing.T) {
		p := &person{as: as}
		p.decide(func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() })
		a := start(t, auto(rs))
		a.AskWith(p.signIn)
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		_, err := a.source(t, "a").Token(ctx)
		wantNeedsPerson(t, err, "")
		a.Close()
		p.decide(nil)
		b := startWith(t, a.store, a.lock, auto(rs))
		b.AskWith(p.signIn)
		b.KeepFresh()
		time.Sleep(10 * time.Second)
		wantState(t, b.source(t, "a"), Authorized)
		wantPersonAsked(t, p, 2)
		if p.urls[0] != p.urls[1] {
			t.Error("it is another flow")
		}
		b.Close()
	})
}

func TestTokenOrNone(t *testing.T) {
	as, rs := protected(t)
	synctest.Test(t, func(t *testing.T) {
		p := &person{as: as}
		b := start(t, auto(rs))
		b.AskWith(p.signIn)
		s := b.source(t, "a")
		for range 3 {
			if tok, err := s.TokenOrNone(t.Context()); tok != nil || err != nil {
				t.Fatal(tok, err)
			}
		}
		wantPersonAsked(t, p, 0)
		tok, again, err := s.Challenged(t.Context(), nil, http.StatusUnauthorized, challenge(t, rs, nil))
		if err != nil || !again || tok == nil {
			t.Fatal(tok, again, err)
		}
		wantPersonAsked(t, p, 1)
		if got, err := s.TokenOrNone(t.Context()); got != tok || err != nil {
			t.Error(got, err)
		}
		as.Revoke(stored(t, b.store, "grant/a").Refresh)
		time.Sleep(time.Hour)
		if got, err := s.TokenOrNone(t.Context()); got == nil || err != nil {
			t.Error(got, err)
		}
		wantPersonAsked(t, p, 2)
		revoke(t, b)
		if got, err := s.TokenOrNone(t.Context()); got != nil || err == nil {
			t.Error("a revoked one goes out without a token:", got, err)
		}
		b.Close()
		c := startWith(t, b.store, b.lock, auto(rs))
		c.AskWith(p.signIn)
		if got, err := c.source(t, "a").TokenOrNone(t.Context()); got != nil || err == nil {
			t.Error("after a restart a revoked one goes out without a token:", got, err)
		}
		c.Close()
	})
}

// Where nothing is to be discovered, no request goes out without a token.
func TestTokenOrNoneOfAConfiguredServer(t *testing.T) {
	as, rs := protected(t)
	synctest.Test(t, func(t *testing.T) {
		p := &person{as: as}
		server := configured(as, rs)
		server.Login = "auto"
		server.OAuth.AuthorizationURL, server.OAuth.TokenURL = as.AuthorizationURL(), as.TokenURL()
		b := start(t, server)
		b.AskWith(p.signIn)
		if tok, err := b.source(t, "a").TokenOrNone(t.Context()); tok == nil || err != nil {
			t.Error(tok, err)
		}
		wantPersonAsked(t, p, 1)
		b.Close()
	})
}

func TestAnAskingEndsWithItsEngine(t *testing.T) {
	as, rs := protected(t)
	synctest.Test(t, func(t *testing.T) {
		p := &person{as: as}
		p.decide(func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() })
		b := start(t, auto(rs))
		b.AskWith(p.signIn)
		var wg sync.WaitGroup
		wg.Go(func() {
			if _, err := b.source(t, "a").Token(t.Context()); err == nil {
				t.Error("there is a token")
			}
		})
		time.Sleep(time.Minute)
		if d := took(b.Close); d > time.Second {
			t.Errorf("the stop took %v", d)
		}
		wg.Wait()
	})
}

func TestAnAskingEndsWithItsServer(t *testing.T) {
	as, rs := protected(t)
	synctest.Test(t, func(t *testing.T) {
		p := &person{as: as}
		p.decide(func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() })
		b := start(t, auto(rs))
		b.AskWith(p.signIn)
		s := b.source(t, "a")
		var wg sync.WaitGroup
		wg.Go(func() {
			if _, err := s.Token(t.Context()); !errors.Is(err, ErrGone) {
				t.Error(err)
			}
		})
		time.Sleep(time.Minute)
		b.Prepare(&config.Config{}).Commit()
		wg.Wait()
		time.Sleep(time.Minute)
		p.mu.Lock()
		if p.busy {
			t.Error("the person is asked still")
		}
		p.mu.Unlock()
		b.Close()
	})
}
