// Package relay keeps one MCP session between a client and a stdio server while the process beneath is exchanged. It passes
// lines of JSON-RPC byte for byte and looks at no more of them than their envelopes and what a fresh process must be told
// again. It starts no process and knows no token.
package relay

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"strconv"
	"sync"
	"sync/atomic"

	"bearerd/inject/jsonrpc"
)

// heldLimit is how many bytes of what a client says are held while there is no server; then it is not read on.
const heldLimit = 64 << 20

// gate is what happens to what the client says.
type gate int

const (
	holding  gate = iota // it waits for the next server
	flushing             // what has waited is on its way: what comes now follows it
	open                 // it goes to the server
	refusing             // requests are answered with an error
)

// Session is the client's side, from its first to its last line.
type Session struct {
	name string
	log  *slog.Logger
	out  client

	spoken atomic.Bool // the client has sent a message: it is an MCP client

	silence silence

	mu       sync.Mutex // guards what follows, and what Link says it does
	gate     gate
	holdNext bool          // while flushing: the gate does not open after it
	refusal  Reason        // while refusing
	foreseen *Reason       // what is refused with as soon as no server serves; nil: it is held
	over     bool          // the session has ended: no server takes over any more
	current  *Link         // nil: none
	next     *Link         // takes over as soon as no request is open
	park     bool          // current is to rest as soon as no request is open, and nothing takes over
	force    bool          // next takes over although requests are open
	turned   chan struct{} // closed when next has taken over, current rests, or the record is newer than next; nil: nobody waits
	writing  bool          // a line is on its way to current
	held     []held        // while holding or flushing
	heldSize int
	room     chan struct{}        // closed when held may take more; nil: nobody waits
	requests map[string]*request  // of the client, by the key of their id, until they are answered
	asked    map[string]*question // of the servers, by the key of the id that the client sees
	orphans  orphans              // ids of questions that were withdrawn: the client may still answer
	entered  int                  // requests that were given to a server so far
	named    int                  // ids that the session has made so far
	answered bool                 // a server has answered a request well
	record   record
}

// request is one of the client's that is not answered yet.
type request struct {
	id        []byte
	link      *Link // nil: it is held
	method    string
	line      []byte // nil: it must not be sent to another server by itself
	turn      int    // the how manieth it is
	cancelled bool   // no answer need come
}

// question is a server's request to the client that is not answered yet.
type question struct {
	link  *Link
	shown []byte // the id that the client sees
	id    []byte // the one that the server wrote; nil: the same
	token string // the key of the progress token; "": none
}

// New makes the session of a client that reads out, with the server called name.
func New(name string, out io.Writer, log *slog.Logger) *Session {
	return &Session{
		name: name, log: log, out: client{to: out, deaf: make(chan struct{}), turn: make(chan struct{}, 1)},
		requests: map[string]*request{}, asked: map[string]*question{}, orphans: orphans{has: map[string]bool{}},
		record: newRecord(),
	}
}

// Serve reads the client until it ends or a read fails; the error is nil at the end of input. A read that blocks is not
// interrupted by ctx, only waiting for a server is.
func (s *Session) Serve(ctx context.Context, in io.Reader) error {
	lines := newLines(in)
	for {
		line, err := lines.next()
		if err == io.EOF {
			if len(line) > 0 {
				s.fromClient(ctx, line)
			}
			return nil
		}
		if err != nil {
			return err
		}
		s.fromClient(ctx, line)
	}
}

// fromClient passes one line of the client's on. There is one caller at a time.
func (s *Session) fromClient(ctx context.Context, line []byte) {
	messages, batch, err := jsonrpc.Parse(line)
	if err == nil {
		s.speaks()
	} else if len(bytes.TrimSpace(line)) == 0 && s.spoken.Load() {
		return
	}
	s.awaitRoom(ctx)
	s.mu.Lock()
	if !batch && len(messages) == 1 && s.besides(messages[0], line) {
		return // besides has unlocked
	}
	if s.gate == open && s.current.isOver() {
		s.shut()
	}
	if s.gate != open {
		answers := s.holdBack(messages, line)
		s.mu.Unlock()
		s.out.pass(answers...)
		return
	}
	l := s.current
	for _, m := range messages {
		s.enter(m, line, batch, l)
	}
	s.deliver(l, messages, line)
}

// deliver writes a line to l. It unlocks s.mu, which is held, while it does.
func (s *Session) deliver(l *Link, messages []jsonrpc.Message, line []byte) {
	s.writing = l == s.current
	s.mu.Unlock()
	err := l.write(line)
	s.mu.Lock()
	s.writing = false
	if err != nil {
		s.undelivered(l, messages, line)
	}
	s.rested(l)
	s.settle()
	s.mu.Unlock()
}

