package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"bearerd/config"
	"bearerd/engine/oauth/oauthtest"
)

func TestAcceptance26_ShortLivedTokenIsNotFetchedForEachCall(t *testing.T) {
	as := authorizationServer(t)
	as.SetLifetime(60 * time.Second)
	synctest.Test(t, func(t *testing.T) {
		b := start(t, server(as, "a"))
		first := b.token(t, "a")
		time.Sleep(44 * time.Second)
		if again := b.token(t, "a"); again != first {
			t.Error("a token was fetched in the first three quarters of its life")
		}
		wantAsked(t, as, 1)
		b.Close()
	})
}

func TestAcceptance27_ConcurrentCallersMakeOneRequest(t *testing.T) {
	for _, callers := range []int{5, 500} {
		t.Run(fmt.Sprint(callers), func(t *testing.T) {
			as := authorizationServer(t)
			as.SetLifetime(time.Hour)
			synctest.Test(t, func(t *testing.T) {
				b := start(t, server(as, "a"))
				for round := 1; round <= 2; round++ { // cold, and at expiry
					var wg sync.WaitGroup
					for range callers {
						wg.Go(func() {
							if _, err := b.source(t, "a").Token(t.Context()); err != nil {
								t.Error(err)
							}
						})
					}
					wg.Wait()
					if n := asked(as, "/token"); n != round {
						t.Errorf("%d token requests in round %d:\n%s", n, round, b.log)
					}
					time.Sleep(2 * time.Hour)
				}
				b.Close()
			})
		})
	}
}

func TestAcceptance28_ValidTokenServesWhileRefreshFails(t *testing.T) {
	as := authorizationServer(t)
	synctest.Test(t, func(t *testing.T) {
		b := start(t, server(as, "a"))
		first := b.token(t, "a")
		time.Sleep(time.Hour - 200*time.Second)
		as.Fail(100, oauthtest.Answer(503, "text/html", "<h1>down</h1>"))
		for range 20 {
			if got := b.token(t, "a"); got != first {
				t.Fatal("another token is served")
			}
			time.Sleep(time.Second)
		}
		if !strings.Contains(b.log.String(), "Serving the present token of a while renewal fails") {
			t.Error("no warning is logged")
		}
		// The last try before the end of its life fails, and nobody tries again before it has ended.
		time.Sleep(178 * time.Second)
		b.token(t, "a")
		synctest.Wait()
		b.source(t, "a").mu.Lock()
		b.source(t, "a").retryAt = time.Now().Add(time.Minute)
		b.source(t, "a").mu.Unlock()
		time.Sleep(3 * time.Second)
		_, err := b.source(t, "a").Token(t.Context())
		var e *Error
		if !errors.As(err, &e) || !e.Expired || !strings.HasPrefix(e.ForCaller(), "OAuth token expired") {
			t.Errorf("after its expiry: %v", err)
		}
		b.Close()
	})
}

func TestColdProcessServesAStaleStoredTokenAfterOneFailure(t *testing.T) {
	as := authorizationServer(t)
	synctest.Test(t, func(t *testing.T) {
		a := start(t, server(as, "a"))
		held := a.token(t, "a")
		a.Close()
		time.Sleep(time.Hour - 200*time.Second)
		as.Fail(100, oauthtest.Reset())
		b := startWith(t, a.store, a.lock, server(as, "a"))
		var got *Token
		if wait := took(func() { got = b.token(t, "a") }); wait != 0 {
			t.Errorf("it waited %s for a token that was there", wait)
		}
		if !got.Access().Equal(held.Access()) {
			t.Error("another token than the stored one")
		}
		b.Close()
	})
}

func TestAcceptance29_AChangedCredentialReusesNothing(t *testing.T) {
	as := authorizationServer(t)
	as.Register(oauthtest.Client{ID: "other", Secret: "s3cret"})
	changes := map[string]func(*config.Server){
		"client id": func(s *config.Server) { s.OAuth.ClientID = "other" },
		"scope":     func(s *config.Server) { s.OAuth.Scope = "read" },
		"token url": func(s *config.Server) { s.OAuth.TokenURL += "?tenant=1" },
		"audience":  func(s *config.Server) { s.OAuth.Audience = "https://api" },
		"resource":  func(s *config.Server) { s.OAuth.Resource = []string{"https://api"} },
		"origin":    func(s *config.Server) { s.URL = "http://127.0.0.1:2/mcp" },
	}
	for name, change := range changes {
		t.Run(name, func(t *testing.T) {
			b := start(t, server(as, "a"))
			old, first := b.source(t, "a"), b.token(t, "a")
			next := server(as, "a")
			change(next)
			b.Prepare(&config.Config{Servers: []*config.Server{next}}).Commit()
			if second := b.token(t, "a"); second.Access().Equal(first.Access()) {
				t.Error("the token of the old credential is served")
			}
			if _, err := old.Token(t.Context()); !errors.Is(err, ErrGone) {
				t.Errorf("the old source answers %v", err)
			}
			select {
			case <-first.Superseded():
			default:
				t.Error("the old token is not superseded")
			}
			b.Close()
		})
	}
}

