package engine

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"bearerd/engine/oauth"
	"bearerd/engine/oauth/oauthtest"
)

// outage makes an authorization server answer 503 while the result is true.
func outage(as *oauthtest.Server) *atomic.Bool {
	var away atomic.Bool
	down := oauthtest.Answer(http.StatusServiceUnavailable, "text/plain", "")
	as.Fail(10_000, func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if away.Load() {
			down(w, r, next)
			return
		}
		next.ServeHTTP(w, r)
	})
	return &away
}

// relayed is the challenge of a 401 that may be somebody else's.
var relayed = http.Header{}

// wantRefusedFor tells s of a 401 that nothing newer can be had for.
func wantRefusedFor(t *testing.T, s *Source, tok *Token, h http.Header, again bool) {
	t.Helper()
	next, may, err := s.Challenged(t.Context(), tok, http.StatusUnauthorized, h)
	if err == nil || may != again {
		t.Errorf("next %v, again %v, %v", next, may, err)
	}
}

// A 401 that may be relayed does not make an outage of the authorization server one of the MCP server: docs/delivery.md,
// "When upstream refuses a token".
func TestAQuestionedTokenServesThroughAnOutage(t *testing.T) {
	for name, expires := range map[string]time.Duration{"10 h": 10 * time.Hour, "no end": 0} {
		t.Run(name, func(t *testing.T) {
			as := authorizationServer(t)
			as.SetLifetime(expires)
			away := outage(as)
			synctest.Test(t, func(t *testing.T) {
				b := start(t, server(as, "a"))
				b.KeepFresh()
				s, tok := b.source(t, "a"), b.token(t, "a")
				tok.Taken()
				away.Store(true)
				wantRefusedFor(t, s, tok, relayed, false)
				n := asked(as, "/token")
				for range 60 {
					begun := time.Now()
					if got, err := s.Token(t.Context()); err != nil || got != tok || time.Since(begun) > 0 {
						t.Fatalf("%v after %v: %v", got, time.Since(begun), err)
					}
					time.Sleep(10 * time.Second)
				}
				if got := asked(as, "/token") - n; got < 2 || got > 10 {
					t.Errorf("%d token requests in 10 minutes of an outage", got)
				}
				if st := s.Status(); st.State != Authorized || st.Error == "" || st.NextTry == nil || isClosed(tok.superseded) {
					t.Errorf("%s, %q, superseded %v", st.State, st.Error, isClosed(tok.superseded))
				}
				away.Store(false)
				time.Sleep(longestPause + longestPause/4) // nobody has to ask
				synctest.Wait()
				if !isClosed(tok.superseded) || tok.Dropped() {
					t.Errorf("the outage is over: superseded %v, dropped %v", isClosed(tok.superseded), tok.Dropped())
				}
				if st := s.Status(); st.State != Authorized || st.Error != "" {
					t.Errorf("%s, %q", st.State, st.Error)
				}
				b.Close()
			})
		})
	}
}

// While a newer one is on its way, nobody is given the questioned one; many refusals are one renewal.
func TestManyQuestionsOfOneTokenAreOneRenewal(t *testing.T) {
	as := authorizationServer(t)
	as.SetLifetime(time.Hour)
	away := outage(as)
	synctest.Test(t, func(t *testing.T) {
		b := start(t, server(as, "a"))
		s, tok := b.source(t, "a"), b.token(t, "a")
		var wg sync.WaitGroup
		for range 100 {
			wg.Go(func() {
				if next, again, err := s.Challenged(t.Context(), tok, 401, relayed); err != nil || again || next == tok {
					t.Errorf("again %v, the same %v, %v", again, next == tok, err)
				}
				if got := b.token(t, "a"); got == tok {
					t.Error("the old one is given to who asks after a refusal")
				}
			})
		}
		wg.Wait()
		wantAsked(t, as, 2)
		time.Sleep(challengePause)
		tok = b.token(t, "a")
		away.Store(true)
		for range 100 {
			wg.Go(func() { wantRefusedFor(t, s, tok, relayed, false) })
		}
		wg.Wait()
		wantAsked(t, as, 2+maxTries)
		if got := b.token(t, "a"); got != tok {
			t.Error("it does not serve through the outage")
		}
		b.Close()
	})
}

