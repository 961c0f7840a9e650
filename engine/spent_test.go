package engine

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"bearerd/config"
	"bearerd/secrets"
)

// wantNeedsReauth is for a chain that only a person can go on with.
func wantNeedsReauth(t testing.TB, err error) {
	t.Helper()
	var e *Error
	if !errors.As(err, &e) || e.State != NeedsReauth || e.Remedy == "" {
		t.Errorf("got %v, want %s and a remedy", err, NeedsReauth)
	}
}

func TestARecordThatWasRemovedByHand(t *testing.T) {
	for name, elsewhere := range map[string]bool{"and is missed by the host that wrote it": false, "and by another one": true} {
		t.Run(name, func(t *testing.T) {
			as := authorizationServer(t)
			first := as.Grant("id")
			shared := newMemory()
			b := host(t, shared, newMemory(), "b", rotating(as, "a", first))
			b.renew(t, "a") // which waits for the commit
			if err := shared.Delete(t.Context(), "grant/a"); err != nil {
				t.Fatal(err)
			}
			if elsewhere {
				b = host(t, shared, newMemory(), "c", rotating(as, "a", first))
			}
			_, err := b.source(t, "a").Refresh(t.Context())
			wantRefusal(t, err, "put a new one where OAUTH_REFRESH_TOKEN refers to")
			wantAlive(t, as, first)
			wantAsked(t, as, 1)
		})
	}
}

func TestAStoreThatWasRestoredFromABackup(t *testing.T) {
	as := authorizationServer(t)
	first := as.Grant("id")
	shared := newMemory()
	b := host(t, shared, newMemory(), "b", rotating(as, "a", first))
	b.renew(t, "a") // which waits for the commit
	backup := stored(t, shared, "grant/a")
	b.renew(t, "a")
	edit(t, shared, "grant/a", func(r *record) { *r = backup })
	_, err := b.source(t, "a").Refresh(t.Context())
	wantRefusal(t, err, "put a new one where OAUTH_REFRESH_TOKEN refers to")
	wantAlive(t, as, first)
	wantAsked(t, as, 2)
}

func TestAChainGoesFromTheStateFolderToVault(t *testing.T) {
	as := authorizationServer(t)
	first := as.Grant("id")
	folder, shared := newMemory(), newMemory()
	b := startWith(t, folder, locks(), rotating(as, "a", first))
	token := b.token(t, "a")
	b.Close()

	v := host(t, shared, folder, "here", rotating(as, "a", first))
	if !v.token(t, "a").Access().Equal(token.Access()) {
		t.Error("it has another token")
	}
	v.renew(t, "a")
	v.Close()
	wantAlive(t, as, first)
	if r := stored(t, folder, "grant/a"); r.Refresh != "" || r.AccessToken != "" {
		t.Error("the state folder still holds tokens")
	}

	back := startWith(t, folder, locks(), rotating(as, "a", first))
	_, err := back.source(t, "a").Token(t.Context())
	wantNeedsReauth(t, err)
	wantRefusal(t, err, `configure store "vault" again`)
	wantAlive(t, as, first)
	wantAsked(t, as, 2)
}

// A chain in a copy of the folder it began in belongs to that one.
func TestAChainOfAnotherFolderDoesNotGoToVault(t *testing.T) {
	as := authorizationServer(t)
	first := as.Grant("id")
	folder, shared := newMemory(), newMemory()
	b := startWith(t, folder, locks(), rotating(as, "a", first))
	b.token(t, "a")
	b.Close()
	v := host(t, shared, folder, "a copy", rotating(as, "a", first))
	_, err := v.source(t, "a").Token(t.Context())
	wantNeedsReauth(t, err)
	if stored(t, folder, "grant/a").Refresh == "" {
		t.Error("it was carried over")
	}
	wantAlive(t, as, first)
	wantAsked(t, as, 1)
}

// Their references differ, so that no check of the configuration sees it.
func TestServersOfOneChainThatStartTogether(t *testing.T) {
	const servers = 6
	for range 5 {
		as := authorizationServer(t)
		first := as.Grant("id")
		synctest.Test(t, func(t *testing.T) {
			b := start(t)
			var list []*config.Server
			for i := range servers {
				s := rotating(as, fmt.Sprint("s", i), "")
				s.OAuth.RefreshToken = secrets.Ref{Kind: secrets.Env, Name: fmt.Sprint("R", i)}
				list = append(list, s)
			}
			var all sync.WaitGroup
			var calls atomic.Int64
			all.Add(servers)
			b.resolve.Getenv = func(string) (string, bool) { // they have the same token at the same moment
				if calls.Add(1) <= servers {
					all.Done()
					all.Wait()
				}
				return first, true
			}
			b.Prepare(&config.Config{Servers: list}).Commit()
			b.KeepFresh()
			time.Sleep(10 * time.Second)
			authorized := 0
			for _, s := range b.Sources() {
				if s.Status().State == Authorized {
					authorized++
				}
			}
			if authorized != 1 {
				t.Errorf("%d servers have a token", authorized)
			}
			wantAlive(t, as, first)
			wantAsked(t, as, 1)
			b.Close()
		})
	}
}

func TestTwoServersOfOneChainAfterARestart(t *testing.T) {
	as := authorizationServer(t)
	first := as.Grant("id")
	m := newMemory()
	for range 2 {
		b := startWith(t, m, locks(), rotating(as, "a", first), rotating(as, "b", first))
		b.token(t, "a")
		_, err := b.source(t, "b").Token(t.Context())
		wantNeedsReauth(t, err)
		wantRefusal(t, err, `the one of server "a"`)
		b.Close()
	}
	if err := m.Delete(t.Context(), "copy/a"); err != nil { // the store alone knows
		t.Fatal(err)
	}
	b := startWith(t, m, locks(), rotating(as, "b", first))
	_, err := b.source(t, "b").Token(t.Context())
	wantNeedsReauth(t, err)
	wantAlive(t, as, first)
	wantAsked(t, as, 1)
}
