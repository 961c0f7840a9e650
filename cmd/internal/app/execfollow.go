package app

import (
	"context"
	"errors"
	"fmt"
	"os"
	"reflect"
	"strconv"

	"bearerd/cmd/internal/admin"
	"bearerd/config"
	"bearerd/engine"
	"bearerd/inject/stdio"
)

// errRemoved ends an exec whose server is not in the configuration any more.
var errRemoved = errors.New("was removed from the configuration")

// follower is what exec serves: a child or a bridge.
type follower interface {
	edited(ctx context.Context, next *config.Server)
	renewed(ctx context.Context, paths []string) // files that the configuration names have changed
}

// followFile tells f of edits of its server, and ends it when the server is removed. What is wrong with the file, or with
// another server, changes nothing.
func (a *App) followFile(ctx context.Context, started *config.Config, present *config.Server, path string, f follower, end context.CancelCauseFunc) {
	watcher := config.NewWatcher(path, a.Log)
	watcher.Follow(started) // so that a file which is half written is doubted
	watcher.Run(ctx, func(e config.Event) {
		if len(e.Materials) > 0 {
			f.renewed(ctx, e.Materials)
			a.engine.Mended()
		}
		if !e.Loaded {
			return
		}
		cfg, diagnostics := config.LoadServer(path, present.Name)
		if cfg == nil {
			a.Log.Warn("the edited configuration is not followed", "server", present.Name, "error", diagnostics)
			return
		}
		next := cfg.Server(present.Name)
		switch {
		case next == nil || (next.Command == "") != (present.Command == ""):
			end(fmt.Errorf("server %q %w", present.Name, errRemoved))
		case !reflect.DeepEqual(next, present):
			present = next
			f.edited(ctx, next)
		}
	})
}

func one(s *config.Server) *config.Config { return &config.Config{Servers: []*config.Server{s}} }

// prepare lets the engine get ready for an edit of the one server that this process serves; Commit puts it in force. The
// stores stay as they are.
func (a *App) prepare(s *config.Server) *engine.Plan {
	only := *a.config.Load()
	only.Servers = []*config.Server{s}
	a.config.Store(&only)
	if a.elsewhere {
		return a.engine.Prepare(passed(&only))
	}
	return a.engine.Prepare(&only)
}

// edited lets a new process take over with the edited settings, or says that the one that runs keeps the old ones.
func (c *child) edited(ctx context.Context, next *config.Server) {
	c.settling.Lock()
	defer c.settling.Unlock()
	before := c.present()
	respawn := respawns(config.Compare(one(before), one(next)))
	relayed := before.Relayed() && next.Relayed() && !stdio.IsTerminal(os.Stdin)
	if len(respawn) > 0 && !relayed {
		c.outdate(ctx, respawn)
		return
	}
	if len(respawn) > 0 && !c.waiting {
		c.app.Log.Info("the settings of the server have changed: a new process is to take over", "server", next.Name, "fields", respawn)
		c.keeper.Changed() // before the token goes, which is a reason too: one exchange is enough
	}
	_ = c.app.local.Delete(ctx, c.outdatedKey())
	c.follow(ctx, next)
	if before.TokenFile != next.TokenFile {
		_ = stdio.RemoveToken(before)
		c.holdFile(ctx)
	}
}

// follow puts the settings in force. settling is held.
func (c *child) follow(ctx context.Context, next *config.Server) {
	plan := c.app.prepare(next)
	if own := c.proxyFor(next); own != nil { // first: a request that the old source sends away finds the new one
		if _, err := c.route(ctx, own, next, plan.Source(next.Name)); err != nil {
			c.app.Log.Error("the edited settings of the server cannot be used", "server", next.Name, "error", err)
		}
	}
	c.mu.Lock()
	if !sameFile(c.server, next) {
		c.written = nil
	}
	c.server = next
	c.mu.Unlock()
	plan.Commit()
}

// sameFile reports whether the token file of two servers is the same, with the same rights.
func sameFile(a, b *config.Server) bool {
	return a.TokenFile == b.TokenFile && a.TokenFileMode == b.TokenFileMode && a.TokenFileGroup == b.TokenFileGroup
}

// renewed looks at once whether values in the child's environment have changed.
func (c *child) renewed(ctx context.Context, paths []string) {
	c.renewProxies(ctx, paths)
	select {
	case c.look <- struct{}{}:
	default: // it will look
	}
}

// respawns names the fields whose change wants another process.
func respawns(changes config.Changes) (fields []string) {
	for _, change := range changes {
		for _, f := range change.Fields {
			if f.Class == config.Respawn || f.Class == config.Retoken {
				fields = append(fields, f.Name)
			}
		}
	}
	return fields
}

// outdate notes for `status` what the child was started with and is different now.
func (c *child) outdate(ctx context.Context, fields []string) {
	note := admin.Outdated{Server: c.name, PID: os.Getpid(), Fields: fields}
	c.app.Log.Warn("the server was started with settings that have changed: restart its client to use them", "server", c.name,
		"fields", note.Fields)
	c.app.note(ctx, c.outdatedKey(), note.Server, note)
}

// outdatedKey is where edits that the child does not follow are noted.
func (c *child) outdatedKey() string {
	return outdatedPrefix + c.name + "/file/" + strconv.Itoa(os.Getpid())
}
