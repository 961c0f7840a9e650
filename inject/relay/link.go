package relay

import (
	"bytes"
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"time"

	"bearerd/inject/jsonrpc"
)

// phase is what a server is to the session.
type phase int

const (
	preparing phase = iota // it is being told what the session is about
	serving                // it gets what the client says
	retiring               // another one serves: it finishes what it was asked
	gone                   // nothing of it counts any more
)

// Link is one server process as the session sees it.
type Link struct {
	session *Session
	in      io.Writer // the process's stdin
	stray   func(line []byte)
	read    chan struct{}
	fault   error // why its output is not read on, once read is closed; nil: it has ended

	// The session's mu guards these.
	phase   phase
	open    int                               // requests of the client's that it has still to answer
	idle    chan struct{}                     // closed when open becomes 0; nil: nobody waits
	replies map[string]chan<- jsonrpc.Message // to what the session itself has asked it
	told    told                              // what the session itself has told it
	bare    bool                              // it is told nothing
	early   map[string][]byte                 // its answers to subscriptions/listen from before it took over, by the key of the id
	stale   map[string]bool                   // notifications from then of lists that have changed
	flushed chan struct{}                     // closed when it has got what was held; nil: it has not taken over
	until   time.Time                         // wall clock: then it must not be asked any more; zero: never

	// For Replay and Switch alone, which one goroutine calls.
	lists    map[string]string // digests of what it lists, by method
	farewell [][]byte          // what the client is told of subscriptions that ended as it took over

	turn chan struct{} // holds one value while a line is written to in
}

// Attach takes in a server that has just been started: in and out are its stdin and stdout. stray is given its lines that are
// no JSON-RPC, once the client has spoken it. They are read until out ends, see Read. Then Replay and Switch it, or Fail it. A
// write to in that hangs must end with an error when the server is given up.
func (s *Session) Attach(in io.Writer, out io.Reader, stray func(line []byte)) *Link {
	l := &Link{
		session: s, in: in, stray: stray, turn: make(chan struct{}, 1), read: make(chan struct{}), replies: map[string]chan<- jsonrpc.Message{},
		told:  told{subscriptions: map[string]string{}, listens: map[string][]byte{}},
		early: map[string][]byte{}, stale: map[string]bool{}, lists: map[string]string{},
	}
	go l.readAll(out)
	return l
}

// Read is closed when the server's stdout has ended, or cannot be read on, and all that came from it was passed on.
func (l *Link) Read() <-chan struct{} { return l.read }

// Fault says, once Read is closed, why the server's stdout was not read to its end: a line was too long, for one. nil: it was.
func (l *Link) Fault() error { return l.fault }

func (l *Link) readAll(out io.Reader) {
	defer close(l.read)
	lines := newLines(out)
	for {
		line, err := lines.next()
		if err != nil {
			if errors.Is(err, io.EOF) {
				l.last(line)
			} else {
				l.fault = err
			}
			return
		}
		l.fromServer(line)
	}
}

// last deals with what a server has written without an end of line before its stdout ended. Half a message would spoil the
// next line for the client.
func (l *Link) last(line []byte) {
	switch {
	case l.session.early(l, line, true):
	case len(line) == 0:
	default:
		l.fromServer(append(line, '\n'))
	}
}

// write sends a line to the server. A server that does not read holds it up.
func (l *Link) write(line []byte) error {
	l.turn <- struct{}{}
	defer func() { <-l.turn }()
	_, err := l.in.Write(line)
	return err
}

// send is write for those who must not hang on a server that does not read. line must stay as it is.
func (l *Link) send(ctx context.Context, line []byte) error {
	sent := make(chan error, 1)
	go func() { sent <- l.write(line) }() // it ends with the server at the latest
	select {
	case err := <-sent:
		if err != nil {
			return ErrEnded
		}
		return nil
	case <-l.read:
		return ErrEnded
	case <-ctx.Done():
		return ctx.Err()
	}
}

// fromServer passes one line of the server's on, if it is meant for the client.
func (l *Link) fromServer(line []byte) {
	s := l.session
	messages, batch, err := jsonrpc.Parse(line)
	switch {
	case err == nil:
	case s.early(l, line, false):
		return
	default:
		if len(bytes.TrimSpace(line)) > 0 {
			l.stray(line)
		}
		return
	}
	s.mu.Lock()
	if l.phase == gone {
		s.mu.Unlock()
		return
	}
	pass := false
	for _, m := range messages {
		switch {
		case m.Response(), m.Method == "" && m.ID != nil: // {"jsonrpc":"2.0","id":5}: of a server whose result was undefined
			pass = l.answered(m, line) || pass
		case m.Request():
			line, pass = l.asks(m, line, batch), true
		case m.Method == "notifications/cancelled" && !batch:
			line = l.withdraws(m, line)
			pass = line != nil
		default:
			pass = l.tells(m) || pass
		}
	}
	s.settle()
	s.mu.Unlock()
	if pass {
		s.out.pass(line)
	}
}

// answered takes an answer of the server's, and reports whether it is for the client.
func (l *Link) answered(m jsonrpc.Message, line []byte) bool {
	s, key := l.session, jsonrpc.Key(m.ID)
	if reply := l.replies[key]; reply != nil {
		delete(l.replies, key)
		reply <- copied(m) // there is room for one
		return false
	}
	if s.record.listens[key] != nil {
		return l.ended(key, line)
	}
	r := s.requests[key]
	switch {
	case r == nil:
		return l.phase == serving // not ours to judge
	case r.link != l:
		return false // the client has had an answer, or gets it from another server
	}
	s.forget(key)
	s.answered = s.answered || m.Error == nil
	s.record.answered(r, m)
	return true
}

