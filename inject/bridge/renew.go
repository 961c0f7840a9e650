package bridge

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"reflect"
	"time"

	"bearerd/inject/jsonrpc"
)

// renewalPatience is for setting a session up again: MCP clients give up after 60 s.
const renewalPatience = 50 * time.Second

// renewal is a session being set up in place of another one. All who need it wait for the same.
type renewal struct {
	done chan struct{}
	err  error // set before done is closed
}

// renew sets up a new session in place of the one called turn, unless that has been done, or waits for whoever does so. The
// client does not notice. An error is ctx's or a failure.
func (b *Bridge) renew(run, ctx context.Context, turn int) error {
	for {
		b.mu.Lock()
		if b.session.turn != turn {
			b.mu.Unlock()
			return nil
		}
		r := b.renewing
		if r == nil {
			r = &renewal{done: make(chan struct{})}
			b.renewing = r
			b.work.Go(func() {
				r.err = b.setUp(run)
				b.mu.Lock()
				b.renewing = nil
				b.mu.Unlock()
				close(r.done)
			})
		}
		b.mu.Unlock()
		select {
		case <-r.done:
			if r.err != nil {
				return r.err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// revive sets a session up again in place of the one called turn, whose stream has ended, as often as ctx lasts.
func (b *Bridge) revive(run, ctx context.Context, turn int) {
	for sleep(ctx, b.unrest()) {
		if b.renew(run, ctx, turn) == nil {
			return
		}
	}
}

// unrest is how long to wait before a session is set up because of a stream: longer each time that the last was not long ago.
func (b *Bridge) unrest() time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	before := b.revived
	b.revived = time.Now()
	if b.revived.Sub(before) > 2*lastPause {
		b.revival = pause{}
		return 0
	}
	return b.revival.next()
}

// setUp sets up a session in place of the present one, at the present url.
func (b *Bridge) setUp(run context.Context) error {
	for run.Err() == nil {
		b.mu.Lock()
		now, said, to := b.session, b.said, b.way
		said.subscribe = maps.Clone(said.subscribe)
		b.mu.Unlock()
		switch {
		case said.broken != nil:
			return said.broken
		case said.version == "":
			return b.say(reasonSession, "does not know the session any more")
		}
		here, leave := b.until(run, to)
		ctx, cancel := context.WithTimeout(here, renewalPatience)
		err := b.succeed(run, ctx, &now, to, &said)
		cancel()
		leave()
		if !to.moved() {
			return err
		}
	}
	return run.Err()
}

// succeed puts a session with the server at to in the place of now, unless something else has meanwhile.
func (b *Bridge) succeed(run, ctx context.Context, now *session, to *way, said *said) error {
	next := session{turn: now.turn + 1, way: to}
	err := b.handshake(run, ctx, now.old != nil && !now.way.moved(), &next, said)
	if err == nil && said.initialized != nil {
		err = b.once(run, ctx, &next, said.initialized, nil)
	}
	if err != nil {
		b.partLater(run, next)
		return b.unrenewed(ctx, err, now)
	}
	b.mu.Lock()
	before := b.session
	replaced := before.turn == now.turn && b.way == to
	if replaced {
		b.session = next
	}
	b.mu.Unlock()
	if !replaced {
		b.partLater(run, next)
		return nil
	}
	if before.way.moved() {
		b.log.Info("the url of the server has changed: the session was set up there")
		b.partLater(run, before)
	} else {
		b.log.Info("the server had lost the session: it was set up again")
		before.close()
	}
	if said.initialized != nil {
		b.attendSession(run, next.turn)
	}
	b.restore(run, ctx, &next, said)
	return nil
}

func (b *Bridge) unrenewed(ctx context.Context, err error, now *session) error {
	what := "has lost the session, and a new one could not be set up"
	if now.way.moved() {
		what = "is at another url now, and a new session could not be set up there"
	}
	var f *failure
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		err = b.sayRetry(reasonSession, "%s within %v", what, renewalPatience)
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.As(err, &f):
		next := b.sayRetry(reasonSession, "%s: %s", what, f.message)
		next.logged = f.logged
		err = next
	default:
		err = b.sayRetry(reasonSession, "%s", what)
	}
	b.warn("no new session could be set up with the server", err)
	b.mu.Lock()
	defer b.mu.Unlock()
	if f == errDiffers && b.session.turn == now.turn {
		b.said.broken = err
	}
	return err
}

// errDiffers is why a new session cannot take the place of the one before.
var errDiffers = &failure{code: codeBridge,
	message: "it offers another protocol version or other capabilities than before: restart the client"}

// handshake says initialize again, in the client's words, and checks that the answer is the one that the client has got.
func (b *Bridge) handshake(run, ctx context.Context, overOld bool, next *session, said *said) (err error) {
	if overOld {
		if next.old, err = b.connect(run, ctx, next); err != nil {
			return err
		}
	}
	m, err := b.self(run, ctx, next, said.initialize)
	if next.old == nil && older(err) {
		if next.old, err = b.connect(run, ctx, next); err != nil {
			return err
		}
		m, err = b.self(run, ctx, next, said.initialize)
	}
	if err != nil {
		return err
	}
	next.version = jsonrpc.Text(jsonrpc.Field(m.Result, "protocolVersion"))
	if next.version != said.version || !sameJSON(jsonrpc.Field(m.Result, "capabilities"), said.capabilities) {
		return errDiffers
	}
	return nil
}

// self makes a request of the bridge's own and gives the answer.
func (b *Bridge) self(run, ctx context.Context, s *session, line []byte) (jsonrpc.Message, error) {
	c, err := b.own(line)
	if err != nil {
		return jsonrpc.Message{}, err
	}
	if c.method == methodInitialize {
		c.began = func(h http.Header) { s.id = h.Get(headerSession) }
	}
	err = b.once(run, ctx, s, c.line, []*call{c})
	if b.finish(c) {
		if err == nil {
			err = b.lost()
		}
		return jsonrpc.Message{}, err
	}
	m := <-c.reply
	if m.Error != nil {
		return m, b.remote(m)
	}
	return m, nil
}

// restore repeats in a new session what the client had set up in the one before.
func (b *Bridge) restore(run, ctx context.Context, s *session, said *said) {
	lines := [][]byte{}
	if said.level != nil {
		lines = append(lines, said.level)
	}
	for _, line := range said.subscribe {
		lines = append(lines, line)
	}
	for _, line := range lines {
		if _, err := b.self(run, ctx, s, line); err != nil {
			b.warn("the new session lacks what the client had set up", err)
		}
	}
}

func sameJSON(x, y []byte) bool {
	var a, b any
	return json.Unmarshal(x, &a) == nil && json.Unmarshal(y, &b) == nil && reflect.DeepEqual(a, b)
}

// said is what the client has said that a new session must be told.
type said struct {
	initialize   []byte
	initialized  []byte
	level        []byte            // logging/setLevel
	subscribe    map[string][]byte // by URI
	version      string            // what the server answered to initialize
	capabilities []byte
	broken       error // a new session is not what the client was promised
}

// note remembers what a request of the client's has set up, before the client gets the result.
func (b *Bridge) note(c *call, m jsonrpc.Message) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if c.modern != "" || c.line == nil {
		return
	}
	switch c.method {
	case methodInitialize:
		b.said.version = jsonrpc.Text(jsonrpc.Field(m.Result, "protocolVersion"))
		b.said.capabilities = bytes.Clone(jsonrpc.Field(m.Result, "capabilities"))
		b.session.version = b.said.version
	case "logging/setLevel":
		b.said.level = c.line
	case "resources/subscribe":
		if b.said.subscribe == nil {
			b.said.subscribe = map[string][]byte{}
		}
		b.said.subscribe[jsonrpc.Text(jsonrpc.Field(c.params, "uri"))] = c.line
	case "resources/unsubscribe":
		delete(b.said.subscribe, jsonrpc.Text(jsonrpc.Field(c.params, "uri")))
	}
}
