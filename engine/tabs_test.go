package engine

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"bearerd/config"
	"bearerd/engine/oauth/oauthtest"
	"bearerd/secrets"
)

// tabs counts the browsers that a person was shown.
type tabs struct {
	person
	opened []time.Time
}

func (p *tabs) ask(ctx context.Context, s *Source) error {
	if l, err := s.BeginLogin(ctx, defaultRedirect, false); err == nil && !l.Resumed {
		p.opened = append(p.opened, time.Now())
	}
	return p.signIn(ctx, s)
}

// nobody is there: the browser stays as it is.
func nobody(ctx context.Context) error {
	if !sleep(ctx, loginLife) {
		return ctx.Err()
	}
	return errors.New("nobody signed in")
}

// A server to which no sign-in brings anything opens three browsers in ten minutes at the most.
func TestSignInsThatBringNothingOpenFewBrowsers(t *testing.T) {
	noRefresh := func(answer map[string]any) { delete(answer, "refresh_token") }
	for name, c := range map[string]struct {
		answer  func(map[string]any)
		refused bool // each token, by upstream
		client  bool // its secret is wrong
	}{
		"every token is refused": {answer: noRefresh, refused: true},
		"tokens of a second":     {answer: func(answer map[string]any) { noRefresh(answer); answer["expires_in"] = 1 }},
		"a wrong secret":         {answer: func(map[string]any) {}, client: true},
	} {
		t.Run(name, func(t *testing.T) {
			as, rs := protected(t)
			as.Fail(100000, oauthtest.Edit(c.answer))
			server := auto(rs)
			if c.client {
				server = configured(as, rs)
				server.Login, server.OAuth.ClientSecret = "auto", secrets.LiteralRef("wrong")
			}
			synctest.Test(t, func(t *testing.T) {
				p := &tabs{person: person{as: as}}
				b := start(t, server)
				b.AskWith(p.ask)
				for begun := time.Now(); time.Since(begun) < time.Hour; time.Sleep(6 * time.Second) {
					tok, err := b.source(t, "a").Token(t.Context())
					if err == nil && c.refused {
						_, _, _ = b.source(t, "a").Challenged(t.Context(), tok, http.StatusUnauthorized, bearer(""))
					}
				}
				b.Close()
				for i := maxAsks; i < len(p.opened); i++ {
					if d := p.opened[i].Sub(p.opened[i-maxAsks]); d < openPause {
						t.Errorf("browser %d came %v after the one three before", i, d)
					}
				}
				if len(p.opened) < 5 {
					t.Errorf("%d browsers were opened in all", len(p.opened))
				}
			})
		})
	}
}

func TestAPauseFromAClockThatRanAheadIsNone(t *testing.T) {
	for ahead, want := range map[time.Duration]int{48 * time.Hour: 1, refusalPause: 0} {
		t.Run(fmt.Sprint(ahead), func(t *testing.T) {
			as, rs := protected(t)
			synctest.Test(t, func(t *testing.T) {
				p := &person{as: as}
				b := start(t, auto(rs))
				b.AskWith(p.signIn)
				s := b.source(t, "a")
				if err := s.keepPending(t.Context(), &pending{Fingerprint: s.fingerprint, NotBefore: time.Now().Add(ahead)}, ""); err != nil {
					t.Fatal(err)
				}
				_, _ = s.Token(t.Context())
				wantPersonAsked(t, p, want)
				b.Close()
			})
		})
	}
}

// Requests that need no other scope go on while a person is asked for one.
func TestAStepUpDoesNotHoldUpRenewals(t *testing.T) {
	as, rs := protected(t)
	rs.Protect(oauthtest.Protection{Scopes: []string{"read"}})
	as.SetLifetime(5 * time.Minute)
	synctest.Test(t, func(t *testing.T) {
		p := &person{as: as}
		b := start(t, auto(rs))
		b.AskWith(p.signIn)
		s := b.source(t, "a")
		b.token(t, "a")
		p.decide(nobody)
		time.Sleep(3 * time.Minute)
		tok := b.token(t, "a")
		done := make(chan error, 1)
		go func() {
			_, _, err := s.Challenged(t.Context(), tok, http.StatusForbidden, lacksScope("write"))
			done <- err
		}()
		for range 48 {
			time.Sleep(5 * time.Second)
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
			if _, err := s.Token(ctx); err != nil {
				t.Errorf("the token ends in %v: %v", time.Until(tok.Expires), err)
			}
			cancel()
		}
		select {
		case err := <-done:
			t.Error("nobody is asked any more:", err)
		default:
		}
		b.Close()
		<-done
	})
}

