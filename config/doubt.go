package config

import (
	"context"
	"errors"
	"time"
)

// ErrDoubt says that what is on disk may be half of a change, so that nothing was loaded.
var ErrDoubt = errors.New("files of the configuration are being changed")

// LoadSure is Load, but for what Run would doubt: then nothing is loaded, and the error is ErrDoubt. That edited is gone is
// no doubt: the caller has written its file, and may remove it; "": no file was written yet.
func (w *Watcher) LoadSure(ctx context.Context, edited string) (*Config, Diagnostics, error) {
	settle := w.settle
	if edited == "" { // what others have changed must have stayed as long as Run wants it to
		settle = w.quiet
	}
	r, ok := w.still(ctx, settle)
	if !ok {
		return nil, nil, ErrDoubt
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if r.text == w.seen && w.newest != nil {
		return w.newest, w.last, nil
	}
	cfg, attempted := w.finish(r)
	if w.doubt(r, cfg, edited) > 0 {
		return nil, nil, ErrDoubt
	}
	w.keep(r, attempted)
	w.doubted = ""
	return cfg, r.loader.diags, nil
}

// doubt is how long to wait for the same text: a file is gone, or all that was in it, or most servers are. Programs that save
// a file leave such things for a moment.
func (w *Watcher) doubt(r reading, cfg *Config, edited string) time.Duration {
	missing := edited == "" && (r.missing || r.loader.empty)
	if len(w.names) == 0 || !missing && !w.ends(r, cfg, edited) {
		return 0
	}
	if w.doubted != r.text {
		w.doubted, w.doubtedSince = r.text, time.Now()
		w.log.Info("the configuration is not complete, or ends servers with their file, or most of them: waiting whether it stays like this",
			"for", w.hold)
	}
	return max(0, w.hold-time.Since(w.doubtedSince))
}

// ends reports whether cfg is without a server in force whose file is empty or gone, or without most servers.
func (w *Watcher) ends(r reading, cfg *Config, edited string) bool {
	if cfg == nil {
		return false
	}
	there := map[string]bool{edited: true}
	for _, s := range cfg.Servers {
		there[s.Name], there[s.MovedFrom] = true, true
	}
	gone := 0
	for _, name := range w.names {
		if there[name] {
			continue
		}
		if file := w.where[name]; file != "" && !r.filled[file] {
			return true
		}
		gone++
	}
	return gone == len(w.names) && len(cfg.Servers) == 0 || len(w.names) > 1 && 2*gone > len(w.names)
}
