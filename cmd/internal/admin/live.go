package admin

import (
	"errors"
	"maps"
	"sync"
	"time"

	"bearerd/config"
	"bearerd/engine"
)

// What Live keeps, and for how many.
const (
	maxPoints  = 100            // of one server
	pointsLife = 24 * time.Hour //
	maxNames   = 2000           // servers with points: those that are gone go out with their points
	maxReaders = 16
)

// Point is what became of a server's token at one time.
type Point struct {
	At   time.Time `json:"at"`
	OK   bool      `json:"ok"`
	What string    `json:"what"` // an engine.EventKind
}

// points are the kinds of events that are remembered: whether there was a token afterwards.
var points = map[engine.EventKind]bool{
	engine.TokenAcquired: true, engine.TokenRefreshed: true, engine.SignedIn: true,
	engine.TokenFailed: false, engine.SignInFailed: false, engine.TokenRevoked: false, engine.TokenInvalidated: false,
}

// mark is a Point as it is kept: half as large.
type mark struct {
	at   int64 // Unix time in milliseconds
	what engine.EventKind
}

// Live tells pages what changes, and remembers for each server what became of its latest renewals. The engine calls it
// inside its own work, so it never calls the engine.
type Live struct {
	stopped chan struct{} // closed by Close
	stop    sync.Once

	mu      sync.Mutex // guards what follows
	marks   map[string][]mark
	readers map[*reader]struct{}
	changes config.Changes // of the last reload
}

// reader is one stream of events. What changes faster than it is read is told once. Live.mu guards all but wake.
type reader struct {
	wake     chan struct{} // holds one: there is something to take
	servers  map[string]bool
	reloaded bool
	all      bool // a block changed that every server may depend on
}

// NewLive is told of nothing yet.
func NewLive() *Live {
	return &Live{stopped: make(chan struct{}), marks: map[string][]mark{}, readers: map[*reader]struct{}{}}
}

// Close ends every stream, and lets none begin.
func (l *Live) Close() { l.stop.Do(func() { close(l.stopped) }) }

// Observe takes in what has happened to a token. It does not block.
func (l *Live) Observe(e engine.Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, known := points[e.Kind]; known {
		l.remember(e.Server, mark{e.At.UnixMilli(), e.Kind})
	}
	l.tell(func(r *reader) { r.servers[e.Server] = true })
}

// Reloaded takes in that a reload has ended: what it changed, or nothing when it was refused. It does not block.
func (l *Live) Reloaded(changes config.Changes) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.changes = changes
	l.move(changes)
	l.tell(func(r *reader) {
		r.reloaded = true
		for _, c := range changes {
			r.all = r.all || c.Server == ""
			r.servers[c.Server], r.servers[c.From] = true, true
		}
		delete(r.servers, "")
	})
}

// move has what is remembered follow the names. mu is held.
func (l *Live) move(changes config.Changes) {
	moved := map[string][]mark{}
	for _, c := range changes {
		if list := l.marks[c.From]; c.Action == config.Rename && list != nil {
			moved[c.Server] = list
			delete(l.marks, c.From)
		}
	}
	for _, c := range changes {
		if c.Action == config.Remove {
			delete(l.marks, c.Server)
		}
	}
	maps.Copy(l.marks, moved)
}

// tell has every reader note something and wakes it. mu is held.
func (l *Live) tell(note func(*reader)) {
	for r := range l.readers {
		note(r)
		select {
		case r.wake <- struct{}{}:
		default: // it is awake already
		}
	}
}

// remember keeps a point, and forgets the oldest ones. mu is held.
func (l *Live) remember(name string, m mark) {
	list, known := l.marks[name]
	if !known && len(l.marks) >= maxNames && !l.forget(m.at) {
		return
	}
	if len(list) == maxPoints {
		list = list[:copy(list, list[1:])]
	}
	l.marks[name] = append(list, m)
}

// forget makes room for a name by dropping those without a point in the last day before now. mu is held.
func (l *Live) forget(now int64) (room bool) {
	for name, list := range l.marks {
		if len(list) == 0 || now-list[len(list)-1].at > pointsLife.Milliseconds() {
			delete(l.marks, name)
			room = true
		}
	}
	return room
}

// History is what became of a server's token in the last day, the oldest first. It may be called on nil: then there is
// none.
func (l *Live) History(name string) []Point {
	list := []Point{}
	if l == nil {
		return list
	}
	since := time.Now().Add(-pointsLife).UnixMilli()
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, m := range l.marks[name] {
		if m.at >= since {
			list = append(list, Point{At: time.UnixMilli(m.at).UTC(), OK: points[m.what], What: string(m.what)})
		}
	}
	return list
}

// errCrowded is why a stream cannot begin.
var errCrowded = errors.New("16 pages follow what happens already: close one")

// follow begins a stream, which leave ends.
func (l *Live) follow() (*reader, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case <-l.stopped:
		return nil, ErrStopping
	default:
	}
	if len(l.readers) >= maxReaders {
		return nil, errCrowded
	}
	r := &reader{wake: make(chan struct{}, 1), servers: map[string]bool{}}
	l.readers[r] = struct{}{}
	return r, nil
}

func (l *Live) leave(r *reader) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.readers, r)
}

// take hands over what r was to be told of, and begins anew.
func (l *Live) take(r *reader) (news reader) {
	l.mu.Lock()
	defer l.mu.Unlock()
	news = *r
	r.servers, r.reloaded, r.all = map[string]bool{}, false, false
	return news
}

// lastChanges is what the last reload changed; nothing when it was refused.
func (l *Live) lastChanges() config.Changes {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.changes
}