func TestALogoutEndsTheAsking(t *testing.T) {
	as, rs := protected(t)
	synctest.Test(t, func(t *testing.T) {
		p := &person{as: as}
		p.decide(nobody)
		b := start(t, auto(rs))
		b.AskWith(p.signIn)
		s := b.source(t, "a")
		done := make(chan error, 1)
		go func() {
			_, err := s.Token(t.Context())
			done <- err
		}()
		time.Sleep(10 * time.Second)
		logout(t, b)
		if d := took(func() { <-done }); d > 2*time.Second {
			t.Errorf("the request waited %v longer", d)
		}
		for range 20 {
			_, err := s.Token(t.Context())
			if e := new(Error); !errors.As(err, &e) || e.State != Revoked {
				t.Fatalf("the error is: %v", err)
			}
			time.Sleep(30 * time.Second)
		}
		wantPersonAsked(t, p, 1)
		wantState(t, s, Revoked)
		b.Close()
	})
}

// What is wrong on this host is no refusal by a person: once it is mended, the next request asks.
func TestALocalErrorIsNoRefusal(t *testing.T) {
	as, rs := protected(t)
	synctest.Test(t, func(t *testing.T) {
		p := &person{as: as}
		b := start(t, auto(rs))
		b.AskWith(p.signIn)
		reserve := b.local.Reserve
		b.local.Reserve = func(context.Context, string) (func(context.Context, []byte) error, func(), error) {
			return nil, nil, errors.New("no space left on device")
		}
		_, err := b.source(t, "a").Token(t.Context())
		if e := new(Error); !errors.As(err, &e) || !strings.Contains(e.Remedy, "give it space") {
			t.Errorf("the error is: %v", err)
		}
		wantPersonAsked(t, p, 1)
		b.local.Reserve = reserve
		time.Sleep(time.Minute)
		b.token(t, "a")
		wantPersonAsked(t, p, 2)
		b.Close()
	})
}

func TestWhatAnAskEndsWith(t *testing.T) {
	for name, c := range map[string]struct {
		err  error
		says string
		next int // how often the person was asked after the next request
	}{
		"expired":    {ErrExpired, ErrExpired.Error(), 2},
		"no browser": {fmt.Errorf("xdg-open: %w", ErrNoBrowser), ErrNoBrowser.Error(), 1},
		"no answer":  {errors.New("closed"), "nobody has signed in in time", 1},
	} {
		t.Run(name, func(t *testing.T) {
			_, rs := protected(t)
			synctest.Test(t, func(t *testing.T) {
				p := &person{}
				p.decide(func(context.Context) error { return c.err })
				b := start(t, auto(rs))
				b.AskWith(p.signIn)
				_, err := b.source(t, "a").Token(t.Context())
				wantNeedsPerson(t, err, c.says)
				time.Sleep(10 * time.Second)
				_, err = b.source(t, "a").Token(t.Context())
				wantNeedsPerson(t, err, "")
				wantPersonAsked(t, p, c.next)
				b.Close()
			})
		})
	}
}

// One that waits for its turn behind another server's browser, and is edited meanwhile, gives up.
func TestARetiredSourceAsksNobody(t *testing.T) {
	_, rs := protected(t)
	synctest.Test(t, func(t *testing.T) {
		busy, edited := auto(rs), auto(rs)
		edited.Name = "b"
		b := start(t, busy, edited)
		var asked []string
		b.AskWith(func(ctx context.Context, s *Source) error {
			asked = append(asked, s.name)
			return nobody(ctx)
		})
		go func() { _, _ = b.source(t, "a").Token(t.Context()) }()
		time.Sleep(time.Second)
		old := b.source(t, "b")
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, _ = old.Token(ctx)
		next := auto(rs)
		next.Name, next.OAuth.Scope = "b", "read"
		b.Prepare(&config.Config{Servers: []*config.Server{busy, next}}).Commit()
		time.Sleep(5 * time.Second)
		old.mu.Lock()
		if old.flight != nil {
			t.Error("its flight goes on")
		}
		old.mu.Unlock()
		time.Sleep(2 * loginLife)
		b.Close()
		if len(asked) != 1 || asked[0] != "a" {
			t.Errorf("asked was for %v", asked)
		}
	})
}
