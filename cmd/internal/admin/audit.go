package admin

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"bearerd/cmd/internal/audit"
	"bearerd/secrets"
)

// revealing are the routes that only read but hand out a secret: they are written down before they are answered, as those
// that change something are.
var revealing = []string{"GET /api/servers/{name}/token", "GET /api/servers/{name}/key/{client}"}

// How many lines a minute those may cause who have no key: they could fill the disk.
const (
	refusedLines = 10
	visitedLines = 30
)

// audited has a route written down: who asked for it, and what became of it. What changes something is not done unless
// that is written first.
func (a *API) audited(r route) http.HandlerFunc {
	if a.Audit == nil || r.who == open || r.who == asset || r.who == scraper {
		return r.handler
	}
	return func(w http.ResponseWriter, req *http.Request) {
		line := audit.Entry{
			Event: "request", Actor: audit.Actor(req.Context()), Action: r.pattern, Server: serverOf(req, r.pattern), Secret: secretOf(req, r.pattern), ID: newID(),
		}
		if err := a.before(r, line); err != nil {
			deny(w, http.StatusServiceUnavailable, fmt.Sprintf("nothing was done, because it could not be written down: %v", err))
			return
		}
		req = req.WithContext(context.WithValue(req.Context(), lineKey{}, line))
		told := &teller{ResponseWriter: w, tell: func(status int) {
			line.Event, line.Outcome = "answer", strconv.Itoa(status)
			line.Server = serverOf(req, r.pattern) // the body may have named it
			a.after(r, line)
		}}
		r.handler(told, req)
		told.once(http.StatusOK)
	}
}

// before says why a request may not be answered. Of a visitor there is no line yet, as anybody can be one: see
// proved.
func (a *API) before(r route, line audit.Entry) error {
	method, _, _ := strings.Cut(r.pattern, " ")
	switch {
	case r.who == visitor:
		return a.Audit.Check()
	case method != http.MethodGet || slices.Contains(revealing, r.pattern):
		return a.Audit.Write(line)
	}
	return nil
}

// lineKey finds the line of a request in its context.
type lineKey struct{}

// errUnwritten is why nothing comes of what a visitor has asked for.
var errUnwritten = errors.New("it could not be written down")

// proved writes down the request of a visitor who has proved that the sign-in of a server is theirs, before anything comes
// of it.
func (a *API) proved(r *http.Request, server string) error {
	line, ok := r.Context().Value(lineKey{}).(audit.Entry)
	if a.Audit == nil || !ok {
		return nil
	}
	r.SetPathValue("id", server) // for the line of the answer
	line.Server = server
	if err := a.Audit.Write(line); err != nil {
		return fmt.Errorf("%w: %w", errUnwritten, err)
	}
	return nil
}

// after writes what was answered. That this fails changes nothing any more.
func (a *API) after(r route, line audit.Entry) {
	if r.who == visitor {
		a.writeSome(&a.visited, visitedLines, line)
		return
	}
	a.write(line)
}

// refuse answers a request that is not let in. action is the pattern of its route; "": it has none.
func (a *API) refuse(w http.ResponseWriter, status int, action, why string) {
	if a.Audit != nil {
		a.writeSome(&a.refused, refusedLines, audit.Entry{
			Event: "answer", Actor: "unknown", Action: action, Outcome: strconv.Itoa(status), Reason: why, ID: newID(),
		})
	}
	deny(w, status, why)
}

// writeSome writes a line unless there were too many of its kind in this minute.
func (a *API) writeSome(q *quota, limit int, line audit.Entry) {
	if q.take(limit) {
		a.write(line)
	}
}

// write writes a line, and before it how many were left out.
func (a *API) write(line audit.Entry) {
	for _, q := range []*quota{&a.refused, &a.visited} {
		if left := q.ended(); left > 0 {
			a.writeLine(audit.Entry{Event: "answer", Actor: "unknown", Reason: strconv.Itoa(left) + " more lines like those before were left out"})
		}
	}
	a.writeLine(line)
}

func (a *API) writeLine(line audit.Entry) {
	if err := a.Audit.Write(line); err != nil && a.Log != nil && a.unwritten.take(1) {
		a.Log.Error("the audit log cannot be written: commands and the API change nothing until it can", "error", err)
	}
}

func newID() string {
	b := make([]byte, 4)
	_, _ = rand.Read(b) // never fails (crypto/rand)
	return hex.EncodeToString(b)
}

var serverName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$`)

// serverOf is the server that the path names; "": none, or what cannot be one.
func serverOf(r *http.Request, pattern string) string {
	name := strings.TrimPrefix(r.PathValue("id"), "oauth_cfg.")
	if strings.Contains(pattern, " /api/servers/") {
		name = r.PathValue("name")
	}
	if !serverName.MatchString(name) {
		return ""
	}
	return name
}

// secretOf is the secret whose value is set or removed; "": none.
func secretOf(r *http.Request, pattern string) string {
	if name := r.PathValue("name"); strings.Contains(pattern, " /api/secrets/") && secrets.ValidName(name) {
		return name
	}
	return ""
}

// teller tells the status of an answer before it is sent. What else the ResponseWriter can do is reached through Unwrap.
type teller struct {
	http.ResponseWriter
	tell func(status int)
}

func (t *teller) once(status int) {
	if t.tell != nil && status >= http.StatusOK {
		t.tell(status)
		t.tell = nil
	}
}

// WriteHeader implements http.ResponseWriter.
func (t *teller) WriteHeader(status int) {
	t.once(status)
	t.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (t *teller) Write(b []byte) (int, error) {
	t.once(http.StatusOK)
	return t.ResponseWriter.Write(b)
}

// Unwrap is for http.ResponseController.
func (t *teller) Unwrap() http.ResponseWriter { return t.ResponseWriter }

// quota lets some things pass in each minute and counts the others.
type quota struct {
	mu     sync.Mutex // guards what follows
	since  time.Time
	passed int
	over   int // of this minute
	left   int // of minutes that have ended
}

// take reports whether one more of limit may pass.
func (q *quota) take(limit int) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.turn()
	if q.passed >= limit {
		q.over++
		return false
	}
	q.passed++
	return true
}

// ended is how many did not pass in minutes that have ended; they are told once.
func (q *quota) ended() (left int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.turn()
	left, q.left = q.left, 0
	return left
}

// turn begins a minute. mu is held.
func (q *quota) turn() {
	if now := time.Now(); now.Sub(q.since) >= time.Minute {
		q.left += q.over
		q.since, q.passed, q.over = now, 0, 0
	}
}
