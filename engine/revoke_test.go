package engine

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"bearerd/config"
	"bearerd/engine/oauth/oauthtest"
)

func TestAcceptance37_RevokeTellsTheProviderAndDropsTheToken(t *testing.T) {
	as := authorizationServer(t)
	synctest.Test(t, func(t *testing.T) {
		b := start(t, server(as, "a"))
		b.KeepFresh()
		token := b.token(t, "a").Access().Reveal()
		as.Fail(1, oauthtest.Answer(503, "text/plain", ""))
		if n, err := b.source(t, "a").Revoke(t.Context()); err != nil || n != 1 {
			t.Fatal(n, err)
		}
		if asked(as, "/revoke") != 2 {
			t.Error("a 503 is tried again")
		}
		if form := as.Requests()[1].Form; form.Get("token") != token || form.Get("token_type_hint") != "access_token" {
			t.Errorf("the form names %v", form["token_type_hint"])
		}
		if _, alive := as.Introspect(token); alive {
			t.Error("the token lives on")
		}
		wantState(t, b.source(t, "a"), Revoked)
		// It stays so for hours, here and in another process, until somebody asks for a new one.
		time.Sleep(5 * time.Hour)
		if _, err := b.source(t, "a").Token(t.Context()); err == nil {
			t.Error("a token is served")
		}
		other := startWith(t, b.store, b.lock, server(as, "a"))
		if _, err := other.source(t, "a").Token(t.Context()); err == nil {
			t.Error("another process renews a revoked grant")
		}
		wantState(t, other.source(t, "a"), Revoked)
		wantAsked(t, as, 1)
		if _, err := b.source(t, "a").Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		wantState(t, b.source(t, "a"), Authorized)
		// The other process finds that out by itself, and asks nobody for it.
		time.Sleep(2 * time.Second)
		if got, err := other.source(t, "a").Token(t.Context()); err != nil || !got.Access().Equal(b.token(t, "a").Access()) {
			t.Errorf("the other process goes on refusing: %v", err)
		}
		wantAsked(t, as, 2)
		other.Close()
		b.Close()
	})
}

func TestARevocationThatFailsDropsNothing(t *testing.T) {
	as := authorizationServer(t)
	as.SetLifetime(time.Hour)
	synctest.Test(t, func(t *testing.T) {
		b := start(t, server(as, "a"))
		first := b.token(t, "a")
		as.Fail(3, oauthtest.Answer(503, "text/plain", ""))
		if _, err := b.source(t, "a").Revoke(t.Context()); err == nil || !strings.Contains(err.Error(), "503") {
			t.Errorf("got %v", err)
		}
		if b.token(t, "a") != first {
			t.Error("the token was dropped, so nobody can revoke it any more")
		}
		b.Close()
	})
}

func TestAcceptance38_WithoutARevocationURLTheMessageSaysSo(t *testing.T) {
	as := authorizationServer(t)
	s := server(as, "a")
	s.OAuth.RevocationURL = ""
	b := start(t, s)
	b.token(t, "a")
	_, err := b.source(t, "a").Revoke(t.Context())
	if !errors.Is(err, ErrNoRevocation) || !strings.Contains(err.Error(), "Token revocation not configured") {
		t.Errorf("got %v", err)
	}
	if _, err := b.source(t, "a").Token(t.Context()); err == nil {
		t.Error("the token is still served")
	}
}

func TestAcceptance39_RevokeOnShutdown(t *testing.T) {
	as := authorizationServer(t)
	yes, no := server(as, "yes"), server(as, "no")
	yes.RevokeOnShutdown = true
	b := start(t, yes, no)
	gone, kept := b.token(t, "yes").Access().Reveal(), b.token(t, "no").Access().Reveal()
	b.RevokeOnShutdown(t.Context())
	if _, alive := as.Introspect(gone); alive {
		t.Error("it was not revoked")
	}
	if _, alive := as.Introspect(kept); !alive {
		t.Error("the other one was revoked too")
	}
	// There is no tombstone: the next start gets a new token.
	next := startWith(t, b.store, b.lock, yes)
	if next.token(t, "yes").Access().Reveal() == gone {
		t.Error("the revoked token is served")
	}
}

