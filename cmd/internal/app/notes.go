package app

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"bearerd/cmd/internal/admin"
	"bearerd/inject/stdio"
)

// Each exec notes in the local store, for `status` and for other execs, what is to be known of it. The keys end in its
// process id.
const (
	outdatedPrefix = "outdated/"  // what its child holds that has changed since
	troublePrefix  = "trouble/"   // why its server does not serve its client
	holdersPrefix  = "tokenfile/" // its server reads a token file: several clients may have one each
)

// note keeps what is to be said of a child, for status to find.
func (a *App) note(ctx context.Context, key, server string, v any) {
	b, _ := json.Marshal(v) // strings, numbers and times
	_, rev, _ := a.local.Get(ctx, key)
	if _, err := a.local.Put(ctx, key, b, rev); err != nil {
		a.Log.Warn("the change is not shown in status", "server", server, "error", err)
	}
}

// noted lists the keys under prefix that belong to processes which still run, and drops those of the others, killed perhaps.
func (a *App) noted(ctx context.Context, prefix string) (keys []string, err error) {
	all, err := a.local.List(ctx, prefix)
	if err != nil {
		return nil, fmt.Errorf("reading what running servers hold: %w", err)
	}
	for _, key := range all {
		pid, _ := strconv.Atoi(key[strings.LastIndexByte(key, '/')+1:])
		if pid <= 0 || !stdio.Runs(pid) {
			_ = a.local.Delete(ctx, key)
			continue
		}
		keys = append(keys, key)
	}
	return keys, nil
}

// notes reads what is noted under prefix by the processes that still run.
func notes[T any](ctx context.Context, a *App, prefix string) (list []T, err error) {
	keys, err := a.noted(ctx, prefix)
	for _, key := range keys {
		var note T
		if b, _, err := a.local.Get(ctx, key); err == nil && json.Unmarshal(b, &note) == nil {
			list = append(list, note)
		}
	}
	return list, err
}

// trouble gives what notes for `status` that a server does not serve its client; the zero Trouble takes it back.
func (a *App) trouble(ctx context.Context, server string) func(stdio.Trouble) {
	ctx = context.WithoutCancel(ctx) // what was noted is taken back at the end, too
	key := troublePrefix + server + "/" + strconv.Itoa(os.Getpid())
	noted := false
	return func(t stdio.Trouble) {
		switch {
		case t.State != "":
			noted = true
			a.note(ctx, key, server, admin.Trouble{
				Server: server, PID: os.Getpid(), State: t.State, Reason: t.Reason, Ended: t.Ended, Next: t.Next.UTC().Truncate(time.Second),
			})
		case noted:
			noted = false
			_ = a.local.Delete(ctx, key)
		}
	}
}
