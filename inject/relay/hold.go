package relay

import (
	"bytes"
	"context"
	"time"

	"bearerd/inject/jsonrpc"
)

// held is a line that waits.
type held struct {
	line []byte
	only *Link // the server that it is meant for; nil: whoever serves next
}

// Hold keeps back what the client says until another server than l serves, as l's token has ended. What l is getting that was
// held before still goes to it. Hold does nothing when l does not serve.
func (s *Session) Hold(l *Link) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.current != l:
	case s.gate == open:
		s.shut()
	case s.gate == flushing:
		s.holdNext = true
	}
}

// Until says until when l may be asked: from then on, by the wall clock, what the client says is held as with Hold.
func (s *Session) Until(l *Link, t time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l.until = t.Round(0)
}

// isOver reports whether a server must not be asked any more. The time of Until may have passed while the machine slept.
func (l *Link) isOver() bool { return !l.until.IsZero() && !time.Now().Round(0).Before(l.until) }

// shut is what the gate does when no server serves.
func (s *Session) shut() {
	switch {
	case s.gate == refusing:
	case s.foreseen != nil:
		s.gate, s.refusal = refusing, *s.foreseen
	default:
		s.gate = holding
	}
}

// Refuse answers what is held, and what comes, with an error until a server takes over. While one serves, it does so
// from the moment in which that one does not any more.
func (s *Session) Refuse(why Reason) {
	s.mu.Lock()
	if s.over {
		s.mu.Unlock()
		return
	}
	s.foreseen = &why
	if s.gate != holding && s.gate != refusing {
		s.mu.Unlock()
		return
	}
	s.gate, s.refusal = refusing, why
	answers := s.refuseHeld()
	s.mu.Unlock()
	s.out.say(answers...)
}

// refuseHeld gives the answers to what is held.
func (s *Session) refuseHeld() (answers [][]byte) {
	for _, h := range s.held {
		answers = append(answers, s.refuse(h.line)...)
	}
	s.empty()
	return answers
}

// refuse gives the answers to the requests of a line that no server gets.
func (s *Session) refuse(line []byte) (answers [][]byte) {
	messages, batch, _ := jsonrpc.Parse(line)
	for _, m := range messages {
		switch {
		case m.Method == "notifications/initialized":
			s.record.opened(line, batch)
		case !m.Request():
		case m.Method == "ping" && s.record.initialize != nil:
			answers = append(answers, pong(m.ID))
		default:
			s.forget(jsonrpc.Key(m.ID))
			answers = append(answers, s.failure(m.ID, s.refusal))
		}
	}
	return answers
}

// holdBack keeps a line for the next server, or gives the answers to it.
func (s *Session) holdBack(messages []jsonrpc.Message, line []byte) (answers [][]byte) {
	if s.gate == refusing {
		return s.refuse(line)
	}
	if len(messages) == 1 && messages[0].Request() && messages[0].Method == "ping" && s.record.initialize != nil {
		return [][]byte{pong(messages[0].ID)}
	}
	for _, m := range messages {
		if m.Request() {
			s.forget(jsonrpc.Key(m.ID))
			s.requests[jsonrpc.Key(m.ID)] = &request{id: bytes.Clone(m.ID), method: m.Method}
		}
	}
	s.hold(line, nil)
	return nil
}

func (s *Session) hold(line []byte, only *Link) {
	s.held = append(s.held, held{bytes.Clone(line), only})
	s.heldSize += len(line)
}

// awaitRoom waits until one more line may be held.
func (s *Session) awaitRoom(ctx context.Context) {
	for {
		s.mu.Lock()
		if s.heldSize < heldLimit {
			s.mu.Unlock()
			return
		}
		if s.room == nil {
			s.room = make(chan struct{})
		}
		room := s.room
		s.mu.Unlock()
		select {
		case <-room:
		case <-ctx.Done():
			return
		}
	}
}

// empty forgets what is held.
func (s *Session) empty() {
	s.held = nil
	s.shrunk(s.heldSize)
}

func (s *Session) shrunk(by int) {
	s.heldSize -= by
	if s.room != nil && s.heldSize < heldLimit {
		close(s.room)
		s.room = nil
	}
}

// dropHeld forgets the held request of that key.
func (s *Session) dropHeld(key string) {
	for i, h := range s.held {
		if m, err := jsonrpc.ParseOne(h.line); err == nil && m.Request() && jsonrpc.Key(m.ID) == key {
			s.held = append(s.held[:i:i], s.held[i+1:]...)
			s.shrunk(len(h.line))
			return
		}
	}
}

// flush sends what was held to l, which has just taken over, and then opens the gate. What the client says meanwhile
// follows in its order.
func (s *Session) flush(l *Link) {
	for {
		s.mu.Lock()
		if s.current != l || s.gate != flushing {
			s.mu.Unlock()
			return
		}
		if len(s.held) == 0 {
			s.gate = open
			if s.holdNext {
				s.shut()
			}
			s.settle()
			s.mu.Unlock()
			return
		}
		line, only := s.held[0].line, s.held[0].only
		s.held = s.held[1:]
		s.shrunk(len(line))
		if only != nil && only != l {
			s.mu.Unlock()
			continue // it has gone before it got this
		}
		messages, batch, _ := jsonrpc.Parse(line)
		for _, m := range messages {
			s.enter(m, line, batch, l)
		}
		s.mu.Unlock()
		if l.write(line) != nil {
			s.mu.Lock()
			s.undelivered(l, messages, line)
			s.mu.Unlock()
			return // the rest is for the next server: this one has ended, or is about to
		}
	}
}
