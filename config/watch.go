package config

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fsnotify/fsnotify"
)

// Event is what a Watcher found.
type Event struct {
	Loaded      bool    // the configuration changed, or what was wrong with it: Config and Diagnostics are as of Load
	Config      *Config // nil when one of the Diagnostics is an error
	Diagnostics Diagnostics
	Materials   []string // the files that the configuration in force names (secrets, certificates) and that changed, sorted
}

// Watcher reads a configuration again when it changes. It watches folders, and beside them looks at the files every 30
// seconds, which also serves where the system tells of no changes. What an event says does not matter: each one only makes
// it read, and what it read twice in the same way is loaded.
type Watcher struct {
	Failures atomic.Uint64 // folders that could not be watched, and events that were lost

	path string
	log  *slog.Logger
	poke chan struct{} // as an event

	quiet, limit time.Duration // without an event before it reads; of a burst of events in all
	settle       time.Duration // between two equal readings
	hold         time.Duration // for which a doubtful configuration must stay as it is
	poll         time.Duration
	open         func() (*fsnotify.Watcher, error)
	folders      folders
	mute         bool // that folders cannot be watched was said

	mu     sync.Mutex          // guards what follows
	seen   string              // the text of the reading that was last loaded; "": none was
	last   Diagnostics         // of that load
	newest *Config             // what that load gave; nil: errors
	cache  cache               // of that load
	dir    string              // the conf_dir that it names; of a broken one, what the one before did
	where  map[string]string   // server → its file, of the latest load without errors
	named  map[string]struct{} // the files that it names
	inUse  map[string]struct{} // those that the configuration in force names
	files  map[string]string   // path → hash of the content that was last told, of all of them
	names  []string            // the servers of the configuration in force
	tried  map[string]string   // path → hash, as of the last load: one that failed may succeed with others

	doubted      string // the text of the reading that is doubted; "": none is
	doubtedSince time.Time
}

// NewWatcher is for the file or folder at path.
func NewWatcher(path string, log *slog.Logger) *Watcher {
	return &Watcher{
		path: path, log: log, poke: make(chan struct{}, 1), files: map[string]string{},
		quiet: 250 * time.Millisecond, limit: 2 * time.Second, settle: 50 * time.Millisecond, hold: 5 * time.Second,
		poll: 30 * time.Second, open: fsnotify.NewWatcher,
	}
}

// Run calls apply, one call at a time, for every change since the last Load, until ctx is done.
func (w *Watcher) Run(ctx context.Context, apply func(Event)) {
	defer w.close()
	poll := time.NewTicker(w.poll)
	defer poll.Stop()
	timer := time.NewTimer(0)
	defer timer.Stop()
	var first time.Time // of a burst of events
	told := false       // by the system, which tells of each write
	for {
		events, errs := w.channels()
		select {
		case <-ctx.Done():
			return
		case _, told = <-events:
			if !told { // the library gave up; follow begins anew
				w.folders = folders{}
				continue
			}
		case err := <-errs:
			if err != nil {
				w.fail("events were lost: the configuration is read anew", err)
			}
		case <-w.poke:
		case <-poll.C:
		case <-timer.C:
			settle := w.settle
			if !told || !first.IsZero() && time.Since(first) >= w.limit {
				settle = w.quiet // somebody may be writing right now
			}
			first, told = time.Time{}, false
			if wait := w.check(ctx, settle, apply); wait > 0 {
				timer.Reset(wait)
			}
			continue
		}
		if first.IsZero() {
			first = time.Now()
		}
		timer.Reset(min(w.quiet, time.Until(first.Add(w.limit))))
	}
}

func (w *Watcher) channels() (<-chan fsnotify.Event, <-chan error) {
	if w.folders.notify == nil {
		return nil, nil
	}
	return w.folders.notify.Events, w.folders.notify.Errors
}

func (w *Watcher) close() {
	if w.folders.notify != nil {
		_ = w.folders.notify.Close() // nothing is lost with it
		w.folders = folders{}
	}
}

// follow watches the folders that matter now. It is called before each reading, so that no change falls between the two.
func (w *Watcher) follow() {
	if w.folders.notify == nil {
		notify, err := w.open()
		if err != nil {
			w.fail("changes of the configuration are found late: the system gives no more inotify instances "+
				"(fs.inotify.max_user_instances)", err)
			return
		}
		w.folders.notify = notify
	}
	failed, err := w.folders.watch(wanted(w.path, w.folder(), w.paths()))
	if err != nil {
		w.Failures.Add(uint64(failed) - 1)
		w.fail("changes of some files are found late: their folder cannot be watched (fs.inotify.max_user_watches)", err)
		return
	}
	w.mute = false
}

// fail counts what is wrong, and says it once.
func (w *Watcher) fail(message string, err error) {
	w.Failures.Add(1)
	if !w.mute {
		w.log.Warn(message, "every", w.poll, "err", err)
		w.mute = true
	}
}
