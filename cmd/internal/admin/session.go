package admin

import (
	"context"
	"encoding/hex"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"bearerd/cmd/internal/audit"
)

// What is kept of the page's sessions.
const (
	sessionLife = 12 * time.Hour
	maxSessions = 64
)

// Session is what the page shows in place of the admin key, so that it need not keep that.
type Session struct {
	Session string    `json:"session"`
	Expires time.Time `json:"expires_at"`
}

// session is what is remembered of one. The restart of the daemon ends all.
type session struct {
	digest  digest
	expires time.Time
	over    chan struct{} // closed when it ends
}

// sessions are those that were begun, the oldest first.
type sessions struct {
	mu   sync.Mutex
	kept []session // guarded by mu
}

// begin makes a session. The oldest makes room for it.
func (s *sessions) begin() Session {
	made := Session{"brs_" + random(), time.Now().Add(sessionLife).Round(0)} // by the wall clock: a laptop sleeps
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tidy()
	for len(s.kept) >= maxSessions {
		s.drop(s.kept[0].digest)
	}
	s.kept = append(s.kept, session{digestOf(made.Session), made.Expires, make(chan struct{})})
	return made
}

// holds reports whether this is a session that has not ended.
func (s *sessions) holds(d digest) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tidy()
	return s.find(d) >= 0
}

// bind has ctx end with the session, so that nothing flows on after its end. What is no session has no end. The request
// calls done in the end.
func (s *sessions) bind(ctx context.Context, d digest) (_ context.Context, done func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	at := s.find(d)
	if at < 0 {
		return ctx, func() {}
	}
	ctx, cancel := context.WithDeadline(ctx, s.kept[at].expires)
	var wg sync.WaitGroup
	over := s.kept[at].over
	wg.Go(func() {
		select {
		case <-over:
			cancel()
		case <-ctx.Done():
		}
	})
	return ctx, func() { cancel(); wg.Wait() }
}

func (s *sessions) end(d digest) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.drop(d)
}

// find is the place of a session; -1: there is none. mu is held.
func (s *sessions) find(d digest) int {
	return slices.IndexFunc(s.kept, func(k session) bool { return k.digest.equal(d) })
}

// drop ends a session. mu is held.
func (s *sessions) drop(d digest) {
	if at := s.find(d); at >= 0 {
		close(s.kept[at].over)
		s.kept = slices.Delete(s.kept, at, at+1)
	}
}

// tidy drops the sessions whose time has come. mu is held.
func (s *sessions) tidy() {
	for _, k := range slices.Clone(s.kept) {
		if !time.Now().Before(k.expires) {
			s.drop(k.digest)
		}
	}
}

// sessionActor begins the actor of every session.
const sessionActor = "session "

// actorOf tells sessions apart in the audit log.
func actorOf(d digest) string { return sessionActor + hex.EncodeToString(d[:3]) }

// beginSession lets no session beget another: it would live for ever.
func (a *API) beginSession(w http.ResponseWriter, r *http.Request) {
	if strings.HasPrefix(audit.Actor(r.Context()), sessionActor) {
		deny(w, http.StatusForbidden, "a session is made with the admin key, which `bearerd admin-key` prints")
		return
	}
	reply(w, a.sessions.begin())
}

func (a *API) endSession(w http.ResponseWriter, r *http.Request) {
	d := digestOf(shownKey(r))
	if !a.sessions.holds(d) {
		deny(w, http.StatusBadRequest, "there is no session to end: send it as Authorization: Bearer SESSION")
		return
	}
	a.sessions.end(d)
	w.WriteHeader(http.StatusNoContent)
}
