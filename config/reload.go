package config

import (
	"context"
	"maps"
	"slices"
	"time"
)

// maxReadings is how often Load reads a file that is being written.
const maxReadings = 20

// Load is the function Load, for the first time and for whoever asks for it now: it waits for a file that is being written,
// and for nothing else. Run tells of what changes from here on.
func (w *Watcher) Load(ctx context.Context) (*Config, Diagnostics) {
	r, _ := w.still(ctx, w.settle)
	w.mu.Lock()
	defer w.mu.Unlock()
	cfg, attempted := w.finish(r)
	w.keep(r, attempted)
	return cfg, r.loader.diags
}

// still reads until two readings, settle apart, are equal; false: it has given up.
func (w *Watcher) still(ctx context.Context, settle time.Duration) (r reading, ok bool) {
	r = read(w.path, w.paths())
	w.mu.Lock()
	ok = w.seen == "" || w.seen == r.text
	w.mu.Unlock()
	for i := 0; !ok && i < maxReadings && pause(ctx, settle); i++ {
		next := read(w.path, w.paths())
		ok = next.same(r)
		r = next
	}
	return r, ok
}

// Follow says which configuration is in force: the files that it names are watched, and a file that would end most of its
// servers is doubted.
func (w *Watcher) Follow(cfg *Config) {
	w.mu.Lock()
	w.inUse = named(cfg)
	w.names = w.names[:0]
	for _, s := range cfg.Servers {
		w.names = append(w.names, s.Name)
	}
	w.track()
	w.mu.Unlock()
	select {
	case w.poke <- struct{}{}:
	default:
	}
}

// finish makes a configuration of a reading. Files that have not changed since the last load are not decoded again.
func (w *Watcher) finish(r reading) (cfg, attempted *Config) {
	r.loader.known, r.loader.kept = w.cache, cache{}
	cfg, attempted = r.loader.finish()
	if cfg != nil {
		cfg.remember()
	}
	return cfg, attempted
}

func named(cfg *Config) map[string]struct{} {
	m := map[string]struct{}{}
	cfg.files(func(path string) { m[path] = struct{}{} })
	return m
}

// paths are the files to read beside the configuration.
func (w *Watcher) paths() map[string]string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return maps.Clone(w.files)
}

// folder is the conf_dir to watch.
func (w *Watcher) folder() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.dir
}

// FileOf is the file that the server is written in, as of the latest load without errors; "": it is in none.
func (w *Watcher) FileOf(server string) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.where[server]
}

// keep remembers what was loaded.
func (w *Watcher) keep(r reading, attempted *Config) {
	w.seen, w.last, w.tried, w.named = r.text, r.loader.diags, r.files, named(attempted)
	w.newest, w.cache = attempted, r.loader.kept
	if w.last.HasErrors() {
		w.newest = nil
	} else {
		w.where = r.loader.where
	}
	if r.loader.confDir != "" || !w.last.HasErrors() {
		w.dir = r.loader.confDir
	}
	w.track()
}

// Newest reports whether cfg is of the last reading, be it one of Load or of Run; nil stands for one with errors. Who has an
// older one comes too late with it.
func (w *Watcher) Newest(cfg *Config) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return cfg == w.newest
}

// track keeps the hashes of the files that are named, and reads those that are new.
func (w *Watcher) track() {
	files := make(map[string]string, len(w.named))
	for _, set := range []map[string]struct{}{w.named, w.inUse} {
		for path := range set {
			sum, ok := w.files[path]
			if !ok {
				sum = contentHash(path)
			}
			files[path] = sum
		}
	}
	w.files = files
}

// check reads, and calls apply when there is something to tell. It returns when to look again without an event; 0: not.
func (w *Watcher) check(ctx context.Context, settle time.Duration, apply func(Event)) time.Duration {
	w.follow()
	paths := w.paths()
	before := read(w.path, paths)
	if !pause(ctx, settle) {
		return 0
	}
	r := read(w.path, paths)
	if !r.same(before) {
		return w.quiet
	}
	event, wait := w.judge(r)
	if event.Loaded || len(event.Materials) > 0 {
		apply(event)
	}
	return wait
}

// judge says what a reading means.
func (w *Watcher) judge(r reading) (event Event, wait time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	retry := w.last.HasErrors() && !maps.Equal(r.files, w.tried) // a file that was missing may be there
	if r.text != w.seen || retry {
		cfg, attempted := w.finish(r)
		if wait := w.doubt(r, cfg, ""); wait > 0 {
			return Event{}, wait
		}
		if r.text != w.seen || !slices.Equal(w.last, r.loader.diags) {
			event = Event{Loaded: true, Config: cfg, Diagnostics: r.loader.diags}
		}
		dir := w.dir
		w.keep(r, attempted)
		if cfg == nil || dir != w.dir {
			wait = w.quiet // what it names is watched from then on
		}
	}
	w.doubted = ""
	event.Materials = w.changed(r.files)
	return event, wait
}

// changed keeps the new hashes and lists the files in use that have another content than before.
func (w *Watcher) changed(files map[string]string) (list []string) {
	for path, sum := range files {
		old, ok := w.files[path]
		if !ok || sum == "" || sum == old {
			continue
		}
		w.files[path] = sum
		if _, ok := w.inUse[path]; ok {
			list = append(list, path)
		}
	}
	slices.Sort(list)
	return list
}

// pause waits; false when ctx ended before.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
