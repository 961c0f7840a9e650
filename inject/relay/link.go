package relay

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"strconv"
	"strings"
	"sync"

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
	read    chan struct{}

	// The session's mu guards these.
	phase   phase
	open    int                               // requests of the client's that it has still to answer
	idle    chan struct{}                     // closed when open becomes 0; nil: nobody waits
	replies map[string]chan<- jsonrpc.Message // to what the session itself has asked it
	told    told                              // what the session itself has told it
	lists   map[string]string                 // digests of what it lists, by method

	inMu sync.Mutex // held while a line is written to in
}

// Attach takes in a server that has just been started: in and out are its stdin and stdout. Its lines are read until out
// ends, see Read. Then Replay and Switch it, or Fail it.
func (s *Session) Attach(in io.Writer, out io.Reader) *Link {
	l := &Link{
		session: s, in: in, read: make(chan struct{}), replies: map[string]chan<- jsonrpc.Message{}, lists: map[string]string{},
		told: told{subscriptions: map[string]string{}, listens: map[string][]byte{}},
	}
	go l.readAll(out)
	return l
}

// Read is closed when the server's stdout has ended and all that came from it was passed on.
func (l *Link) Read() <-chan struct{} { return l.read }

func (l *Link) readAll(out io.Reader) {
	defer close(l.read)
	lines := newLines(out)
	for {
		line, err := lines.next()
		if err != nil {
			if s := l.session; errors.Is(err, io.EOF) && !s.spoken.Load() {
				s.toClient(line)
			}
			if !errors.Is(err, io.EOF) {
				l.session.log.Debug("the server's output cannot be read on", "server", l.session.name, "error", err)
			}
			return
		}
		l.fromServer(line)
	}
}

// write sends a line to the server. That it cannot be sent shows at its stdout, which ends.
func (l *Link) write(line []byte) {
	l.inMu.Lock()
	defer l.inMu.Unlock()
	_, _ = l.in.Write(line)
}

// fromServer passes one line of the server's on, if it is meant for the client.
func (l *Link) fromServer(line []byte) {
	s := l.session
	messages, batch, err := jsonrpc.Parse(line)
	switch {
	case err == nil:
	case !s.spoken.Load():
		s.toClient(line)
		return
	default:
		if len(bytes.TrimSpace(line)) > 0 {
			s.stray(line)
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
		case m.Response():
			pass = l.answered(m) || pass
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
		s.toClient(line)
	}
}

// answered takes an answer of the server's, and reports whether it is for the client.
func (l *Link) answered(m jsonrpc.Message) bool {
	s, key := l.session, jsonrpc.Key(m.ID)
	if reply := l.replies[key]; reply != nil {
		delete(l.replies, key)
		reply <- copied(m) // there is room for one
		return false
	}
	if s.record.listens[key] != nil {
		if l.phase != serving {
			return false // its successor listens
		}
		delete(s.record.listens, key)
		return true
	}
	r := s.requests[key]
	switch {
	case r == nil:
		return l.phase == serving // not ours to judge
	case r.link != l:
		return false // the client has had an answer, or gets it from another server
	}
	delete(s.requests, key)
	if !r.cancelled {
		l.open--
	}
	s.record.answered(r, m)
	s.rested(l)
	return true
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
	q := &question{link: l, shown: bytes.Clone(m.ID)}
	if other := s.asked[key]; !batch && (s.orphans[key] || other != nil && other.link != l) {
		s.renamed++
		q.id, q.shown = q.shown, []byte(strconv.Quote("bearerd-"+strconv.Itoa(s.renamed)))
		line, key = jsonrpc.Replace(line, m.ID, q.shown), jsonrpc.Key(q.shown)
	}
	s.asked[key] = q
	return line
}

// tells takes a notification of the server's, and reports whether it is for the client now.
func (l *Link) tells(m jsonrpc.Message) bool {
	switch m.Method {
	case "notifications/subscriptions/acknowledged":
		return l.session.record.acknowledged(m)
	}
	switch l.phase {
	case serving:
		return true
	case retiring: // what is new is its successor's to tell
		return !strings.HasSuffix(m.Method, "/list_changed") && m.Method != "notifications/resources/updated"
	}
	return false // the client has heard it from the one that serves
}

// withdraws notes that the server takes back a question, and gives the line that tells the client: it may know the question
// by another id. nil: it is not for the client.
func (l *Link) withdraws(m jsonrpc.Message, line []byte) []byte {
	s, id := l.session, jsonrpc.Field(m.Params, "requestId")
	key := jsonrpc.Key(id)
	for shown, q := range s.asked {
		switch {
		case q.link != l:
		case q.id == nil && shown == key:
			delete(s.asked, shown)
			return line
		case q.id != nil && jsonrpc.Key(q.id) == key:
			delete(s.asked, shown)
			return jsonrpc.Replace(line, id, q.shown)
		}
	}
	if l.phase == preparing {
		return nil
	}
	return line
}

// Unanswered reports whether requests of the client's are still open at l.
func (l *Link) Unanswered() bool {
	l.session.mu.Lock()
	defer l.session.mu.Unlock()
	return l.open > 0
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
	if s.current == l {
		s.current = nil
		if s.gate != refusing {
			s.gate = holding
		}
	}
	l.phase = gone
	for _, reply := range l.replies {
		close(reply)
	}
	l.replies = nil
	lines := l.orphan()
	lines = append(lines, l.abandon(why)...)
	l.open = 0
	s.rested(l)
	s.settle()
	s.mu.Unlock()
	s.toClient(lines...)
}

// abandon deals with the requests that l has not answered. It gives the answers to those that nobody else will.
func (l *Link) abandon(why Reason) (answers [][]byte) {
	s := l.session
	var again [][]byte
	for key, r := range s.requests {
		switch {
		case r.link != l:
		case r.cancelled:
			delete(s.requests, key)
		case r.line != nil && s.gate == holding:
			r.link = nil
			again = append(again, r.line)
		default:
			delete(s.requests, key)
			answers = append(answers, s.failure(r.id, why))
		}
	}
	slices.SortFunc(again, func(a, b []byte) int { // initialize before what needs it
		return strings.Compare(rank(a), rank(b))
	})
	for _, line := range again {
		s.heldSize += len(line)
	}
	s.held = append(again, s.held...)
	return answers
}

// orphan withdraws the questions that l has asked the client.
func (l *Link) orphan() (lines [][]byte) {
	s := l.session
	for key, q := range s.asked {
		if q.link == l {
			delete(s.asked, key)
			s.orphans[key] = true
			lines = append(lines, withdrawal(q.shown))
		}
	}
	return lines
}
