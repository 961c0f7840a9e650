package engine

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"bearerd/config"
	"bearerd/engine/oauth/oauthtest"
	"bearerd/secrets"
)

// diary keeps the events of an engine.
type diary struct {
	mu   sync.Mutex
	list []Event
}

func observed(b *bench) *diary {
	d := &diary{}
	b.Observe(func(e Event) {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.list = append(d.list, e)
	})
	return d
}

// take gives what has happened since it was called last: the kinds in their order, the changes left out, and the last of
// the events that are none.
func (d *diary) take() (kinds string, last Event, changes int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	var names []string
	for _, e := range d.list {
		if e.Kind == Changed {
			changes++
			continue
		}
		names, last = append(names, string(e.Kind)), e
	}
	d.list = nil
	return strings.Join(names, " "), last, changes
}

func (d *diary) want(t *testing.T, kinds string) Event {
	t.Helper()
	got, last, _ := d.take()
	if got != kinds {
		t.Errorf("events %q, want %q", got, kinds)
	}
	if last.Kind != "" && (last.Server != "a" || last.At.IsZero()) {
		t.Errorf("event %+v", last)
	}
	return last
}

// wantChange checks that nothing has happened but a change.
func (d *diary) wantChange(t *testing.T) {
	t.Helper()
	if kinds, _, changes := d.take(); kinds != "" || changes == 0 {
		t.Errorf("events %q and %d changes, want a change alone", kinds, changes)
	}
}

func (d *diary) wantNothing(t *testing.T) {
	t.Helper()
	if kinds, _, changes := d.take(); kinds != "" || changes != 0 {
		t.Errorf("events %q and %d changes, want none", kinds, changes)
	}
}

// wantAbout checks that an event names a token, and holds no part of it.
func wantAbout(t *testing.T, e Event, tok *Token) {
	t.Helper()
	if e.Token != tok.access.Fingerprint() || e.Scope != tok.Scope || e.CorrelationID != tok.correlation || e.CorrelationID == "" {
		t.Errorf("event %+v", e)
	}
}

func TestEventsOfAnUnattendedGrant(t *testing.T) {
	as := authorizationServer(t)
	as.SetLifetime(time.Hour)
	synctest.Test(t, func(t *testing.T) {
		server := server(as, "a")
		server.OAuth.Scope = "read"
		b := start(t, server)
		d, s := observed(b), b.source(t, "a")
		wantAbout(t, func() Event { b.token(t, "a"); return d.want(t, "acquired") }(), b.token(t, "a"))
		b.token(t, "a")
		d.wantNothing(t) // of a cache hit

		time.Sleep(time.Hour)
		wantAbout(t, func() Event { b.token(t, "a"); return d.want(t, "acquired") }(), b.token(t, "a"))

		held := b.token(t, "a")
		if err := s.Invalidate(t.Context()); err != nil {
			t.Fatal(err)
		}
		wantAbout(t, d.want(t, "invalidated"), held)
		held = b.token(t, "a")
		d.want(t, "acquired")
		h := http.Header{"Www-Authenticate": {"Bearer"}}
		time.Sleep(time.Minute)
		if _, _, err := s.Challenged(t.Context(), held, http.StatusUnauthorized, h); err != nil {
			t.Fatal(err)
		}
		d.want(t, "invalidated acquired")

		held = b.token(t, "a")
		if _, err := s.Revoke(t.Context()); err != nil {
			t.Fatal(err)
		}
		wantAbout(t, d.want(t, "revoked"), held)
		if _, err := s.Token(t.Context()); err == nil {
			t.Error("a token of a revoked grant")
		}
		d.want(t, "") // nobody was asked
		b.Close()
	})
}

