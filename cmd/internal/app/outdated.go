package app

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"bearerd/cmd/internal/admin"
	"bearerd/config"
	"bearerd/secrets"
)

// pollPause is between two looks whether a value that a running child holds has changed where it is kept.
const pollPause = time.Minute

// outdatedPrefix is where an exec notes, in the local store, what its child holds that has changed since: the key ends in
// the process's id.
const outdatedPrefix = "outdated/"

// watch looks every minute whether the values in the environment of a child have changed. A child cannot be told: the
// change is logged and shown in status.
func (a *App) watch(ctx context.Context, s *config.Server, held map[string]secrets.Secret, pid int) {
	if !slices.ContainsFunc(slices.Collect(maps.Values(s.Env)), secrets.Ref.MayChange) {
		return
	}
	key := outdatedPrefix + s.Name + "/" + strconv.Itoa(pid)
	defer func() { _ = a.local.Delete(context.WithoutCancel(ctx), key) }() // status drops those of dead processes anyway
	var known []string
	for {
		select {
		case <-time.After(pollPause - rand.N(pollPause/6)):
		case <-ctx.Done():
			return
		}
		changed := a.changed(ctx, s, held, known)
		if slices.Equal(changed, known) || ctx.Err() != nil {
			continue
		}
		known = changed
		if len(changed) > 0 {
			a.Log.Warn("values that the server was started with have changed: restart it to use them", "server", s.Name, "env", changed)
		} else {
			a.Log.Info("the values that the server was started with are in force again", "server", s.Name)
		}
		a.note(ctx, key, admin.Outdated{Server: s.Name, PID: pid, Env: changed})
	}
}

// note keeps what a child holds that has changed, for status to find.
func (a *App) note(ctx context.Context, key string, o admin.Outdated) {
	b, _ := json.Marshal(o) // strings and a number
	_, rev, _ := a.local.Get(ctx, key)
	if _, err := a.local.Put(ctx, key, b, rev); err != nil {
		a.Log.Warn("the change is not shown in status", "server", o.Server, "error", err)
	}
}

// changed names the variables whose value is another one now. Of one that cannot be read the last answer, in known, holds.
func (a *App) changed(ctx context.Context, s *config.Server, held map[string]secrets.Secret, known []string) (names []string) {
	for name, ref := range s.Env {
		if !ref.MayChange() {
			continue
		}
		v, err := a.resolve.ResolveText(ctx, ref)
		if err == nil && !v.Equal(held[name]) || err != nil && slices.Contains(known, name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// outdated lists the notes of the processes that still run.
func (a *App) outdated(ctx context.Context) (notes []admin.Outdated, err error) {
	keys, err := a.local.List(ctx, outdatedPrefix)
	if err != nil {
		return nil, fmt.Errorf("reading what running servers hold: %w", err)
	}
	for _, key := range keys {
		pid, _ := strconv.Atoi(key[strings.LastIndexByte(key, '/')+1:])
		if pid <= 0 || unix.Kill(pid, 0) == unix.ESRCH {
			_ = a.local.Delete(ctx, key)
			continue
		}
		var note admin.Outdated
		if b, _, err := a.local.Get(ctx, key); err == nil && json.Unmarshal(b, &note) == nil && len(note.Env)+len(note.Fields) > 0 {
			notes = append(notes, note)
		}
	}
	return notes, nil
}
