package app

import (
	"context"
	"fmt"

	"bearerd/cmd/internal/admin"
	"bearerd/config"
)

// edit is an admin.Edit. It holds the reload's lock from before the file is written until it is in force or gone again.
func (r *reloader) edit(ctx context.Context, name string, s *config.Server) (config.Changes, error) {
	ctx = context.WithoutCancel(ctx) // who asked may go: half of it must not stay
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.stopped:
		return nil, errStopping
	case r.last.Error != "":
		return nil, fmt.Errorf("%w: mend it first: %s", admin.ErrBroken, r.last.Error)
	}
	undo, err := r.write(name, s)
	if err != nil {
		return nil, err
	}
	cfg, diagnostics := r.watcher.Load(ctx)
	var changes config.Changes
	if diagnostics.HasErrors() {
		err = diagnostics
	} else {
		changes, err = r.put(ctx, "the API has changed "+name, cfg, diagnostics)
	}
	if err == nil {
		return changes, nil
	}
	if back := undo(); back != nil {
		return nil, fmt.Errorf("%w; and its file could not be put back: %w", err, back)
	}
	cfg, diagnostics = r.watcher.Load(ctx)
	_, _ = r.put(ctx, "what the API had changed was taken back", cfg, diagnostics) // it was in force before
	return nil, err
}

// write puts the file of s in its place, or removes that of name.
func (r *reloader) write(name string, s *config.Server) (undo func() error, err error) {
	cfg := r.app.config.Load()
	path, err := r.watcher.MadePath(cfg, name)
	if err != nil {
		return nil, err
	}
	if s == nil {
		return config.RemoveMade(path)
	}
	text, diagnostics := config.Make(s, cfg.Admin)
	if diagnostics.HasErrors() {
		return nil, diagnostics
	}
	return config.PutMade(path, text)
}

// canMake says why the API cannot make servers; nil: it can.
func (r *reloader) canMake() error {
	_, err := r.watcher.MadePath(r.app.config.Load(), "any-name-that-is-free")
	return err
}
