package bridge

import (
	"context"
	"time"

	"bearerd/inject/jsonrpc"
)

const (
	order  = 5 * time.Second // how long the next message waits until the server has accepted a notification
	notice = time.Minute     // how long the server may take to accept what it need not answer
)

// serve passes a request on, and sees that it is answered.
func (b *Bridge) serve(run context.Context, line []byte, m jsonrpc.Message) {
	ctx, cancel := context.WithCancel(run)
	c := b.newCall(m, line, nil, cancel)
	if c == nil {
		cancel()
		return
	}
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

// notify passes a notification on, before what the client says next.
func (b *Bridge) notify(run context.Context, line []byte, m jsonrpc.Message) {
	if m.Method == methodCancelled && b.cancelled(run, line, m) {
		return
	}
	b.tell(run, line, func(err error) {
		if err != nil && run.Err() == nil {
			b.warn("a notification of the client did not reach the server", err, "method", m.Method)
		}
		if m.Method == methodInitialized {
			b.begun(run, line, err)
		}
	})
}

// tell sends what needs no answer, and calls sent with what came of it, before what the client says next.
func (b *Bridge) tell(run context.Context, line []byte, sent func(error)) {
	if !b.slot(run) {
		return
	}
	accepted := make(chan struct{})
	b.work.Go(func() {
		defer func() { <-b.slots }()
		defer close(accepted)
		ctx, cancel := context.WithTimeout(run, notice)
		defer time.AfterFunc(linger, cancel) // the end of its answer may still come
		sent(b.send(run, ctx, line, nil))
	})
	b.inOrder(run, accepted)
}

// inOrder waits until the server has accepted a notification. While one has not that was waited for in vain, the others are
// not waited for.
func (b *Bridge) inOrder(run context.Context, accepted <-chan struct{}) {
	select {
	case <-b.stuck:
		b.stuck = nil
	default:
		if b.stuck != nil {
			return
		}
	}
	select {
	case <-accepted:
	case <-time.After(order):
		b.stuck = accepted
	case <-b.late:
	case <-run.Done():
	}
}

// slot waits until another message may be under way. It reports false if the client's time is over before.
func (b *Bridge) slot(run context.Context) bool {
	select {
	case b.slots <- struct{}{}:
		return true
	default:
	}
	select {
	case b.slots <- struct{}{}:
		return true
	case <-b.late:
	case <-run.Done():
	}
	return false
}

// unwanted marks the request that a notifications/cancelled names, and gives it; nil: none such is open.
func (b *Bridge) unwanted(m jsonrpc.Message) *call {
	b.mu.Lock()
	defer b.mu.Unlock()
	id := jsonrpc.Field(m.Params, "requestId")
	c := b.open[jsonrpc.Key(id)]
	if id == nil || c == nil {
		return nil
	}
	c.cancelled = true
	if c.unsent {
		c.cancel()
	}
	return c
}

// cancelled gives a request up. It reports whether the notification needs no further care.
func (b *Bridge) cancelled(run context.Context, line []byte, m jsonrpc.Message) bool {
	c := b.unwanted(m)
	switch {
	case c == nil:
		s := b.current()
		return s.version == "" // nobody would know of it
	case c.modern != "":
		c.cancel() // closing the answer is the cancellation there
		return true
	}
	if !b.slot(run) {
		return true
	}
	b.work.Go(func() {
		defer func() { <-b.slots }()
		select { // it must not overtake its request
		case <-c.left:
		case <-c.done:
			return
		case <-run.Done():
			return
		}
		if b.dropped(c) {
			return
		}
		ctx, cancel := context.WithTimeout(run, notice)
		defer time.AfterFunc(linger, cancel)
		if err := b.send(run, ctx, line, nil); err != nil {
			b.warn("the server could not be told that a request is cancelled", err)
			return
		}
		c.cancel()
	})
	return true
}

// dropped reports whether the server knows nothing of a cancelled request.
func (b *Bridge) dropped(c *call) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return c.unsent
}

// reply passes the client's answer to a request of the server's on.
func (b *Bridge) reply(run context.Context, line []byte, m jsonrpc.Message) {
	s := b.current()
	if line = b.replyTo(m, line, &s); line == nil || !b.slot(run) {
		return
	}
	b.work.Go(func() {
		defer func() { <-b.slots }()
		ctx, cancel := context.WithTimeout(run, notice)
		defer time.AfterFunc(linger, cancel)
		if err := b.once(run, ctx, &s, line, nil); err != nil && run.Err() == nil {
			b.warn("an answer of the client did not reach the server", err)
		}
	})
}