// A Bearer challenge says that the token was the reason: nobody is given it any more, and who holds it learns of that.
func TestASurelyRefusedTokenIsNotServed(t *testing.T) {
	for name, before := range map[string]http.Header{"at once": nil, "questioned before": relayed} {
		t.Run(name, func(t *testing.T) {
			as := authorizationServer(t)
			as.SetLifetime(10 * time.Hour)
			away := outage(as)
			synctest.Test(t, func(t *testing.T) {
				b := start(t, server(as, "a"))
				s, tok := b.source(t, "a"), b.token(t, "a")
				away.Store(true)
				if before != nil {
					wantRefusedFor(t, s, tok, before, false)
				}
				wantRefusedFor(t, s, tok, bearer(`error="invalid_token"`), true)
				if !isClosed(tok.superseded) || !tok.Dropped() {
					t.Errorf("superseded %v, dropped %v", isClosed(tok.superseded), tok.Dropped())
				}
				for range 30 {
					if got, err := s.Token(t.Context()); err == nil {
						t.Fatalf("generation %d is served", got.Generation)
					}
					time.Sleep(10 * time.Second)
				}
				away.Store(false)
				time.Sleep(longestPause + longestPause/4)
				if got := b.token(t, "a"); got == tok || got.Generation == tok.Generation {
					t.Error("the refused token is served again")
				}
				b.Close()
			})
		})
	}
}

// What a person wishes ends a questioned token as any other.
func TestAPersonEndsAQuestionedToken(t *testing.T) {
	for name, wish := range map[string]func(*Source, context.Context) error{
		"invalidate": (*Source).Invalidate,
		"revoke":     func(s *Source, ctx context.Context) error { _, err := s.Revoke(ctx); return err },
	} {
		t.Run(name, func(t *testing.T) {
			as := authorizationServer(t)
			away := outage(as)
			synctest.Test(t, func(t *testing.T) {
				b := start(t, server(as, "a"))
				s, tok := b.source(t, "a"), b.token(t, "a")
				away.Store(true)
				wantRefusedFor(t, s, tok, relayed, false)
				away.Store(name == "invalidate")
				if err := wish(s, t.Context()); err != nil {
					t.Fatal(err)
				}
				if !tok.Dropped() {
					t.Error("not dropped")
				}
				away.Store(true)
				if _, err := s.Token(t.Context()); err == nil {
					t.Error("it is served again")
				}
				b.Close()
			})
		})
	}
}

// An authorization server that does not even say no: requests wait for its first answer alone, not at each later try.
func TestAQuestionedTokenWaitsOnceForAServerThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const hang = 10 * time.Second
		f := &fetcher{}
		s := fetching(t, f)
		s.engine.KeepFresh()
		fetch := s.engine.local.Fetch
		tok, err := s.Token(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		s.engine.local.Fetch = func(ctx context.Context, server string, refused bool) (*oauth.Token, error) {
			sleep(ctx, hang)
			_, _ = fetch(ctx, server, refused)
			return nil, errors.New("no answer")
		}
		go func() { _, _, _ = s.Challenged(context.Background(), tok, 401, relayed) }()
		synctest.Wait()
		waits := []time.Duration{}
		for range 200 {
			begun := time.Now()
			if got, err := s.Token(t.Context()); err != nil || got != tok {
				t.Fatal(got, err)
			}
			waits = append(waits, time.Since(begun))
			time.Sleep(3 * time.Second)
		}
		for i, wait := range waits {
			if i == 0 && wait != hang || i > 0 && wait > 0 {
				t.Errorf("request %d waited %v", i, wait)
			}
		}
		for i, refused := range f.refused[1:] {
			if !refused {
				t.Errorf("the daemon is not told of the refusal at fetch %d", i)
			}
		}
		if len(f.refused) < 4 {
			t.Errorf("%d fetches", len(f.refused))
		}
		s.engine.Close()
	})
}

// A grant that only a person can renew: nobody waits for that person while upstream may still take the token.
func TestAQuestionedTokenServesWhileAPersonIsAsked(t *testing.T) {
	as, rs := protected(t)
	as.SetLifetime(10 * time.Hour)
	synctest.Test(t, func(t *testing.T) {
		one := delegated(rs)
		one.Login = "auto"
		b := start(t, one)
		declined := make(chan struct{})
		b.AskWith(func(_ context.Context, s *Source) error { // a person who thinks about it
			<-declined
			return s.needsPerson("the sign-in was refused")
		})
		s := b.source(t, "a")
		tok := signIn(t, as, s)
		edit(t, b.store, "grant/a", func(r *record) { r.Refresh, r.Dead = "", "" })
		var wg sync.WaitGroup
		wg.Go(func() { _, _, _ = s.Challenged(t.Context(), tok, 401, relayed) })
		synctest.Wait()
		if got, err := s.Token(t.Context()); err != nil || got != tok {
			t.Error(got, err)
		}
		close(declined)
		wg.Wait()
		if st := s.Status(); st.State != NeedsReauth || st.Status != "expiring" {
			t.Errorf("while a person must act it is %s, %s, %q", st.State, st.Status, st.Error)
		}
		b.Close()
	})
}