// ended notes that l has ended a subscriptions/listen, and reports whether the client is to know now.
func (l *Link) ended(key string, line []byte) bool {
	switch l.phase {
	case serving:
		l.session.record.endListen(key)
		return true
	case preparing:
		l.early[key] = bytes.Clone(line)
	}
	return false // another one listens
}

// rested wakes who waits for l to have answered everything.
func (s *Session) rested(l *Link) {
	if l.open <= 0 && l.idle != nil {
		close(l.idle)
		l.idle = nil
	}
}

// asks takes a request of the server's to the client. Its id is changed where the client could take it for another's: where
// a server that has gone has used the same, and the client may still answer that.
func (l *Link) asks(m jsonrpc.Message, line []byte, batch bool) []byte {
	s, key := l.session, jsonrpc.Key(m.ID)
	q := &question{link: l, shown: bytes.Clone(m.ID), token: jsonrpc.Key(jsonrpc.Field(m.Params, "_meta", "progressToken"))}
	if other := s.asked[key]; !batch && (s.orphans.has[key] || other != nil && other.link != l) {
		q.id, q.shown = q.shown, s.newID()
		line, key = jsonrpc.Replace(line, m.ID, q.shown), jsonrpc.Key(q.shown)
	}
	s.asked[key] = q
	return line
}

// listChanged ends the names of the notifications that say so.
const listChanged = "/list_changed"

// tells takes a notification of the server's, and reports whether it is for the client now.
func (l *Link) tells(m jsonrpc.Message) bool {
	if m.Method == "notifications/subscriptions/acknowledged" {
		return l.session.record.acknowledged(m)
	}
	switch l.phase {
	case serving:
		return true
	case retiring: // what is new is its successor's to tell
		return !strings.HasSuffix(m.Method, listChanged) && m.Method != "notifications/resources/updated"
	case preparing: // the client has heard it from the one that serves, unless it is of what that one does not know
		if strings.HasSuffix(m.Method, listChanged) {
			l.stale[m.Method] = true
		}
	}
	return false
}

// withdraws notes that the server takes back a question, and gives the line that tells the client: it may know the question
// by another id. nil: it is not for the client.
func (l *Link) withdraws(m jsonrpc.Message, line []byte) []byte {
	s, id := l.session, jsonrpc.Field(m.Params, "requestId")
	key := jsonrpc.Key(id)
	if s.record.listens[key] != nil { // it ends a subscription
		if l.ended(key, line) {
			return line
		}
		return nil
	}
	for shown, q := range s.asked {
		switch {
		case q.link != l:
		case q.id == nil && shown == key:
			delete(s.asked, shown)
			s.orphans.add(shown)
			return line
		case q.id != nil && jsonrpc.Key(q.id) == key:
			delete(s.asked, shown)
			s.orphans.add(shown)
			return jsonrpc.Replace(line, id, q.shown)
		}
	}
	if l.phase == preparing {
		return nil
	}
	return line
}

// Sent waits until l, if it has taken over, has got what was held, or until limit has passed. Then its stdin may be closed.
func (l *Link) Sent(limit time.Duration) {
	l.session.mu.Lock()
	flushed := l.flushed
	l.session.mu.Unlock()
	if flushed == nil {
		return
	}
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-flushed:
	case <-timer.C:
	}
}

// Fail ends the part of a server that is gone or is not wanted any more: what it has not answered is answered with why, or
// waits for the next server where that does no harm.
func (l *Link) Fail(why Reason) {
	s := l.session
	s.mu.Lock()
	if l.phase == gone {
		s.mu.Unlock()
		return
	}
	if s.next == l {
		s.next = nil
	}
	if s.over {
		why = s.refusal
	}
	if s.current == l {
		s.current = nil
		s.shut()
	}
	l.phase = gone
	for _, reply := range l.replies {
		close(reply)
	}
	l.replies = nil
	lines := l.orphan()
	lines = append(lines, l.abandon(why)...)
	if s.gate == refusing {
		lines = append(lines, s.refuseHeld()...)
	}
	l.open = 0
	s.rested(l)
	s.settle()
	s.mu.Unlock()
	s.out.say(lines...)
}

// abandon deals with the requests that l has not answered. It gives the answers to those that nobody else will.
func (l *Link) abandon(why Reason) (answers [][]byte) {
	s := l.session
	var again []*request
	for key, r := range s.requests {
		switch {
		case r.link != l:
		case r.cancelled:
			delete(s.requests, key)
		case r.line != nil && s.gate == holding:
			again = append(again, r)
		default:
			delete(s.requests, key)
			answers = append(answers, s.failure(r.id, why))
		}
	}
	s.holdAgain(again)
	return answers
}

// holdAgain puts requests that were sent before what is held, in their order.
func (s *Session) holdAgain(again []*request) {
	slices.SortFunc(again, func(a, b *request) int { return a.turn - b.turn })
	var first []held
	for _, r := range again {
		r.link = nil
		first = append(first, held{line: r.line})
		s.heldSize += len(r.line)
	}
	s.held = append(first, s.held...)
}

// orphan withdraws the questions that l has asked the client.
func (l *Link) orphan() (lines [][]byte) {
	s := l.session
	for key, q := range s.asked {
		if q.link == l {
			delete(s.asked, key)
			s.orphans.add(key)
			lines = append(lines, withdrawal(q.shown, "the server that asked has gone"))
		}
	}
	return lines
}
