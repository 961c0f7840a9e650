package admin

import (
	"context"
	"encoding/json"
	"net/http"
	"regexp"
	"testing"
	"testing/synctest"
	"time"

	"bearerd/cmd/internal/audit"
)

// login makes a session with the admin key.
func (g *gated) login(t testing.TB) Session {
	t.Helper()
	var s Session
	resp := answerTo(g.Public(), g.ask(http.MethodPost, "/api/session"))
	if err := json.NewDecoder(resp.Body).Decode(&s); err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%d %v", resp.StatusCode, err)
	}
	return s
}

func (g *gated) with(key, method, path string) int {
	return answerTo(g.Public(), g.ask(method, path, "Authorization", "Bearer "+key)).StatusCode
}

func TestSessionsWorkWhereTheKeyDoesUntilTheyEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGated(t)
		one, other := g.login(t), g.login(t)
		if !regexp.MustCompile(`^brs_[A-Za-z0-9_-]{43}$`).MatchString(one.Session) || one.Session == other.Session {
			t.Error("sessions have another form")
		}
		if life := time.Until(one.Expires); life != 12*time.Hour {
			t.Errorf("it lives %v", life)
		}
		if got := g.with(one.Session, http.MethodPost, "/api/reload"); got != http.StatusOK || g.reloads != 1 {
			t.Errorf("a change: %d", got)
		}
		if got := g.with(one.Session, http.MethodPost, "/api/session"); got != http.StatusForbidden {
			t.Errorf("a session begets another: %d", got)
		}
		if got := g.with(one.Session, http.MethodDelete, "/api/session"); got != http.StatusNoContent {
			t.Errorf("its end: %d", got)
		}
		if got := g.with(one.Session, http.MethodGet, "/api/secrets"); got != http.StatusUnauthorized {
			t.Errorf("after its end: %d", got)
		}
		time.Sleep(12*time.Hour - time.Since(g.begun(other)) - time.Second)
		if got := g.with(other.Session, http.MethodGet, "/api/secrets"); got != http.StatusOK {
			t.Errorf("before its time: %d", got)
		}
		time.Sleep(time.Second)
		if got := g.with(other.Session, http.MethodGet, "/api/secrets"); got != http.StatusUnauthorized {
			t.Errorf("after its time: %d", got)
		}
		if got := g.with(theKey, http.MethodDelete, "/api/session"); got != http.StatusBadRequest {
			t.Errorf("the end of none: %d", got)
		}
	})
}

func (g *gated) begun(s Session) time.Time { return s.Expires.Add(-sessionLife) }

func TestTheOldestSessionMakesRoom(t *testing.T) {
	g := newGated(t)
	first, second := g.login(t), g.login(t)
	for range maxSessions - 1 {
		g.login(t)
	}
	if g.sessions.holds(digestOf(first.Session)) || !g.sessions.holds(digestOf(second.Session)) || len(g.sessions.kept) != maxSessions {
		t.Errorf("%d are kept, or not the newest", len(g.sessions.kept))
	}
}

// A stream ends with its session, however that ends.
func TestNothingFlowsAfterTheEndOfASession(t *testing.T) {
	for name, end := range map[string]func(*gated, Session){
		"signed out": func(g *gated, s Session) { g.with(s.Session, http.MethodDelete, "/api/session") },
		"expired":    func(*gated, Session) { time.Sleep(sessionLife) },
		"pushed out": func(g *gated, _ Session) {
			for range maxSessions {
				g.sessions.begin()
			}
		},
	} {
		synctest.Test(t, func(t *testing.T) {
			g := newGated(t)
			s := g.login(t)
			ended := make(chan error, 1)
			stream := g.guarded(route{"GET /stream", keyed, func(_ http.ResponseWriter, r *http.Request) {
				<-r.Context().Done()
				ended <- r.Context().Err()
			}})
			ctx, cancel := context.WithCancel(t.Context())
			go answerTo(stream, g.ask(http.MethodGet, "/stream", "Authorization", "Bearer "+s.Session).WithContext(ctx))
			synctest.Wait()
			if len(ended) > 0 {
				t.Errorf("%s: it ended before", name)
			}
			end(g, s)
			synctest.Wait()
			if len(ended) == 0 {
				t.Errorf("%s: it goes on", name)
			}
			cancel()
		})
	}
}

func TestActorsOfKeys(t *testing.T) {
	g := newGated(t)
	s := g.login(t)
	var actor string
	h := g.guarded(route{"GET /x", keyed, func(_ http.ResponseWriter, r *http.Request) { actor = audit.Actor(r.Context()) }})
	for key, want := range map[string]string{theKey: `^key admin$`, s.Session: `^session [0-9a-f]{6}$`} {
		answerTo(h, g.ask(http.MethodGet, "/x", "Authorization", "Bearer "+key))
		if !regexp.MustCompile(want).MatchString(actor) {
			t.Errorf("%q is not %s", actor, want)
		}
	}
}
