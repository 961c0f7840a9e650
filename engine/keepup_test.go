package engine

import (
	"context"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"bearerd/engine/oauth/oauthtest"
)

// A token that ends while a person is asked for more scopes is renewed at the pace of any other.
func TestARenewalBesideAStepUpKeepsItsPace(t *testing.T) {
	for name, c := range map[string]struct {
		fault oauthtest.Fault
		most  int // requests in five minutes
	}{
		"503":                  {oauthtest.Answer(503, "text/plain", ""), 10},
		"busy for two minutes": {oauthtest.TooMany("120"), 3},
		"no":                   {oauthtest.OAuthError(400, "unauthorized_client", ""), 1},
	} {
		t.Run(name, func(t *testing.T) {
			as, rs := protected(t)
			rs.Protect(oauthtest.Protection{Scopes: []string{"read"}})
			as.SetLifetime(10 * time.Minute)
			synctest.Test(t, func(t *testing.T) {
				p := &person{as: as}
				b := start(t, auto(rs))
				b.AskWith(p.signIn)
				tok := b.token(t, "a")
				p.decide(nobody)
				time.Sleep(6 * time.Minute)
				as.FailAt("/token", 100000, c.fault)
				before := asked(as, "/token")
				d := took(func() {
					_, _, _ = b.source(t, "a").Challenged(t.Context(), tok, http.StatusForbidden, lacksScope("write"))
				})
				if n := asked(as, "/token") - before; n < 1 || n > c.most || d < loginLife {
					t.Errorf("%d requests in %v, at most %d are meant", n, d, c.most)
				}
				b.Close()
			})
		})
	}
}

// A process that waits for another's sign-in has the token that the other one renews meanwhile.
func TestWhoWaitsForAnotherProcessTakesWhatItRenews(t *testing.T) {
	as, rs := protected(t)
	rs.Protect(oauthtest.Protection{Scopes: []string{"read"}})
	as.SetLifetime(3 * time.Minute)
	synctest.Test(t, func(t *testing.T) {
		p, store, lock := &person{as: as}, newMemory(), locks()
		var all []*bench
		for range 2 {
			b := startWith(t, store, lock, auto(rs))
			b.AskWith(p.signIn)
			b.token(t, "a")
			all = append(all, b)
		}
		p.decide(nobody)
		for _, b := range all {
			tok := b.token(t, "a")
			go func() {
				_, _, _ = b.source(t, "a").Challenged(t.Context(), tok, http.StatusForbidden, lacksScope("write"))
			}()
			time.Sleep(3 * time.Second)
		}
		time.Sleep(4 * time.Minute)
		for i, b := range all {
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			if _, err := b.source(t, "a").Token(ctx); err != nil {
				t.Errorf("process %d: %v", i, err)
			}
			cancel()
		}
		wantPersonAsked(t, p, 2) // for the first token, and for the scope
		for _, b := range all {
			b.Close()
		}
	})
}

// The place that a command was given is the command's, though a request comes before it has begun.
func TestNoRequestTakesTheSignInBackFromACommand(t *testing.T) {
	_, rs := protected(t)
	synctest.Test(t, func(t *testing.T) {
		p := &person{}
		p.decide(nobody)
		b := start(t, auto(rs))
		b.AskWith(p.signIn)
		s := b.source(t, "a")
		go func() { _, _ = s.Token(t.Context()) }()
		time.Sleep(10 * time.Second)
		s.Yield(t.Context())
		request := func() {
			ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
			defer cancel()
			_, _ = s.Token(ctx)
		}
		request()
		wantPersonAsked(t, p, 1)
		if err := s.EndLogin(t.Context(), ""); err != nil { // the command has ended at once
			t.Fatal(err)
		}
		time.Sleep(2 * reservation)
		request()
		wantPersonAsked(t, p, 2)
		b.Close()
	})
}

// A scope that upstream demands while a person signs in without it is not forgotten.
func TestADemandDuringASignInIsKept(t *testing.T) {
	as, rs := protected(t)
	rs.Protect(oauthtest.Protection{Scopes: []string{"read"}})
	synctest.Test(t, func(t *testing.T) {
		b := start(t, delegated(rs))
		s := b.source(t, "a")
		tok := signIn(t, as, s)
		time.Sleep(time.Minute)
		query := visit(t, as, beginLogin(t, s).URL)
		_, _, err := s.Challenged(t.Context(), tok, http.StatusForbidden, lacksScope("write"))
		wantNeedsPerson(t, err, "write")
		if _, err := s.FinishLogin(t.Context(), query); err != nil {
			t.Fatal(err)
		}
		if r := stored(t, b.store, "grant/a"); r.Wanted != "write" || r.Asked != "read" {
			t.Errorf("it has asked for %q, and wants %q", r.Asked, r.Wanted)
		}
		if scope := param(t, beginLogin(t, s).URL, "scope"); scope != "read write" {
			t.Errorf("the next sign-in asks for %q", scope)
		}
		b.Close()
	})
}

func TestASignInFulfilsOnlyWhatItWasGiven(t *testing.T) {
	_, rs := protected(t)
	s := start(t, delegated(rs)).source(t, "a")
	s.wanted = "write admin"
	s.enter(&Token{Generation: 1, Scope: "read write"})
	if s.wanted != "admin" {
		t.Errorf("wanted is %q", s.wanted)
	}
}
