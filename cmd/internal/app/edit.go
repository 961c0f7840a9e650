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
	if r.stopped {
		return nil, admin.ErrStopping
	}
	if err := r.catchUp(ctx); err != nil {
		return nil, err
	}
	undo, err := r.write(name, s)
	if err != nil {
		return nil, err
	}
	changes, err := r.putEdit(ctx, name)
	if err == nil {
		return changes, nil
	}
	if back := undo(); back != nil {
		return nil, fmt.Errorf("%w; and its file could not be put back: %w", err, back)
	}
	if cfg, diagnostics, doubt := r.watcher.LoadSure(ctx, name); doubt == nil { // else Run finds it
		_, _ = r.put(ctx, "what the API had changed was taken back", cfg, diagnostics) // it was in force before
	}
	return nil, err
}

// catchUp puts in force what others have changed on disk, as Run would in a moment: what is wrong with it is not laid to the
// edit that comes. What is in doubt it refuses.
func (r *reloader) catchUp(ctx context.Context) error {
	cfg, diagnostics, err := r.watcher.LoadSure(ctx, "")
	if err != nil {
		return inDoubt(err)
	}
	if r.last.Error != "" || cfg == nil || len(config.Compare(r.app.config.Load(), cfg)) > 0 {
		_, _ = r.put(ctx, "the configuration was edited", cfg, diagnostics) // what comes of it is in last
	}
	if r.last.Error != "" {
		return fmt.Errorf("%w: mend it first: %s", admin.ErrBroken, r.last.Error)
	}
	return nil
}

// putEdit puts the written file of a server in force, or what is left without it.
func (r *reloader) putEdit(ctx context.Context, name string) (config.Changes, error) {
	cfg, diagnostics, err := r.watcher.LoadSure(ctx, name)
	switch {
	case err != nil:
		return nil, inDoubt(err)
	case diagnostics.HasErrors():
		return nil, diagnostics
	}
	return r.put(ctx, "the API has changed "+name, cfg, diagnostics)
}

func inDoubt(err error) error {
	return fmt.Errorf("%w: %w: try again in a few seconds", admin.ErrBroken, err)
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

// mayEdit says why edit would fail now, as far as that can be told without doing it.
func (r *reloader) mayEdit(name string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.stopped {
		return admin.ErrStopping
	}
	if err := r.catchUp(context.Background()); err != nil {
		return err
	}
	path, err := r.watcher.MadePath(r.app.config.Load(), name)
	if err != nil {
		return err
	}
	return config.MayPut(path)
}

// canMake says why the API cannot make servers; nil: it can.
func (r *reloader) canMake() error {
	_, err := r.watcher.MadePath(r.app.config.Load(), "any-name-that-is-free")
	return err
}
