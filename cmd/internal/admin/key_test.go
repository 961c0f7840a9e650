package admin

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"regexp"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"bearerd/secrets"
	"bearerd/secrets/sealed"
)

func TestAdminKeyIsMadeOnce(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	const n = 4
	stores := make([]secrets.Store, n)
	for i := range stores { // as of so many processes
		store, err := sealed.Open(dir, nil, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		stores[i] = store
	}
	var wg sync.WaitGroup
	keys := make(chan string, n)
	for _, store := range stores {
		wg.Go(func() {
			key, err := AdminKey(t.Context(), store)
			if err != nil {
				t.Error(err)
			}
			keys <- key.Reveal()
		})
	}
	wg.Wait()
	first := <-keys
	if !regexp.MustCompile(`^brk_[A-Za-z0-9_-]{43}$`).MatchString(first) {
		t.Error("the key has another form")
	}
	for range n - 1 {
		if <-keys != first {
			t.Fatal("there are two keys")
		}
	}
}

// noDisk is a store that takes nothing, and that cannot be read if there is an error.
type noDisk struct {
	secrets.Store
	reading error
}

func (n noDisk) Get(context.Context, string) ([]byte, secrets.Revision, error) {
	return nil, "", n.reading
}

func (noDisk) Put(context.Context, string, []byte, secrets.Revision) (secrets.Revision, error) {
	return "", errNoDisk
}

var errNoDisk = errors.New("no disk")

func TestAdminKeyFails(t *testing.T) {
	for _, reading := range []error{errNoDisk, secrets.ErrNotFound} {
		if key, err := AdminKey(t.Context(), noDisk{reading: reading}); !errors.Is(err, errNoDisk) || !key.IsZero() {
			t.Error(err)
		}
	}
}

// Without a key that was set, none opens anything.
func TestNoKeyIsNoKey(t *testing.T) {
	g := newGated(t)
	g.Key = secrets.Secret{}
	for _, header := range []string{"", "Bearer", "Bearer ", "Bearer \t", "Bearer brk_"} {
		r := g.ask(http.MethodPost, "/api/reload", "Authorization", header)
		if got := answerTo(g.Public(), r).StatusCode; got != http.StatusUnauthorized || g.reloads != 0 {
			t.Errorf("%q: %d", header, got)
		}
	}
	if actor, err := g.actor(t.Context(), "", scraper); actor != "" || err != nil {
		t.Errorf("no key is that of %q: %v", actor, err)
	}
}

// tries sends n requests with wrong keys; their answers, with how long they took, arrive later.
func (g *gated) tries(ctx context.Context, h http.Handler, n int) chan took {
	answers := make(chan took, n)
	for range n {
		go func() {
			begun, w := time.Now(), httptest.NewRecorder()
			h.ServeHTTP(w, g.ask(http.MethodGet, "/api/secrets", "Authorization", "Bearer brk_wrong").WithContext(ctx))
			answers <- took{w.Code, time.Since(begun), w.Header().Get("Connection")}
		}()
	}
	return answers
}

type took struct {
	status     int
	wait       time.Duration
	connection string
}

// Each wrong key waits longer than the one before, up to a limit, and that is forgotten after a while.
func TestWrongKeysAreSlowed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGated(t)
		public := g.Public()
		try := func() took { return <-g.tries(t.Context(), public, 1) }
		for i, want := range []time.Duration{250, 500, 1000, 2000, 4000, 5000, 5000, 5000} {
			if got := try(); got != (took{401, want * time.Millisecond, ""}) {
				t.Errorf("wrong key %d: %+v", i, got)
			}
		}
		time.Sleep(time.Minute)
		if got := try(); got.wait != firstWait {
			t.Errorf("after a minute: %+v", got)
		}
	})
}

// However many try keys, whoever has the right one is answered at once, and whoever has none.
func TestTheRightKeyNeverWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGated(t)
		public := g.Public()
		const attackers = 200
		wrong := g.tries(t.Context(), public, attackers)
		synctest.Wait()
		if late := len(wrong); late != attackers-mostWaiting {
			t.Errorf("%d of %d were turned away at once", late, attackers)
		}
		begun := time.Now()
		for _, authorization := range []string{"Bearer " + theKey, "Bearer " + g.sessions.begin().Session, ""} {
			want := http.StatusOK
			if authorization == "" {
				want = http.StatusUnauthorized
			}
			if got := answerTo(public, g.ask(http.MethodGet, "/api/secrets", "Authorization", authorization)).StatusCode; got != want {
				t.Errorf("%.10s: %d", authorization, got)
			}
		}
		if waited := time.Since(begun); waited != 0 {
			t.Errorf("the right key waited %v", waited)
		}
		for range attackers {
			got := <-wrong
			turnedAway := got == took{429, 0, "close"}
			if slowed := got.status == 401 && got.wait >= firstWait && got.wait <= longestWait; !turnedAway && !slowed {
				t.Errorf("%+v", got)
			}
		}
	})
}

// Who goes while it waits makes room.
func TestAWaitEndsWithItsRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGated(t)
		public := g.Public()
		ctx, cancel := context.WithCancel(t.Context())
		wrong := g.tries(ctx, public, mostWaiting)
		synctest.Wait()
		cancel()
		for range mostWaiting {
			if got := <-wrong; got.wait != 0 {
				t.Errorf("%+v", got)
			}
		}
		if got := <-g.tries(t.Context(), public, 1); got.status != http.StatusUnauthorized {
			t.Errorf("%+v", got)
		}
	})
}
