package bridge

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"
)

// begin gives what enters the session that the server begins with its answer to initialize, and then closes begun.
func (b *Bridge) begin(begun chan struct{}) func(http.Header) {
	var once sync.Once
	return func(h http.Header) {
		b.mu.Lock()
		b.session.id = h.Get(headerSession)
		b.mu.Unlock()
		once.Do(func() { close(begun) })
	}
}

// initialize begins a session, at another url if the present one is left before the server was asked.
func (b *Bridge) initialize(run, ctx context.Context, c *call) error {
	for {
		err := b.initializeHere(run, ctx, c)
		if _, unsent := errors.AsType[*goneError](err); !unsent || ctx.Err() != nil {
			return err
		}
	}
}

// initializeHere begins a session at the present url, over the older transport if the server knows none other.
func (b *Bridge) initializeHere(run, ctx context.Context, c *call) error {
	b.mu.Lock()
	before := b.session
	b.session = session{turn: before.turn + 1, way: b.way}
	b.said = said{initialize: c.line}
	s := b.session
	b.mu.Unlock()
	b.partLater(run, before)
	err := b.once(run, ctx, &s, c.line, []*call{c})
	if !older(err) {
		return err
	}
	old, failed := b.connect(run, ctx, &s)
	if failed != nil {
		b.log.Debug("it does not speak the older HTTP+SSE either", "error", failed)
		f, ok := errors.AsType[*failure](failed)
		if _, unsent := errors.AsType[*goneError](failed); unsent || ok && f.reason == reasonEndpoint {
			return failed
		}
		return err
	}
	s.old = old
	b.mu.Lock()
	if b.session.turn == s.turn {
		b.session.old = old
	}
	b.mu.Unlock()
	return b.once(run, ctx, &s, c.line, []*call{c})
}

// begun is called when the server has been told that the client is ready.
func (b *Bridge) begun(run context.Context, line []byte, failed error) {
	b.mu.Lock()
	b.said.initialized = line
	turn := b.session.turn
	b.mu.Unlock()
	if failed == nil {
		b.attendSession(run, turn)
	}
}

// headStart is how long what the client says next waits until the server has been asked for the stream of a session. A GET that
// came in the midst of a call would look as if the answer to that call was resumed.
const headStart = 100 * time.Millisecond

// attendSession opens the stream of what the server says unasked, once for each session, and waits until it has been asked for.
func (b *Bridge) attendSession(run context.Context, turn int) {
	asked := make(chan struct{})
	if !b.attendLater(run, turn, sync.OnceFunc(func() { close(asked) })) {
		return
	}
	select {
	case <-asked:
	case <-time.After(headStart):
	case <-run.Done():
	}
}

// attendLater starts what attends the session called turn, which calls asked. It reports false if that is not to be.
func (b *Bridge) attendLater(run context.Context, turn int, asked func()) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.session.turn != turn || b.session.old != nil || b.session.end != nil || b.session.way.moved() {
		return false
	}
	ctx, cancel := context.WithCancel(run)
	b.session.end = cancel
	b.work.Go(func() {
		defer cancel()
		b.attend(run, ctx, turn, asked)
	})
	return true
}