func TestEventsOfAFailureAndItsEnd(t *testing.T) {
	as := authorizationServer(t)
	synctest.Test(t, func(t *testing.T) {
		b := start(t, server(as, "a"))
		d, s := observed(b), b.source(t, "a")
		as.Fail(maxTries, oauthtest.OAuthError(503, "canary-code", "canary-description"))
		if _, err := s.Token(t.Context()); err == nil {
			t.Fatal("no error")
		}
		d.mu.Lock()
		changes := len(d.list) - 1 // each try is seen: the first error, then when the next try comes
		d.mu.Unlock()
		failed := d.want(t, "failed")
		if failed.Reason != "the authorization server answered HTTP 503" || failed.CorrelationID == "" || failed.Token != "" || changes != maxTries-1 {
			t.Errorf("event %+v, %d changes", failed, changes)
		}
		if st := s.Status(); st.State != Failed {
			t.Errorf("state %s", st.State)
		}
		time.Sleep(time.Minute)
		b.token(t, "a")
		d.want(t, "acquired")
		b.Close()
	})
}

// One answer that says no ends an acquisition at once. There is one event for it, with the status that it left.
func TestEventOfAFinalAnswer(t *testing.T) {
	as := authorizationServer(t)
	synctest.Test(t, func(t *testing.T) {
		b := start(t, server(as, "a"))
		s := b.source(t, "a")
		var seen []EventKind
		b.Observe(func(e Event) { seen = append(seen, e.Kind) })
		as.Fail(1, oauthtest.OAuthError(400, "invalid_scope", ""))
		if _, err := s.Token(t.Context()); err == nil {
			t.Fatal("no error")
		}
		if !slices.Equal(seen, []EventKind{TokenFailed}) {
			t.Errorf("events %v", seen)
		}
		b.Close()
		if len(seen) != 1 {
			t.Errorf("the stop is an event: %v", seen)
		}
	})
}

func TestEventsOfAChainOfRefreshTokens(t *testing.T) {
	as := authorizationServer(t)
	first := as.Grant("id")
	synctest.Test(t, func(t *testing.T) {
		b := start(t, rotating(as, "a", first))
		d := observed(b)
		b.token(t, "a")
		synctest.Wait() // who waits for the token need not wait for the store
		d.want(t, "acquired")
		b.renew(t, "a")
		synctest.Wait()
		got, last, changes := d.take()
		if got != "refreshed" || changes != 1 { // that it is refreshing
			t.Errorf("events %q, %d changes", got, changes)
		}
		wantAbout(t, last, b.token(t, "a"))
		as.Fail(1, oauthtest.OAuthError(400, "invalid_grant", ""))
		if _, err := b.source(t, "a").Refresh(t.Context()); err == nil {
			t.Error("no error")
		}
		if e := d.want(t, "failed"); e.Reason != "the authorization server does not accept the refresh token any more" {
			t.Errorf("reason %q", e.Reason)
		}
		b.Close()
	})
}

// What one engine does is a change to another one.
func TestEventsOfWhatAnotherProcessDoes(t *testing.T) {
	as := authorizationServer(t)
	synctest.Test(t, func(t *testing.T) {
		one := start(t, server(as, "a"))
		two := startWith(t, one.store, one.lock, server(as, "a"))
		first, second := observed(one), observed(two)
		one.token(t, "a")
		first.want(t, "acquired")
		two.token(t, "a")
		second.wantChange(t)
		one.renew(t, "a")
		first.want(t, "acquired")
		two.Follow()
		time.Sleep(2 * followPause)
		second.wantChange(t)
		if two.token(t, "a") == nil || !two.token(t, "a").access.Equal(one.token(t, "a").access) {
			t.Error("they hold two tokens")
		}
		if _, err := one.source(t, "a").Revoke(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * followPause)
		second.wantChange(t)
		wantState(t, two.source(t, "a"), Revoked)
		two.Close()
		one.Close()
	})
}

