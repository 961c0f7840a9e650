// Package relay keeps one MCP session between a client and a stdio server while the process beneath is exchanged. It passes
// lines of JSON-RPC byte for byte and looks at no more of them than their envelopes and what a fresh process must be told
// again. It starts no process and knows no token.
package relay

import (
	"bytes"
	"context"
	"io"
	"log/slog"
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
	name  string
	out   io.Writer
	log   *slog.Logger
	stray func(line []byte)

	spoken atomic.Bool // the client has sent a message: before that it may be no MCP client, and gets all there is

	outMu sync.Mutex // held while a line is written to out
	deaf  chan struct{}

	mu       sync.Mutex // guards what follows, and what Link says it does
	gate     gate
	refusal  Reason        // while refusing
	current  *Link         // nil: none
	next     *Link         // takes over as soon as no request is open
	park     bool          // current is to rest as soon as no request is open, and nothing takes over
	force    bool          // next takes over although requests are open
	turned   chan struct{} // closed when next has taken over, current rests, or the record is newer than next; nil: nobody waits
	writing  bool          // a line is on its way to current
	held     [][]byte      // while holding or flushing
	heldSize int
	room     chan struct{}        // closed when held may take more; nil: nobody waits
	requests map[string]*request  // of the client, by the key of their id, until they are answered
	asked    map[string]*question // of the servers, by the key of the id that the client sees
	orphans  map[string]bool      // ids of questions whose server has gone: the client may still answer
	renamed  int                  // questions that were given another id so far
	record   record
}

// request is one of the client's that is not answered yet.
type request struct {
	id        []byte
	link      *Link // nil: it is held
	method    string
	line      []byte // nil: it must not be sent to another server by itself
	cancelled bool   // no answer need come
}

// question is a server's request to the client that is not answered yet.
type question struct {
	link  *Link
	shown []byte // the id that the client sees
	id    []byte // the one that the server wrote; nil: the same
}

// New makes the session of a client that reads out. stray is given the lines of servers that are no JSON-RPC.
func New(name string, out io.Writer, stray func(line []byte), log *slog.Logger) *Session {
	return &Session{
		name: name, out: out, log: log, stray: stray, deaf: make(chan struct{}),
		requests: map[string]*request{}, asked: map[string]*question{}, orphans: map[string]bool{},
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
			if len(line) > 0 && !s.spoken.Load() {
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
		s.spoken.Store(true)
	} else if len(bytes.TrimSpace(line)) == 0 && s.spoken.Load() {
		return
	}
	s.awaitRoom(ctx)
	s.mu.Lock()
	if !batch && len(messages) == 1 && s.besides(messages[0], line) {
		return // besides has unlocked
	}
	if s.gate != open {
		answers := s.holdBack(messages, line)
		s.mu.Unlock()
		s.toClient(answers...)
		return
	}
	l := s.current
	for _, m := range messages {
		s.enter(m, line, batch, l)
	}
	s.writing = true
	s.mu.Unlock()
	l.write(line)
	s.mu.Lock()
	s.writing = false
	s.settle()
	s.mu.Unlock()
}

// besides deals with what does not go to the current server in any case: answers and cancellations belong to the process
// that they are about. It unlocks s.mu when it does.
func (s *Session) besides(m jsonrpc.Message, line []byte) bool {
	var to *Link
	switch {
	case m.Response():
		key := jsonrpc.Key(m.ID)
		q, ok := s.asked[key]
		if !ok && (s.orphans[key] || s.gate != open) {
			delete(s.orphans, key)
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
		key := jsonrpc.Key(jsonrpc.Field(m.Params, "requestId"))
		delete(s.record.listens, key)
		r, ok := s.requests[key]
		if !ok && s.gate != open {
			s.mu.Unlock()
			return true
		}
		if !ok {
			return false
		}
		s.cancel(key, r)
		to = r.link
	default:
		return false
	}
	s.mu.Unlock()
	if to != nil {
		to.write(line)
	}
	s.mu.Lock()
	if to != nil {
		s.rested(to)
	}
	s.settle()
	s.mu.Unlock()
	return true
}

// cancel marks a request that the client waits for no longer. One that is held is not sent at all.
func (s *Session) cancel(key string, r *request) {
	if r.link == nil {
		delete(s.requests, key)
		s.dropHeld(key)
		return
	}
	if !r.cancelled {
		r.cancelled = true
		r.link.open--
	}
}

// enter notes one message that goes to l.
func (s *Session) enter(m jsonrpc.Message, line []byte, batch bool, l *Link) {
	if m.Notification() && m.Method == "notifications/initialized" {
		s.record.initialized = bytes.Clone(line)
	}
	if !m.Request() {
		return
	}
	key := jsonrpc.Key(m.ID)
	if m.Method == "subscriptions/listen" {
		delete(s.requests, key) // where it was held
		s.record.listens[key] = &listen{id: bytes.Clone(m.ID), line: bytes.Clone(line)}
		s.record.version++
		return
	}
	r := &request{id: bytes.Clone(m.ID), link: l, method: m.Method}
	if !batch && repeatable(m.Method) {
		r.line = bytes.Clone(line)
	}
	if old := s.requests[key]; old != nil && old.link != nil && !old.cancelled {
		old.link.open-- // an id that is used twice: the client's mistake, which must not keep a server for ever
	}
	s.requests[key] = r
	l.open++
}

// toClient writes lines. After an error, which is that the client has gone, nothing is written any more.
func (s *Session) toClient(lines ...[]byte) {
	s.outMu.Lock()
	defer s.outMu.Unlock()
	for _, line := range lines {
		select {
		case <-s.deaf:
			return
		default:
		}
		if _, err := s.out.Write(line); err != nil {
			close(s.deaf)
		}
	}
}

// Deaf is closed when the client reads no more.
func (s *Session) Deaf() <-chan struct{} { return s.deaf }

// Answered reports whether a server has answered the client's opening of the session.
func (s *Session) Answered() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.record.initialize != nil || s.record.discover != nil
}
