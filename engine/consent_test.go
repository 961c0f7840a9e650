package engine

import (
	"context"
	"errors"
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
	l, err := s.BeginLogin(ctx, defaultRedirect, false)
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

// Where no lock can be had, nobody is asked, and the waiting is no storm.
func TestWithoutALockNobodyIsAsked(t *testing.T) {
	_, rs := protected(t)
	synctest.Test(t, func(t *testing.T) {
		p := &person{}
		looks := 0
		lock := locks()
		b := startWith(t, newMemory(), func(ctx context.Context, name string) (func(), error) {
			if name == loginLock {
				looks++
				return nil, errors.New("the state folder is not writable")
			}
			return lock(ctx, name)
		}, auto(rs))
		b.AskWith(p.signIn)
		_, err := b.source(t, "a").Token(t.Context())
		wantNeedsPerson(t, err, "")
		wantPersonAsked(t, p, 0)
		if looks < 2 || looks > 3000 {
			t.Errorf("the lock was tried %d times", looks)
		}
		b.Close()
	})
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