func bearer(params string) http.Header { return http.Header{"Www-Authenticate": {"Bearer " + params}} }

func TestChallengedRenewsOnceForManyRequests(t *testing.T) {
	as := authorizationServer(t)
	b := start(t, server(as, "a"))
	s, refused := b.source(t, "a"), b.token(t, "a")
	next, again, err := s.Challenged(t.Context(), refused, 401, bearer(`error="invalid_token"`))
	if err != nil || !again || next.Access().Equal(refused.Access()) {
		t.Fatalf("%v, %v", again, err)
	}
	// A request that was sent with the old token comes back late: the new one is there already.
	late, again, err := s.Challenged(t.Context(), refused, 401, bearer(""))
	if err != nil || !again || late != next {
		t.Errorf("%v, %v", again, err)
	}
	wantAsked(t, as, 2)
}

func TestChallengedWithoutABearerChallengeIsNotSentAgain(t *testing.T) {
	as := authorizationServer(t)
	b := start(t, server(as, "a"))
	refused := b.token(t, "a")
	for _, h := range []http.Header{{}, {"Www-Authenticate": {`Basic realm="Bearer"`}}} {
		if next, again, err := b.source(t, "a").Challenged(t.Context(), refused, 401, h); err != nil || again || next == refused {
			t.Errorf("%v: %v, %v", h, again, err)
		}
	}
}

func TestChallengedForEverIsSlowedDown(t *testing.T) {
	as := authorizationServer(t)
	as.SetLifetime(time.Hour)
	synctest.Test(t, func(t *testing.T) {
		b := start(t, server(as, "a"))
		s := b.source(t, "a")
		for range 100 { // one request every 100 ms, each refused
			tok, err := s.Token(t.Context())
			if err == nil {
				_, _, _ = s.Challenged(t.Context(), tok, 401, bearer(""))
			}
			time.Sleep(100 * time.Millisecond)
		}
		if n := asked(as, "/token"); n > 4 {
			t.Errorf("%d token requests in ten seconds", n)
		}
		b.Close()
	})
}

