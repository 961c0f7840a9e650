// Package audit writes the audit log: who did what to which server's token, one JSON line each. It takes no token and no
// secret, only fingerprints, and decides nothing.
package audit

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"time"
)

// Entry is one line. Its longest fields are cut if it would have 4 KiB or more.
type Entry struct {
	Time    time.Time `json:"time"`              // written in UTC, to the millisecond; zero: now
	Event   string    `json:"event"`             // request, answer, delivered, or an engine.EventKind
	Actor   string    `json:"actor"`             // key admin, session 3f2a…, uid 1000, client claude, bearerd, browser, unknown
	Action  string    `json:"action,omitempty"`  // of a request: POST /api/servers/{name}/refresh
	Server  string    `json:"server,omitempty"`  //
	Secret  string    `json:"secret,omitempty"`  // the name of one that is set or removed
	Token   string    `json:"token,omitempty"`   // its fingerprint
	Scope   string    `json:"scope,omitempty"`   // as granted
	Outcome string    `json:"outcome,omitempty"` // of an answer: its HTTP status
	Reason  string    `json:"reason,omitempty"`  // of a failure
	ID      string    `json:"id,omitempty"`      // joins a request with its answer; else the correlation id of the token request
	PID     int       `json:"pid"`               // filled in: of the process that wrote the line
}

// Log is an audit log at a path. Any number of goroutines and processes may write to it at once.
type Log struct{ path string }

// New is the log at path; it is made, 0600, when the first line is written.
func New(path string) *Log { return &Log{path} }

// Write appends a line. It fails when the line is not known to be in the file: then what it tells of may not be done.
func (l *Log) Write(e Entry) error {
	f, err := l.open()
	if err != nil {
		return err
	}
	err = appendLine(f, e.line())
	if closing := f.Close(); err == nil {
		err = closing
	}
	if err != nil {
		return fmt.Errorf("writing the audit log %s: %w: make room on its disk", l.path, err)
	}
	return nil
}

// Check says why no line could be written now, as far as that can be known without writing one.
func (l *Log) Check() error {
	f, err := l.open()
	if err != nil {
		return err
	}
	return f.Close()
}

// maxLine bounds a line in bytes, so that one write takes it whole.
const maxLine = 4<<10 - 1

// line is e as JSON with a line end. JSON escapes what could end a line before.
func (e Entry) line() []byte {
	e.PID = os.Getpid()
	if e.Time.IsZero() {
		e.Time = time.Now()
	}
	out := struct {
		Time string `json:"time"` // of the same width in every line
		Entry
	}{e.Time.UTC().Format("2006-01-02T15:04:05.000Z07:00"), e}
	for limit := 1 << 10; ; limit /= 2 {
		b, _ := json.Marshal(out) // strings and a number
		if len(b) < maxLine {
			return append(b, '\n')
		}
		for _, field := range []*string{&out.Event, &out.Actor, &out.Action, &out.Server, &out.Token, &out.Scope,
			&out.Outcome, &out.Reason, &out.ID} {
			*field = cut(*field, limit)
		}
	}
}

// cut shortens s to limit bytes; a character that is cut in two goes.
func cut(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	return strings.ToValidUTF8(s[:limit], "") + "…"
}

type actorKey struct{}

// WithActor says on whose behalf something is done.
func WithActor(ctx context.Context, actor string) context.Context {
	return context.WithValue(ctx, actorKey{}, actor)
}

// Actor is on whose behalf something is done: bearerd's own, where nobody is named.
func Actor(ctx context.Context) string {
	if actor, ok := ctx.Value(actorKey{}).(string); ok {
		return actor
	}
	return "bearerd"
}
