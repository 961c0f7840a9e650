package app

import (
	"context"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"time"

	"bearerd/cmd/internal/admin"
	"bearerd/config"
	"bearerd/inject/stdio"
	"bearerd/secrets"
)

// pollPause is between two looks whether a value that a running child holds has changed where it is kept.
const pollPause = time.Minute

// watch looks every minute whether the values in the environment of a child have changed. Behind a relay a new process takes
// over with them. Another child cannot be told: the change is logged and shown in status.
func (c *child) watch(ctx context.Context, pid int) {
	a := c.app
	key := outdatedPrefix + c.name + "/" + strconv.Itoa(pid)
	defer func() { _ = a.local.Delete(context.WithoutCancel(ctx), key) }() // status drops those of dead processes anyway
	var known []string
	for {
		select {
		case <-time.After(pollPause - rand.N(pollPause/6)):
		case <-c.look:
		case <-ctx.Done():
			return
		}
		s, held := c.held()
		if !slices.ContainsFunc(slices.Collect(maps.Values(s.Env)), secrets.Ref.MayChange) {
			continue
		}
		changed := a.changed(ctx, s, held, known)
		if slices.Equal(changed, known) || ctx.Err() != nil {
			continue
		}
		switch {
		case s.Relayed() && !stdio.IsTerminal(os.Stdin):
			a.Log.Info("values of the server have changed: a new process is to take over", "server", s.Name, "env", changed)
			c.keeper.Changed()
			continue
		case len(changed) > 0:
			a.Log.Warn("values that the server was started with have changed: restart its client to use them", "server", s.Name, "env", changed)
		default:
			a.Log.Info("the values that the server was started with are in force again", "server", s.Name)
		}
		known = changed
		a.note(ctx, key, s.Name, admin.Outdated{Server: s.Name, PID: pid, Env: changed})
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

// outdated lists what running children hold that has changed.
func (a *App) outdated(ctx context.Context) ([]admin.Outdated, error) {
	list, err := notes[admin.Outdated](ctx, a, outdatedPrefix)
	return slices.DeleteFunc(list, func(o admin.Outdated) bool { return len(o.Env)+len(o.Fields) == 0 }), err
}

// troubled lists the children that do not serve their clients.
func (a *App) troubled(ctx context.Context) ([]admin.Trouble, error) {
	return notes[admin.Trouble](ctx, a, troublePrefix)
}