func TestManyChallengesOfOneTokenAreOneRenewal(t *testing.T) {
	as := authorizationServer(t)
	b := start(t, server(as, "a"))
	s, refused := b.source(t, "a"), b.token(t, "a")
	var wg sync.WaitGroup
	for range 200 {
		wg.Go(func() {
			next, again, err := s.Challenged(t.Context(), refused, 401, bearer(""))
			if err != nil || !again || next.Access().Equal(refused.Access()) {
				t.Errorf("%v, %v", again, err)
			}
		})
		wg.Go(func() {
			if _, err := s.Token(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	wantAsked(t, as, 2)
}

func TestARefusedTokenIsNotTakenFromTheStoreAgain(t *testing.T) {
	as := authorizationServer(t)
	b := start(t, server(as, "a"))
	s, refused := b.source(t, "a"), b.token(t, "a")
	if !s.mayAsk(refused, true) {
		t.Fatal("not dropped")
	}
	// Before the challenged request has begun its flight, another one asks for a token.
	if b.token(t, "a").Access().Equal(refused.Access()) {
		t.Error("the refused token is served again")
	}
}

func TestALostRecordDoesNotMakeRenewalsEndless(t *testing.T) {
	as := authorizationServer(t)
	b := start(t, server(as, "a"))
	s := b.source(t, "a")
	var last *Token
	for range 4 {
		var err error
		if last, err = s.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.store.Delete(t.Context(), "grant/a"); err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.Challenged(t.Context(), last, 401, bearer("")); err != nil {
		t.Fatal(err)
	}
	wantAsked(t, as, 5)
}

func TestARevocationHoldsOnABrokenDisk(t *testing.T) {
	as := authorizationServer(t)
	synctest.Test(t, func(t *testing.T) {
		b := start(t, server(as, "a"))
		b.KeepFresh()
		b.token(t, "a")
		b.store.broken = syscall.ENOSPC
		if _, err := b.source(t, "a").Revoke(t.Context()); !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), "revoked") {
			t.Errorf("got %v", err)
		}
		time.Sleep(time.Hour)
		if _, err := b.source(t, "a").Token(t.Context()); err == nil {
			t.Error("the token is served, or another one was fetched")
		}
		if _, ok := b.store.values["grant/a"]; ok {
			t.Error("the revoked token is still in the store, where a restart finds it")
		}
		wantAsked(t, as, 1)
		b.Close()
	})
}

func TestInvalidateDoesNotEndARevocation(t *testing.T) {
	as := authorizationServer(t)
	b := start(t, server(as, "a"))
	b.token(t, "a")
	if _, err := b.source(t, "a").Revoke(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := b.source(t, "a").Invalidate(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantState(t, b.source(t, "a"), Revoked)
	if n, err := b.source(t, "a").Revoke(t.Context()); err != nil || n != 0 {
		t.Errorf("a second revocation told the provider of %d tokens, %v", n, err)
	}
	next := startWith(t, b.store, b.lock, server(as, "a"))
	if _, err := next.source(t, "a").Token(t.Context()); err == nil {
		t.Error("the next process gets a token")
	}
}

func TestAnUnaskedRefreshTokenIsRevokedToo(t *testing.T) {
	as := authorizationServer(t)
	as.Fail(1, oauthtest.Edit(func(a map[string]any) { a["refresh_token"] = "r-canary" }))
	b := start(t, server(as, "a"))
	b.token(t, "a")
	if n, err := b.source(t, "a").Revoke(t.Context()); err != nil || n != 2 {
		t.Fatal(n, err)
	}
	form := as.Requests()[1].Form
	if form.Get("token") != "r-canary" || form.Get("token_type_hint") != "refresh_token" {
		t.Errorf("first revoked was a token with the hint %v", form["token_type_hint"])
	}
}

func TestRevocationsAtShutdownRunSideBySide(t *testing.T) {
	as := authorizationServer(t)
	var servers []*config.Server
	for i := range 16 {
		s := server(as, fmt.Sprintf("s%d", i))
		s.RevokeOnShutdown = true
		servers = append(servers, s)
	}
	b := start(t, servers...)
	for _, s := range servers {
		b.token(t, s.Name)
	}
	var mu sync.Mutex
	flying, most := 0, 0
	as.Fail(16, func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		mu.Lock()
		flying++
		most = max(most, flying)
		mu.Unlock()
		time.Sleep(20 * time.Millisecond)
		next.ServeHTTP(w, r)
		mu.Lock()
		flying--
		mu.Unlock()
	})
	b.RevokeOnShutdown(t.Context())
	if asked(as, "/revoke") != 16 || most < 2 || most > maxForIssuer {
		t.Errorf("%d revocations, at most %d at once", asked(as, "/revoke"), most)
	}
}

func TestATokenThatWasInFlightIsDroppedToo(t *testing.T) {
	for name, forget := range map[string]func(*Source) error{
		"invalidate": func(s *Source) error { return s.Invalidate(t.Context()) },
		"revoke":     func(s *Source) error { _, err := s.Revoke(t.Context()); return err },
	} {
		t.Run(name, func(t *testing.T) {
			as := authorizationServer(t)
			inner, waiting, locked := locks(), make(chan struct{}), atomic.Int32{}
			b := startWith(t, newMemory(), func(ctx context.Context, name string) (func(), error) {
				if locked.Add(1) == 2 {
					close(waiting)
				}
				return inner(ctx, name)
			}, server(as, "a"))
			s := b.source(t, "a")
			arrived, answer := make(chan struct{}), make(chan struct{})
			as.Fail(1, func(w http.ResponseWriter, r *http.Request, next http.Handler) {
				close(arrived)
				<-answer
				next.ServeHTTP(w, r)
			})
			var wg sync.WaitGroup
			wg.Go(func() { _, _ = s.Token(t.Context()) })
			<-arrived
			done := make(chan error, 1)
			go func() { done <- forget(s) }()
			<-waiting // for the flight to let the lock go
			close(answer)
			if err := <-done; err != nil {
				t.Fatal(err)
			}
			wg.Wait()
			if held := s.current.Load(); held != nil {
				t.Error("the token that came meanwhile is kept")
			}
			if name == "revoke" {
				wantState(t, s, Revoked)
				if n := asked(as, "/revoke"); n != 1 {
					t.Errorf("the provider was told %d times of the token that was in flight", n)
				}
			}
		})
	}
}
