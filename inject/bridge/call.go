package bridge

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

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
	unsent    bool // guarded by Bridge.mu: the server has certainly not acted on it, and a new session is waited for
}

// most is how many requests of the client may be open, and how many other messages of it be under way.
const most = 1000

// failure is why a request has no result, as the client sees it.
type failure struct {
	code    int
	message string
	data    any    // marshalled; may be nil
	status  int    // the HTTP status that says so, when no JSON-RPC error does; 0: another cause
	reason  string // of what bearerd says in the server's place: see detail
	to      string // of an error that the server answers: the key of the id that it answers
	logged  bool   // by whoever has met it
}

func (f *failure) Error() string { return f.message }

// codeBridge is the JSON-RPC error code of what bearerd says in the server's place; the proxy uses the same.
const codeBridge = -32001

// detail is the data of what bearerd says in the server's place.
type detail struct {
	Server string `json:"server"`
	Reason string `json:"reason"` // a word for programs
	Retry  bool   `json:"retry"`  // the server has certainly not acted, and may the next time
}

const (
	reasonEndpoint = "bad_endpoint"  // of the older HTTP+SSE
	reasonRefused  = "token_refused" // as the proxy says it
	reasonLost     = "answer_lost"
	reasonSession  = "session_lost"
)

const unknown = "it is not known whether the server has acted"

// say makes a failure whose words follow the name of the server.
func (b *Bridge) say(reason, format string, a ...any) *failure {
	message := fmt.Sprintf("server %q ", b.name) + fmt.Sprintf(format, a...)
	return &failure{code: codeBridge, message: message, data: detail{b.name, reason, false}, reason: reason}
}

// sayRetry is say for what the server has certainly not acted on.
func (b *Bridge) sayRetry(reason, format string, a ...any) *failure {
	f := b.say(reason, format, a...)
	f.data = detail{b.name, reason, true}
	return f
}

// status is say for an HTTP status that no request is to get.
func (b *Bridge) status(status int, format string, a ...any) *failure {
	f := b.say("http_"+strconv.Itoa(status), format, a...)
	f.status = status
	return f
}

// noted is a failure that was logged.
func noted(f *failure) *failure {
	f.logged = true
	return f
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
	if f.code == codeBridge {
		f.reason = jsonrpc.Text(jsonrpc.Field(e.Data, "reason"))
		f.logged = f.reason != "" // the round tripper's own words
	}
	return f, nil
}

// newCall enters a request of the client, or one of the bridge's if reply is given. It is nil, and answered, if another one
// with its id is open, or too many are.
func (b *Bridge) newCall(m jsonrpc.Message, line []byte, reply chan jsonrpc.Message, cancel context.CancelFunc) *call {
	c := &call{id: m.ID, key: jsonrpc.Key(m.ID), method: m.Method, params: m.Params, line: line, modern: modern(m),
		reply: reply, done: make(chan struct{}), cancel: cancel}
	left := make(chan struct{})
	c.left, c.sent = left, sync.OnceFunc(func() { close(left) })
	b.mu.Lock()
	before := b.open[c.key]
	taken := before != nil && !before.cancelled
	many := reply == nil && len(b.open) >= most
	if !taken && !many {
		b.open[c.key] = c
	}
	b.mu.Unlock()
	switch {
	case taken:
		b.refuse(m.ID, -32600, "another request with this id is still open")
		return nil
	case many:
		b.write(jsonrpc.Failure(m.ID, codeBridge, fmt.Sprintf("server %q has %d requests to answer: send it again later", b.name, most),
			detail{b.name, "too_many", true}))
		return nil
	}
	return c
}

// newID makes an id that is nobody else's. The caller holds mu.
func (b *Bridge) newID() []byte {
	b.named++
	return strconv.AppendQuote(nil, b.tag+strconv.Itoa(b.named))
}

// own makes a request of the bridge's from a line of the client's, with another id.
func (b *Bridge) own(line []byte) (*call, error) {
	b.mu.Lock()
	id := b.newID()
	b.mu.Unlock()
	m, err := jsonrpc.ParseOne(line)
	if err != nil {
		return nil, err
	}
	line = jsonrpc.Replace(line, m.ID, id)
	if m, err = jsonrpc.ParseOne(line); err != nil {
		return nil, err
	}
	return b.newCall(m, line, make(chan jsonrpc.Message, 1), func() {}), nil
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
	time.AfterFunc(linger, c.cancel) // its exchange may go on, if the answer came over another
	return true
}

// fail answers a request that has no answer yet with an error. err may be nil.
func (b *Bridge) fail(c *call, err error) {
	if answer := b.failing(c, err); answer != nil {
		b.write(answer)
	}
}

// failing is fail, but for writing the answer that it gives; nil: the client gets none.
func (b *Bridge) failing(c *call, err error) []byte {
	b.mu.Lock()
	silent := c.cancelled || c.reply != nil
	b.mu.Unlock()
	if !b.finish(c) || silent || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return nil
	}
	f, ok := errors.AsType[*failure](err)
	if !ok {
		f = b.lost()
	}
	return jsonrpc.Failure(c.id, f.code, f.message, f.data)
}

// lost is the failure of a request that the server has got.
func (b *Bridge) lost() *failure {
	return b.say(reasonLost, "broke the connection before it had answered: the answer is lost, and %s", unknown)
}

// warn logs a failure that no request of the client tells of, once.
func (b *Bridge) warn(what string, err error, more ...any) {
	level := slog.LevelWarn
	if f, ok := errors.AsType[*failure](err); ok && f.logged {
		level = slog.LevelDebug
	}
	b.log.Log(context.Background(), level, what, append(more, "error", err)...)
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