// undelivered notes that l has not got all of a line: another server may have it.
func (s *Session) undelivered(l *Link, messages []jsonrpc.Message, line []byte) {
	if len(messages) != 1 || !messages[0].Request() {
		return
	}
	if r := s.requests[jsonrpc.Key(messages[0].ID)]; r != nil && r.link == l {
		r.line = bytes.Clone(line)
	}
}

// besides deals with what does not go to the current server in any case: answers and cancellations belong to the process
// that they are about. It unlocks s.mu when it does.
func (s *Session) besides(m jsonrpc.Message, line []byte) bool {
	var to *Link
	switch {
	case m.Response():
		key := jsonrpc.Key(m.ID)
		q, ok := s.asked[key]
		if !ok && (s.orphans.has[key] || s.gate == holding || s.gate == refusing) {
			delete(s.orphans.has, key)
			s.mu.Unlock()
			return true
		}
		if !ok {
			return false // not ours to judge
		}
		delete(s.asked, key)
		if q.id != nil {
			line = jsonrpc.Replace(line, m.ID, q.id)
		}
		to = q.link
	case m.Method == "notifications/cancelled":
		var ok bool
		if to, ok = s.cancel(m); !ok && (s.gate == open || s.gate == flushing) {
			return false
		}
	case m.Method == "notifications/progress":
		if to = s.wantsProgress(jsonrpc.Key(jsonrpc.Field(m.Params, "progressToken"))); to == nil {
			return false
		}
	default:
		return false
	}
	switch {
	case to != nil && to == s.current && s.gate == flushing: // what it is about may be on its way only now
		s.hold(line, to)
	case to != nil:
		s.deliver(to, nil, line)
		return true
	}
	s.mu.Unlock()
	return true
}

// wantsProgress gives the server that has asked for the progress of a question. nil: none is known.
func (s *Session) wantsProgress(token string) *Link {
	for _, q := range s.asked {
		if token != "" && q.token == token {
			return q.link
		}
	}
	return nil
}

// cancel notes that the client waits for a request no longer, and gives the server that has it; false: none is known. One that
// is held is not sent at all.
func (s *Session) cancel(m jsonrpc.Message) (to *Link, ok bool) {
	key := jsonrpc.Key(jsonrpc.Field(m.Params, "requestId"))
	s.record.endListen(key)
	r, ok := s.requests[key]
	switch {
	case !ok:
		return nil, false
	case r.link == nil:
		delete(s.requests, key)
		s.dropHeld(key)
	case !r.cancelled:
		r.cancelled = true
		r.link.open--
	}
	return r.link, true
}

// enter notes one message that goes to l.
func (s *Session) enter(m jsonrpc.Message, line []byte, batch bool, l *Link) {
	key := jsonrpc.Key(m.ID)
	switch {
	case m.Method == "notifications/initialized":
		s.record.opened(line, batch)
		return
	case batch && m.Method == "notifications/cancelled": // besides has seen to one that comes alone
		s.cancel(m)
		return
	case batch && m.Response():
		delete(s.asked, key)
		return
	case !m.Request():
		return
	case !batch && m.Method == "subscriptions/listen":
		s.forget(key) // where it was held
		s.record.listens[key] = &listen{id: bytes.Clone(m.ID), line: bytes.Clone(line)}
		s.record.version++
		return
	}
	s.forget(key)
	s.entered++
	r := &request{id: bytes.Clone(m.ID), link: l, method: m.Method, turn: s.entered}
	if !batch && repeatable(m.Method) {
		r.line = bytes.Clone(line)
	}
	s.requests[key] = r
	l.open++
}

// forget drops what is known of a request. That it is open somewhere is the client's mistake, which uses an id twice: it
// must not keep a server for ever.
func (s *Session) forget(key string) {
	if r := s.requests[key]; r != nil && r.link != nil && !r.cancelled {
		r.link.open--
		s.rested(r.link)
	}
	delete(s.requests, key)
}

// newID makes an id that is nobody else's.
func (s *Session) newID() []byte {
	for {
		s.named++
		id := []byte(strconv.Quote("bearerd-" + strconv.Itoa(s.named)))
		key := jsonrpc.Key(id)
		if s.asked[key] == nil && !s.orphans.has[key] && s.requests[key] == nil && s.record.listens[key] == nil {
			return id
		}
	}
}

// Answered reports whether a server has answered a request of the client's well.
func (s *Session) Answered() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.answered
}

// Serves reports whether a server gets what the client says.
func (s *Session) Serves() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.gate == open || s.gate == flushing
}
