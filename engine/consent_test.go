package engine

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"bearerd/config"
	"bearerd/engine/oauth/oauthtest"
)

// auto is a server for which a request may open the browser.
func auto(rs *oauthtest.Resource) *config.Server {
	s := delegated(rs)
	s.Login = "auto"
	return s
}

// person is asked by engines; the answer takes a moment.
type person struct {
	as     *oauthtest.Server
	source *Source // for what decide sets

	mu    sync.Mutex
	asked int
	busy  bool // a browser is open
	twice bool // two were at once
	does  func(context.Context) error
	urls  []string
}

func (p *person) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.asked
}

// decide sets what the person does in place of signing in; nil: signs in.
func (p *person) decide(does func(context.Context) error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.does = does
}

func (p *person) signIn(ctx context.Context, s *Source) error {
	p.mu.Lock()
	p.asked++
	p.twice = p.twice || p.busy
	p.busy = true
	does := p.does
	p.mu.Unlock()
	defer func() { p.mu.Lock(); p.busy = false; p.mu.Unlock() }()
	l, err := s.BeginLogin(ctx, defaultRedirect)
	if err != nil {
		return err
	}
	p.mu.Lock()
	p.urls = append(p.urls, l.URL)
	p.mu.Unlock()
	if does != nil {
		return does(ctx)
	}
	if !sleep(ctx, 5*time.Second) {
		return ctx.Err()
	}
	back, err := p.as.Visit(ctx, l.URL)
	if err != nil {
		return err
	}
	_, query, _ := strings.Cut(back, "?")
	_, err = s.FinishLogin(ctx, query)
	return err
}

func wantPersonAsked(t testing.TB, p *person, n int) {
	t.Helper()
	if got := p.count(); got != n || p.twice {
		t.Fatalf("the person was asked %d times, want %d; at once: %v", got, n, p.twice)
	}
}

func TestManyCallersOfManyProcessesAskAPersonOnce(t *testing.T) {
	as, rs := protected(t)
	synctest.Test(t, func(t *testing.T) {
		p, store, lock := &person{as: as}, newMemory(), locks()
		var all []*bench
		for range 3 {
			b := startWith(t, store, lock, auto(rs))
			b.AskWith(p.signIn)
			all = append(all, b)
		}
		tokens := make([]*Token, 60)
		var wg sync.WaitGroup
		for i := range tokens {
			wg.Go(func() { tokens[i] = all[i%3].token(t, "a") })
		}
		wg.Wait()
		wantPersonAsked(t, p, 1)
		for _, tok := range tokens {
			if !tok.Access().Equal(tokens[0].Access()) {
				t.Fatal("they hold several tokens")
			}
		}
		wantRegistrations(t, as, 1)
		for _, b := range all {
			wantState(t, b.source(t, "a"), Authorized)
			b.Close()
		}
	})
}

func TestAPersonIsAskedThreeTimesForOneRequestAtTheMost(t *testing.T) {
	as, rs := protected(t)
	as.FailAt("/token", 1000, oauthtest.OAuthError(401, "invalid_client", ""))
	synctest.Test(t, func(t *testing.T) {
		p := &person{as: as}
		b := start(t, auto(rs))
		b.AskWith(p.signIn)
		_, err := b.source(t, "a").Token(t.Context())
		wantNeedsPerson(t, err, "")
		if n := p.count(); n < 1 || n > maxAsks {
			t.Errorf("the person was asked %d times", n)
		}
		b.Close()
	})
}

func TestALoginThatGivesTooLittleIsAskedForThreeTimes(t *testing.T) {
	as, rs := protected(t)
	as.SetLifetime(time.Second)
	synctest.Test(t, func(t *testing.T) {
		p := &person{as: as}
		p.decide(func(context.Context) error { return nil }) // says that it is done, and there is no token
		b := start(t, auto(rs))
		b.AskWith(p.signIn)
		_, err := b.source(t, "a").Token(t.Context())
		wantNeedsPerson(t, err, "")
		wantPersonAsked(t, p, maxAsks)
		b.Close()
	})
}

func TestNobodyIsAskedForAWhileAfterARefusal(t *testing.T) {
	closed := func(context.Context) error { return errors.New("the browser was closed") }
	for name, does := range map[string]func(context.Context) error{"refused at the server": nil, "no answer": closed} {
		t.Run(name, func(t *testing.T) {
			as, rs := protected(t)
			as.Approve(func(oauthtest.AuthorizeRequest) oauthtest.Decision { return oauthtest.Deny("no") })
			synctest.Test(t, func(t *testing.T) {
				p := &person{as: as}
				b := start(t, auto(rs))
				other := startWith(t, b.store, b.lock, auto(rs))
				b.AskWith(p.signIn)
				other.AskWith(p.signIn)
				s := b.source(t, "a")
				p.decide(does)
				_, err := s.Token(t.Context())
				wantNeedsPerson(t, err, "")
				wantPersonAsked(t, p, 1)
				for range 9 {
					time.Sleep(30 * time.Second)
					for _, e := range []*bench{b, other} {
						_, err := e.source(t, "a").Token(t.Context())
						wantNeedsPerson(t, err, "refused or not finished")
					}
				}
				wantPersonAsked(t, p, 1)
				as.Approve(nil)
				p.decide(nil)
				time.Sleep(time.Minute)
				b.token(t, "a")
				wantPersonAsked(t, p, 2)
				b.Close()
				other.Close()
			})
		})
	}
}

func TestABackgroundRenewalAsksNobody(t *testing.T) {
	as, rs := protected(t)
	synctest.Test(t, func(t *testing.T) {
		p := &person{as: as}
		b := start(t, auto(rs))
		b.AskWith(p.signIn)
		b.KeepFresh()
		time.Sleep(24 * time.Hour)
		wantPersonAsked(t, p, 0)
		wantState(t, b.source(t, "a"), NeedsReauth)
		b.token(t, "a")
		wantPersonAsked(t, p, 1)
		as.Revoke(stored(t, b.store, "grant/a").Refresh)
		time.Sleep(24 * time.Hour)
		wantPersonAsked(t, p, 1)
		_, _ = b.source(t, "a").Refresh(t.Context()) // a command, which has a login of its own
		wantPersonAsked(t, p, 1)
		b.token(t, "a")
		wantPersonAsked(t, p, 2)
		b.Close()
	})
}

func TestNobodyIsAskedUnlessTheServerSaysSo(t *testing.T) {
	as, rs := protected(t)
	synctest.Test(t, func(t *testing.T) {
		p := &person{as: as}
		b := start(t, delegated(rs))
		b.AskWith(p.signIn)
		for range 5 {
			_, err := b.source(t, "a").Token(t.Context())
			wantNeedsPerson(t, err, "nobody has signed in yet")
			_, err = b.source(t, "a").TokenOrNone(t.Context())
			wantNeedsPerson(t, err, "nobody has signed in yet")
			time.Sleep(time.Hour)
		}
		wantPersonAsked(t, p, 0)
		b.Close()
	})
}

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
		wg.Wait()
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