func TestEventsOfTheStore(t *testing.T) {
	as := authorizationServer(t)
	synctest.Test(t, func(t *testing.T) {
		b := start(t, server(as, "a"))
		d := observed(b)
		b.store.set(func(m *memory) { m.broken = errors.New("disk full") })
		b.token(t, "a")
		if got, _, changes := d.take(); got != "acquired" || changes != 1 {
			t.Errorf("events %q and %d changes", got, changes)
		}
		b.renew(t, "a")
		d.want(t, "acquired")
		b.store.set(func(m *memory) { m.broken = nil })
		b.renew(t, "a")
		if got, _, changes := d.take(); got != "acquired" || changes != 2 { // refreshing, and the end of the trouble
			t.Errorf("events %q and %d changes", got, changes)
		}
		b.Close()
	})
}

// The store of many hosts is looked at without a renewal too.
func TestEventsOfASharedStore(t *testing.T) {
	as := authorizationServer(t)
	shared := newMemory()
	b := host(t, shared, newMemory(), "one", server(as, "a"))
	d, s := observed(b), b.source(t, "a")
	b.token(t, "a")
	d.want(t, "acquired")
	shared.set(func(m *memory) { m.down = secrets.ErrUnavailable })
	for range 2 {
		_ = s.Sync(t.Context())
	}
	if got, _, changes := d.take(); got != "" || changes != 1 {
		t.Errorf("events %q and %d changes", got, changes)
	}
	shared.set(func(m *memory) { m.down = nil })
	if err := s.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	d.wantChange(t)
}

func TestEventsOfAReload(t *testing.T) {
	as := authorizationServer(t)
	b := start(t, server(as, "gone"), server(as, "edited"), server(as, "stays"))
	b.token(t, "stays")
	seen := map[string]int{}
	b.Observe(func(e Event) {
		if e.Kind != Changed {
			t.Errorf("event %+v", e)
		}
		seen[e.Server]++
	})
	edited := server(as, "edited")
	edited.OAuth.Scope = "read"
	b.Prepare(&config.Config{Servers: []*config.Server{edited, server(as, "stays"), server(as, "new")}}).Commit()
	for _, name := range []string{"gone", "edited", "new"} {
		if seen[name] != 1 {
			t.Errorf("%d events of %s", seen[name], name)
		}
	}
	if seen["stays"] != 0 {
		t.Error("what has not changed is an event")
	}
}

func TestEventsHoldNoSecret(t *testing.T) {
	as, rs := protected(t)
	synctest.Test(t, func(t *testing.T) {
		b := start(t, delegated(rs))
		d, s := observed(b), b.source(t, "a")
		var held []secrets.Secret
		held = append(held, signIn(t, as, s).access)
		b.renew(t, "a")
		held = append(held, b.token(t, "a").access, secrets.New(stored(t, b.store, "grant/a").Refresh))
		_, _, _ = s.Logout(context.Background(), false)
		d.mu.Lock()
		defer d.mu.Unlock()
		for _, e := range d.list {
			for _, secret := range held {
				if strings.Contains(strings.Join([]string{e.Token, e.Scope, e.Reason, e.CorrelationID}, " "), secret.Reveal()) {
					t.Errorf("%s holds a token", e.Kind)
				}
			}
		}
		b.Close()
	})
}

// A process that has never used the token names it all the same.
func TestEventOfATokenThatIsOnlyStored(t *testing.T) {
	as := authorizationServer(t)
	one := start(t, server(as, "a"))
	tok := one.token(t, "a")
	two := startWith(t, one.store, one.lock, server(as, "a"))
	d := observed(two)
	if _, err := two.source(t, "a").Revoke(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantAbout(t, d.want(t, "revoked"), tok)
}

func TestTheStopIsNoEvent(t *testing.T) {
	as := authorizationServer(t)
	b := start(t, server(as, "a"))
	d := observed(b)
	arrived, ended := make(chan struct{}), make(chan struct{})
	as.Fail(1, func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		close(arrived)
		oauthtest.Hang()(w, r, next)
	})
	go func() {
		defer close(ended)
		_, _ = b.source(t, "a").Token(t.Context())
	}()
	<-arrived
	b.Close()
	<-ended
	d.want(t, "")
}
