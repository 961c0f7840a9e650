package bridge

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"reflect"
	"sync"
	"time"

	"bearerd/inject/jsonrpc"
)

const (
	headerSession = "Mcp-Session-Id"
	headerVersion = "Mcp-Protocol-Version"

	renewal = 50 * time.Second // for setting a session up again: MCP clients give up after 60 s
)

// session is what the server knows the client by (2025-11-25 and before).
type session struct {
	turn    int    // how many sessions there were before
	id      string // "": the server has given none
	version string // the protocol version agreed on; "": not yet
	old     *channel
	gone    bool
	end     context.CancelFunc // ends what attends it; nil: nothing does
}

func (s *session) lost() bool { return s.gone || s.old != nil && s.old.closed() }

// close ends the streams of a session that is not in use any more, or never came into use.
func (s *session) close() {
	if s.end != nil {
		s.end()
	}
	if s.old != nil {
		s.old.end()
	}
}

func (s *session) header() http.Header {
	h := http.Header{}
	if s.id != "" {
		h.Set(headerSession, s.id)
	}
	if s.version != "" {
		h.Set(headerVersion, s.version)
	}
	return h
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

// initialize begins a session, over the older transport if the server knows none other.
func (b *Bridge) initialize(run, ctx context.Context, c *call) error {
	b.mu.Lock()
	b.session.close()
	b.session = session{turn: b.session.turn + 1}
	b.said = said{initialize: c.line}
	s := b.session
	b.mu.Unlock()
	err := b.once(run, ctx, &s, c.line, []*call{c})
	if !older(err) {
		return err
	}
	old, failed := b.connect(run, ctx, s.turn)
	if failed != nil {
		b.log.Debug("it does not speak the older HTTP+SSE either", "error", failed)
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

// attendSession opens the stream of what the server says unasked, once for each session.
func (b *Bridge) attendSession(run context.Context, turn int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.session.turn != turn || b.session.old != nil || b.session.end != nil || b.session.gone {
		return
	}
	ctx, cancel := context.WithCancel(run)
	b.session.end = cancel
	b.work.Go(func() {
		defer cancel()
		b.attend(run, ctx, turn)
	})
}

// renew sets up a new session in place of the one called turn, unless that has been done. The client does not notice.
func (b *Bridge) renew(run context.Context, turn int) error {
	select {
	case b.renewing <- struct{}{}:
	case <-run.Done():
		return run.Err()
	}
	defer func() { <-b.renewing }()
	b.mu.Lock()
	now, said := b.session, b.said
	said.subscribe = maps.Clone(said.subscribe)
	b.mu.Unlock()
	switch {
	case now.turn != turn:
		return nil
	case said.broken != nil:
		return said.broken
	case said.version == "":
		return b.say("does not know the session any more")
	}
	ctx, cancel := context.WithTimeout(run, renewal)
	defer cancel()
	next := session{turn: turn + 1}
	err := b.handshake(run, ctx, now.old != nil && !now.gone, &next, &said)
	if err == nil && said.initialized != nil {
		err = b.once(run, ctx, &next, said.initialized, nil)
	}
	if err != nil {
		next.close()
		return b.unrenewed(ctx, err, turn)
	}
	b.mu.Lock()
	b.session.close()
	b.session = next
	b.mu.Unlock()
	b.log.Info("the server had lost the session: it was set up again")
	if said.initialized != nil {
		b.attendSession(run, next.turn)
	}
	b.restore(run, ctx, &next, &said)
	return nil
}

func (b *Bridge) unrenewed(ctx context.Context, err error, turn int) error {
	var f *failure
	switch {
	case errors.Is(err, context.DeadlineExceeded) || errors.Is(err, errGone):
		return b.say("has lost the session, and a new one could not be set up")
	case ctx.Err() != nil || !errors.As(err, &f):
		return err
	}
	b.log.Warn("the server has lost the session, and a new one could not be set up", "error", err)
	err = b.say("has lost the session, and a new one could not be set up: %s", f.message)
	b.mu.Lock()
	defer b.mu.Unlock()
	if f == errDiffers && b.session.turn == turn {
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
		if next.old, err = b.connect(run, ctx, next.turn); err != nil {
			return err
		}
	}
	m, err := b.self(run, ctx, next, said.initialize)
	if next.old == nil && older(err) {
		if next.old, err = b.connect(run, ctx, next.turn); err != nil {
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
			b.log.Warn("the new session lacks what the client had set up", "error", err)
		}
	}
}

func sameJSON(x, y []byte) bool {
	var a, b any
	return json.Unmarshal(x, &a) == nil && json.Unmarshal(y, &b) == nil && reflect.DeepEqual(a, b)
}
