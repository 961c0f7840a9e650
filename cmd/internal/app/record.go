package app

import (
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"bearerd/cmd/internal/audit"
	"bearerd/config"
	"bearerd/engine"
	"bearerd/inject/proxy"
)

// AuditLog is the audit log of a configuration: a file in the state folder.
func AuditLog(cfg *config.Config) *audit.Log {
	return audit.New(filepath.Join(cfg.Store.Path, "audit.jsonl"))
}

// maxWaiting bounds the lines that wait for a disk that hangs.
const maxWaiting = 10_000

// recorder writes to the audit log what happens by itself, in order, without holding up whoever tells of it. A nil one
// writes nothing: this process has no state folder.
type recorder struct {
	audit *audit.Log
	log   *slog.Logger
	done  sync.WaitGroup

	mu      sync.Mutex
	waiting []audit.Entry // guarded by mu
	lost    int           // guarded by mu: lines that are in no file
	writing bool          // guarded by mu: a goroutine empties waiting
	told    time.Time     // guarded by mu: when the log was last told that lines are lost
}

// add takes in a line. One that cannot be written is counted in the log: a token is served all the same.
func (r *recorder) add(e audit.Entry) {
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	e.Time = time.Now()
	if len(r.waiting) >= maxWaiting {
		r.lost++
		return
	}
	r.waiting = append(r.waiting, e)
	if !r.writing {
		r.writing = true
		r.done.Go(r.write)
	}
}

// write empties waiting.
func (r *recorder) write() {
	for {
		r.mu.Lock()
		lines := r.waiting
		r.waiting = nil
		if r.writing = len(lines) > 0; !r.writing {
			r.mu.Unlock()
			return
		}
		r.mu.Unlock()
		for _, e := range lines {
			if err := r.audit.Write(e); err != nil {
				r.failed(err)
			}
		}
	}
}

func (r *recorder) failed(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lost++
	if time.Since(r.told) < time.Minute {
		return
	}
	r.told = time.Now()
	r.log.Error("the audit log cannot be written: commands and the API change nothing until it can", "lost", r.lost, "error", err)
}

// happened records what became of a token.
func (r *recorder) happened(e engine.Event) {
	if r == nil || e.Kind == engine.Changed {
		return
	}
	r.add(audit.Entry{Event: string(e.Kind), Actor: "bearerd", Server: e.Server, Token: e.Token, Scope: e.Scope, Reason: e.Reason, ID: e.CorrelationID})
}

// delivered records the first delivery of a token to a client of the proxy.
func (r *recorder) delivered(d proxy.Delivery) {
	r.add(audit.Entry{Event: "delivered", Actor: "client " + d.Client, Server: d.Server, Token: d.Token})
}

// Recorded writes down that a command is about to do something that no daemon is asked for. It fails where that is not
// known to be written: then it may not be done.
func Recorded(cfg *config.Config, action string) error {
	return AuditLog(cfg).Write(audit.Entry{Time: time.Now(), Event: "request", Actor: self(), Action: action})
}

// given records that a program on this host was given a token: the child of an exec, or whoever asked at a socket.
func (r *recorder) given(to, server string, t *engine.Token) {
	if t != nil {
		r.add(audit.Entry{Event: "delivered", Actor: to, Server: server, Token: t.Access().Fingerprint()})
	}
}

// self is this process as an actor.
func self() string { return "uid " + strconv.Itoa(os.Getuid()) }
