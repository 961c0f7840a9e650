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
)

// errRemoved ends a child whose server is not in the configuration any more.
var errRemoved = errors.New("was removed from the configuration")

// followFile ends the child when its server is removed, and tells of edits that only a new child can follow. What is wrong
// with the file, or with another server, changes nothing.
func (c *child) followFile(ctx context.Context, path string, end context.CancelCauseFunc) {
	watcher := config.NewWatcher(path, c.app.Log)
	watcher.Follow(c.config) // so that a file which is half written is doubted
	present := c.server
	watcher.Run(ctx, func(config.Event) {
		cfg, diagnostics := config.LoadServer(path, present.Name)
		if cfg == nil {
			c.app.Log.Warn("the edited configuration is not followed", "server", present.Name, "error", diagnostics)
			return
		}
		next := cfg.Server(present.Name)
		switch {
		case next == nil || next.Command == "":
			end(fmt.Errorf("server %q %w", present.Name, errRemoved))
		case !reflect.DeepEqual(next, present):
			present = next
			c.outdate(ctx, config.Compare(one(c.server), one(next)))
		}
	})
}

func one(s *config.Server) *config.Config { return &config.Config{Servers: []*config.Server{s}} }

// outdate notes for `status` what the child was started with and is different now.
func (c *child) outdate(ctx context.Context, changes config.Changes) {
	note := admin.Outdated{Server: c.server.Name, PID: os.Getpid()}
	for _, change := range changes {
		for _, f := range change.Fields {
			if f.Class == config.Respawn || f.Class == config.Retoken {
				note.Fields = append(note.Fields, f.Name)
			}
		}
	}
	if len(note.Fields) > 0 {
		c.app.Log.Warn("the server was started with settings that have changed: restart its client to use them", "server", c.server.Name,
			"fields", note.Fields)
	}
	c.app.note(ctx, outdatedPrefix+c.server.Name+"/file/"+strconv.Itoa(note.PID), note)
}