func TestOtherChangesKeepTheToken(t *testing.T) {
	as := authorizationServer(t)
	b := start(t, server(as, "a"))
	first := b.token(t, "a")
	next := server(as, "a")
	next.OAuth.TokenExpiryBuffer, next.URL = 10, "http://127.0.0.1:1/other-path"
	b.Prepare(&config.Config{Servers: []*config.Server{next}}).Commit()
	if b.token(t, "a") != first {
		t.Error("another token is served")
	}
	wantAsked(t, as, 1)
}

func TestAcceptance30_InvalidateAndForceRefresh(t *testing.T) {
	as := authorizationServer(t)
	b := start(t, server(as, "a"))
	first := b.token(t, "a")
	if err := b.source(t, "a").Invalidate(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantAsked(t, as, 1)
	second := b.token(t, "a")
	third, err := b.source(t, "a").Refresh(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if first.Access().Equal(second.Access()) || second.Access().Equal(third.Access()) || b.token(t, "a") != third {
		t.Error("an old token is served")
	}
	wantAsked(t, as, 3)
}

func TestAcceptance31_StatusShowsNoPartOfTheToken(t *testing.T) {
	as := authorizationServer(t)
	b := start(t, server(as, "a"))
	token := b.token(t, "a").Access().Reveal()
	text := fmt.Sprintf("%+v %s", b.source(t, "a").Status(), b.log)
	for i := range len(token) - 8 {
		if strings.Contains(text, token[i:i+8]) {
			t.Fatalf("eight characters of the token from %d on are shown", i)
		}
	}
}

func TestAnotherProcessesTokenIsAdopted(t *testing.T) {
	as := authorizationServer(t)
	store, lock := newMemory(), locks()
	var wg sync.WaitGroup
	tokens := make([]*Token, 15)
	for i := range tokens {
		b := startWith(t, store, lock, server(as, "a"))
		wg.Go(func() { tokens[i] = b.token(t, "a") })
	}
	wg.Wait()
	wantAsked(t, as, 1)
	for _, tok := range tokens {
		if tok == nil || !tok.Access().Equal(tokens[0].Access()) {
			t.Fatal("they hold different tokens")
		}
	}
}

func TestCallersContextEndsItsWaitAlone(t *testing.T) {
	as := authorizationServer(t)
	as.Fail(1, oauthtest.Answer(503, "text/plain", ""))
	synctest.Test(t, func(t *testing.T) {
		b := start(t, server(as, "a"))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := b.source(t, "a").Token(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("want the caller's own deadline, got %v", err)
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		b.token(t, "a")
		wantAsked(t, as, 2)
		b.Close()
	})
}

func TestAFullDiskKeepsTheTokenInService(t *testing.T) {
	as := authorizationServer(t)
	b := start(t, server(as, "a"))
	b.store.broken = syscall.ENOSPC
	b.token(t, "a")
	if st := b.source(t, "a").Status(); st.Store != "store_unwritable" || st.State != Authorized {
		t.Errorf("status %+v", st)
	}
	if !strings.Contains(b.log.String(), "store_unwritable") {
		t.Error("the log does not say so")
	}
	b.store.broken = nil
	if _, err := b.source(t, "a").Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	if st := b.source(t, "a").Status(); st.Store != "" {
		t.Error("it is still called unwritable after a write")
	}
}

func TestARecordOfANewerVersionIsReadButNotWritten(t *testing.T) {
	as := authorizationServer(t)
	a := start(t, server(as, "a"))
	first := a.token(t, "a")
	newer := strings.Replace(string(a.store.values["grant/a"]), fmt.Sprintf(`"schema":%d`, schema), fmt.Sprintf(`"schema":%d`, schema+1), 1)
	a.store.values["grant/a"] = []byte(newer)
	b := startWith(t, a.store, a.lock, server(as, "a"))
	if !b.token(t, "a").Access().Equal(first.Access()) {
		t.Error("the newer record was not read")
	}
	if _, err := b.source(t, "a").Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	if string(a.store.values["grant/a"]) != newer {
		t.Error("the newer record was written over")
	}
}

func TestHerdIsLimitedForEachIssuer(t *testing.T) {
	as := authorizationServer(t)
	var mu sync.Mutex
	flying, most := 0, 0
	as.Fail(40, func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		mu.Lock()
		flying++
		most = max(most, flying)
		mu.Unlock()
		time.Sleep(5 * time.Millisecond)
		next.ServeHTTP(w, r)
		mu.Lock()
		flying--
		mu.Unlock()
	})
	var servers []*config.Server
	for i := range 40 {
		servers = append(servers, server(as, fmt.Sprintf("s%d", i)))
	}
	b := start(t, servers...)
	b.KeepFresh()
	for _, s := range servers {
		b.token(t, s.Name)
	}
	if most > maxForIssuer {
		t.Errorf("%d requests at once", most)
	}
}

func TestAHerdLimitHoldsForAllServers(t *testing.T) {
	l := newLimits()
	ctx, cancel := context.WithCancel(t.Context())
	for i := range 32 {
		if _, err := l.take(ctx, fmt.Sprintf("https://as%d.example/token", i)); err != nil {
			t.Fatal(err)
		}
	}
	cancel()
	if _, err := l.take(ctx, "https://another.example/token"); err == nil {
		t.Error("a 33rd request may fly")
	}
}

func TestProcessesShareATransientFailure(t *testing.T) {
	as := authorizationServer(t)
	as.Fail(100, oauthtest.Answer(503, "text/plain", ""))
	synctest.Test(t, func(t *testing.T) {
		store, lock := newMemory(), locks()
		var wg sync.WaitGroup
		for range 10 {
			b := startWith(t, store, lock, server(as, "a"))
			wg.Go(func() {
				if _, err := b.source(t, "a").Token(t.Context()); err == nil {
					t.Error("no error")
				}
				b.Close()
			})
		}
		wg.Wait()
		if n := asked(as, "/token"); n > 9 {
			t.Errorf("ten processes sent %d requests to a server that is down", n)
		}
	})
}

func TestAStuckHolderOfTheLockIsWaitedForOnlySoLong(t *testing.T) {
	as := authorizationServer(t)
	synctest.Test(t, func(t *testing.T) {
		b := start(t, server(as, "a"))
		if _, err := b.lock(t.Context(), "a"); err != nil { // and never let go
			t.Fatal(err)
		}
		if wait := took(func() { b.token(t, "a") }); wait != lockPatience {
			t.Errorf("waited %s", wait)
		}
		b.Close()
	})
}

func TestATokenFromTheFutureIsNotTaken(t *testing.T) {
	as := authorizationServer(t)
	a := start(t, server(as, "a"))
	first := a.token(t, "a")
	var r record
	if err := json.Unmarshal(a.store.values["grant/a"], &r); err != nil {
		t.Fatal(err)
	}
	r.Issued, r.Expires = r.Issued.AddDate(4, 0, 0), r.Expires.AddDate(4, 0, 0)
	a.store.values["grant/a"], _ = json.Marshal(r)
	b := startWith(t, a.store, a.lock, server(as, "a"))
	if b.token(t, "a").Access().Equal(first.Access()) {
		t.Error("a token that was stored while the clock ran ahead is served for years")
	}
}

func TestSyncTakesOverWhatOtherProcessesDid(t *testing.T) {
	as := authorizationServer(t)
	a := start(t, server(as, "a"))
	b := startWith(t, a.store, a.lock, server(as, "a"))
	first := b.token(t, "a")
	a.token(t, "a")
	renewed, err := a.source(t, "a").Refresh(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	b.source(t, "a").Sync(t.Context())
	if !b.token(t, "a").Access().Equal(renewed.Access()) {
		t.Error("the renewal was not taken over")
	}
	select {
	case <-first.Superseded():
	default:
		t.Error("the old token is not superseded")
	}
	if _, err := a.source(t, "a").Revoke(t.Context()); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		c := startWith(t, a.store, locks(), server(as, "a"))
		c.Follow()
		time.Sleep(followPause + time.Second)
		wantState(t, c.source(t, "a"), Revoked)
		c.Close()
	})
	b.source(t, "a").Sync(t.Context())
	wantState(t, b.source(t, "a"), Revoked)
	if _, err := b.source(t, "a").Token(t.Context()); err == nil {
		t.Error("a revoked token is served")
	}
	wantAsked(t, as, 2)
}
