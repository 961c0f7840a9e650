package bridge

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"sync"

	"bearerd/inject/jsonrpc"
)

const (
	methodInitialize  = "initialize"
	methodInitialized = "notifications/initialized"
	methodCancelled   = "notifications/cancelled"
	methodListen      = "subscriptions/listen"
)

// call is a request under way: of the client, or of the bridge itself when a session is set up again.
type call struct {
	id     []byte
	key    string // jsonrpc.Key of id
	method string
	params []byte
	line   []byte
	modern string               // the protocol version that the request itself names (2026-07-28); "": it is of a session
	reply  chan jsonrpc.Message // the bridge's own: its answer goes here; nil: to the client
	began  func(http.Header)    // called with the head of a good answer, before it is read; may be nil
	cancel context.CancelFunc   // gives the exchange up
	done   chan struct{}        // closed when it is answered or given up
	sent   func()               // tells that the server has all of it
	left   <-chan struct{}      // closed by sent

	cancelled bool // guarded by Bridge.mu: the client wants no answer any more
}

// asked is a request that the server made.
type asked struct {
	id   []byte // as the server knows it
	turn int    // of its session
}

// failure is why a request has no result, as the client sees it.
type failure struct {
	code    int
	message string
	data    any // marshalled; may be nil
	status  int // the HTTP status that says so, when no JSON-RPC error does; 0: another cause
}

func (f *failure) Error() string { return f.message }

// codeBridge is the JSON-RPC error code of what bearerd says in the server's place; the proxy uses the same.
const codeBridge = -32001

// say makes a failure whose words follow the name of the server.
func (b *Bridge) say(format string, a ...any) error {
	return b.status(0, format, a...)
}

func (b *Bridge) status(status int, format string, a ...any) error {
	message := fmt.Sprintf("server %q ", b.name) + fmt.Sprintf(format, a...)
	return &failure{code: codeBridge, message: message, data: map[string]string{"server": b.name}, status: status}
}

// decodeError reads the error member of a response.
func decodeError(raw []byte) (*failure, error) {
	var e struct {
		Code    int             `json:"code"`
		Message string          `json:"message"`
		Data    json.RawMessage `json:"data"`
	}
	if err := json.Unmarshal(raw, &e); err != nil {
		return nil, err
	}
	f := &failure{code: e.Code, message: e.Message}
	if e.Data != nil {
		f.data = e.Data
	}
	return f, nil
}

// newCall enters a request of the client, or one of the bridge's if reply is given. It is nil, and answered, if another one
// with its id is open.
func (b *Bridge) newCall(m jsonrpc.Message, line []byte, reply chan jsonrpc.Message) *call {
	c := &call{id: m.ID, key: jsonrpc.Key(m.ID), method: m.Method, params: m.Params, line: line, modern: modern(m),
		reply: reply, done: make(chan struct{}), cancel: func() {}}
	left := make(chan struct{})
	c.left, c.sent = left, sync.OnceFunc(func() { close(left) })
	b.mu.Lock()
	before := b.open[c.key]
	taken := before != nil && !before.cancelled
	if !taken {
		b.open[c.key] = c
	}
	b.mu.Unlock()
	if taken {
		b.refuse(m.ID, -32600, "another request with this id is still open")
		return nil
	}
	return c
}

// own makes a request of the bridge's from a line of the client's, with another id.
func (b *Bridge) own(line []byte) (*call, error) {
	b.mu.Lock()
	b.named++
	id := strconv.AppendQuote(nil, "bearerd-"+strconv.Itoa(b.named))
	b.mu.Unlock()
	m, err := jsonrpc.ParseOne(line)
	if err != nil {
		return nil, err
	}
	line = jsonrpc.Replace(line, m.ID, id)
	if m, err = jsonrpc.ParseOne(line); err != nil {
		return nil, err
	}
	return b.newCall(m, line, make(chan jsonrpc.Message, 1)), nil
}

// finish takes a request out of those open. It reports whether it was open.
func (b *Bridge) finish(c *call) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.open[c.key] != c {
		return false
	}
	delete(b.open, c.key)
	close(c.done)
	return true
}

// fail answers a request that has no answer yet with an error. err may be nil.
func (b *Bridge) fail(c *call, err error) {
	b.mu.Lock()
	silent := c.cancelled || c.reply != nil
	b.mu.Unlock()
	if !b.finish(c) || silent || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return
	}
	var f *failure
	if !errors.As(err, &f) {
		f = b.lost().(*failure)
	}
	b.write(jsonrpc.Failure(c.id, f.code, f.message, f.data))
}

// lost is the failure of a request that the server has got.
func (b *Bridge) lost() error {
	return b.say("broke the connection before it had answered: the answer is lost, and it is not known whether the server has acted")
}

func answered(calls []*call) bool {
	return !slices.ContainsFunc(calls, func(c *call) bool {
		select {
		case <-c.done:
			return false
		default:
			return true
		}
	})
}

// hear passes on what the server says in the session called turn, one message or a batch.
func (b *Bridge) hear(data []byte, turn int) {
	if data = bytes.TrimSpace(data); len(data) > 0 && data[0] == '[' {
		var parts []json.RawMessage
		if err := json.Unmarshal(data, &parts); err != nil {
			b.log.Warn("the server says what is no JSON-RPC message", "error", err)
		}
		for _, part := range parts {
			b.hearOne(part, turn)
		}
		return
	}
	b.hearOne(data, turn)
}

func (b *Bridge) hearOne(data []byte, turn int) {
	m, err := jsonrpc.ParseOne(data)
	switch {
	case err != nil:
		b.log.Warn("the server says what is no JSON-RPC message", "error", err)
	case m.Response():
		b.answer(m, data)
	case m.Request():
		b.write(b.ask(m, data, turn))
	case m.Notification():
		b.write(data)
	default:
		b.log.Warn("the server says what is neither request nor notification nor response")
	}
}

// answer passes a response on to whoever has asked, once.
func (b *Bridge) answer(m jsonrpc.Message, data []byte) {
	b.mu.Lock()
	c := b.open[jsonrpc.Key(m.ID)]
	b.mu.Unlock()
	if c == nil || m.ID == nil {
		b.log.Debug("the server answers what was not asked, or has been answered")
		return
	}
	if c.reply == nil && m.Result != nil {
		b.note(c, m)
		data = b.learn(c, m, data)
	}
	if !b.finish(c) {
		return
	}
	if c.reply != nil {
		c.reply <- m
		return
	}
	b.write(data)
}

// ask enters a request of the server's. Its id is changed if the client still has one with it, of a session that was lost.
func (b *Bridge) ask(m jsonrpc.Message, data []byte, turn int) []byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	key := jsonrpc.Key(m.ID)
	if before, ok := b.asked[key]; !ok || before.turn == turn {
		b.asked[key] = asked{bytes.Clone(m.ID), turn}
		return data
	}
	b.named++
	id := strconv.AppendQuote(nil, "bearerd-"+strconv.Itoa(b.named))
	b.asked[jsonrpc.Key(id)] = asked{bytes.Clone(m.ID), turn}
	return jsonrpc.Replace(data, m.ID, id)
}
