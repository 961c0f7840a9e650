package bridge

import (
	"context"
	"time"

	"bearerd/inject/jsonrpc"
)

// order is how long the next message waits until the server has accepted a notification.
const order = 5 * time.Second

// serve passes a request on, and sees that it is answered.
func (b *Bridge) serve(run context.Context, line []byte, m jsonrpc.Message) {
	c := b.newCall(m, line, nil)
	if c == nil {
		return
	}
	ctx, cancel := context.WithCancel(run)
	c.cancel = cancel
	serve := func() { b.exchange(run, ctx, line, []*call{c}) }
	begun := make(chan struct{})
	switch {
	case m.Method == methodInitialize && c.modern == "":
		c.began = b.begin(begun)
		serve = func() { b.fail(c, b.initialize(run, ctx, c)) }
	case m.Method == methodListen && c.modern != "":
		serve = func() { b.fail(c, b.listen(run, ctx, c)) }
	}
	b.work.Go(func() {
		defer cancel()
		serve()
	})
	if c.began == nil {
		return
	}
	select { // what the client says next belongs to the session that begins
	case <-begun:
	case <-c.done:
	case <-b.late:
	case <-run.Done():
	}
}

// exchange sends a message and passes the answer on until each of calls has one.
func (b *Bridge) exchange(run, ctx context.Context, line []byte, calls []*call) {
	err := b.send(run, ctx, line, calls)
	for _, c := range calls {
		b.fail(c, err)
	}
}

// batch passes an array on as it is (2025-03-26).
func (b *Bridge) batch(run context.Context, line []byte, messages []jsonrpc.Message) {
	var calls []*call
	ctx, cancel := context.WithCancel(run)
	for _, m := range messages {
		if !m.Request() {
			continue
		}
		if c := b.newCall(m, nil, nil); c != nil {
			c.cancel = func() {} // the others go on
			calls = append(calls, c)
		}
	}
	accepted := make(chan struct{})
	b.work.Go(func() {
		defer cancel()
		defer close(accepted)
		b.exchange(run, ctx, line, calls)
	})
	if len(calls) == 0 {
		b.inOrder(run, accepted)
	}
}

// notify passes a notification on, before what the client says next.
func (b *Bridge) notify(run context.Context, line []byte, m jsonrpc.Message) {
	if m.Method == methodCancelled && b.cancelled(run, line, m) {
		return
	}
	accepted := make(chan struct{})
	b.work.Go(func() {
		defer close(accepted)
		err := b.send(run, run, line, nil)
		if err != nil && run.Err() == nil {
			b.log.Warn("a notification of the client did not reach the server", "method", m.Method, "error", err)
		}
		if m.Method == methodInitialized {
			b.begun(run, line, err)
		}
	})
	b.inOrder(run, accepted)
}

func (b *Bridge) inOrder(run context.Context, accepted <-chan struct{}) {
	select {
	case <-accepted:
	case <-time.After(order):
	case <-b.late:
	case <-run.Done():
	}
}

// cancelled gives a request up. It reports whether the notification needs no further care.
func (b *Bridge) cancelled(run context.Context, line []byte, m jsonrpc.Message) bool {
	b.mu.Lock()
	id := jsonrpc.Field(m.Params, "requestId")
	var c *call
	if id != nil {
		c = b.open[jsonrpc.Key(id)]
	}
	stateless := b.session.version == ""
	if c != nil {
		c.cancelled = true
	}
	b.mu.Unlock()
	switch {
	case c == nil:
		return stateless // nobody would know of it
	case c.modern != "":
		c.cancel() // closing the answer is the cancellation there
		return true
	}
	b.work.Go(func() {
		select { // it must not overtake its request
		case <-c.left:
		case <-c.done:
			return
		case <-run.Done():
			return
		}
		if err := b.send(run, run, line, nil); err != nil {
			b.log.Warn("the server could not be told that a request is cancelled", "error", err)
			return
		}
		c.cancel()
	})
	return true
}

// reply passes the client's answer to a request of the server's on.
func (b *Bridge) reply(run context.Context, line []byte, m jsonrpc.Message) {
	b.mu.Lock()
	key := jsonrpc.Key(m.ID)
	question, known := b.asked[key]
	delete(b.asked, key)
	s := b.session
	b.mu.Unlock()
	if !known || question.turn != s.turn {
		b.log.Debug("the client answers what the server does not ask any more")
		return
	}
	line = jsonrpc.Replace(line, m.ID, question.id)
	b.work.Go(func() {
		if err := b.once(run, run, &s, line, nil); err != nil && run.Err() == nil {
			b.log.Warn("an answer of the client did not reach the server", "error", err)
		}
	})
}
