package relay

import (
	"context"
	"errors"
	"fmt"
)

// ErrEnded is the error of a server that ended before it took over.
var ErrEnded = errors.New("it ended before it could take over")

// Switch lets l, which has been told by Replay what the session is about, take over as soon as no request is open, and at
// the latest when busy is closed: then the server before it keeps what is open. busy may be nil. It returns when l serves.
func (s *Session) Switch(ctx context.Context, l *Link, busy <-chan struct{}) error {
	for {
		err := s.await(ctx, l, busy)
		if s.disarm(l) {
			s.takenOver(l)
			return nil
		}
		if err == nil {
			err = l.Replay(ctx) // the client has said more meanwhile
		}
		if err != nil {
			return err
		}
	}
}

// Bare makes l a server that is told nothing of the session: Switch replays nothing to it.
func (l *Link) Bare() {
	l.session.mu.Lock()
	defer l.session.mu.Unlock()
	l.bare = true
}

// await waits until l has taken over or must be told more first.
func (s *Session) await(ctx context.Context, l *Link, busy <-chan struct{}) error {
	turned, err := s.arm(l)
	if err != nil {
		return err
	}
	for {
		select {
		case <-turned:
			return nil
		case <-busy:
			busy = nil
			s.mu.Lock()
			s.force = true
			s.settle()
			s.mu.Unlock()
		case <-l.read:
			return ErrEnded
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// takenOver sends l what was held, and tells the client what l has said before it took over.
func (s *Session) takenOver(l *Link) {
	go func() { // Sent waits
		defer close(l.flushed)
		s.flush(l)
	}()
	s.announce(l)
}

// Park waits until no request is open at the server that serves, and lets it rest: what comes is held. It returns at once
// when none serves, and with ctx's error otherwise.
func (s *Session) Park(ctx context.Context) error {
	s.mu.Lock()
	if s.current == nil {
		s.mu.Unlock()
		return nil
	}
	s.park = true
	turned := make(chan struct{})
	s.turned = turned
	s.settle()
	s.mu.Unlock()
	select {
	case <-turned:
		return nil
	case <-ctx.Done():
		s.disarm(nil)
		return fmt.Errorf("requests are open: %w", ctx.Err())
	}
}

func (s *Session) arm(l *Link) (<-chan struct{}, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if l.phase == gone {
		return nil, ErrEnded
	}
	turned := make(chan struct{})
	s.next, s.turned = l, turned
	s.settle()
	return turned, nil
}

// disarm ends the wait for a quiet moment, and reports whether l has taken over.
func (s *Session) disarm(l *Link) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.next, s.park, s.force, s.turned = nil, false, false, nil
	return l != nil && l.flushed != nil
}

// settle does what waits for a quiet moment, if this is one. It is called wherever one may begin, in that very moment: a
// client that sends one request after the other leaves no longer one.
func (s *Session) settle() {
	if s.turned == nil || s.over || s.current != nil && !s.force && !s.quiet() {
		return
	}
	old := s.current
	switch {
	case s.park:
		s.park, s.current = false, nil
		if s.gate == open {
			s.shut()
		}
	case s.next == nil:
		return
	case !s.next.bare && s.next.told.version != s.record.version: // Switch brings it up to date and tries again
	default:
		s.current, s.next, s.force = s.next, nil, false
		s.current.phase, s.current.flushed = serving, make(chan struct{})
		s.takeOpening(old)
		s.current.farewell = s.endListens(s.current)
		s.gate, s.holdNext, s.foreseen = flushing, false, nil
		if len(s.held) == 0 {
			s.gate = open
		}
	}
	if old != nil && old != s.current {
		old.phase = retiring
	}
	close(s.turned)
	s.turned = nil
}

// takeOpening takes from old an initialize that it has not answered: the session must be opened with the server that goes
// on with it.
func (s *Session) takeOpening(old *Link) {
	if old == nil {
		return
	}
	var again []*request
	for _, r := range s.requests {
		if r.link == old && r.method == "initialize" && r.line != nil && !r.cancelled {
			again = append(again, r)
			old.open--
			s.rested(old)
		}
	}
	s.holdAgain(again)
}

// quiet reports whether nothing is open at the server that serves: no request of the client's, and no question of its own.
func (s *Session) quiet() bool {
	if s.writing || s.current.open > 0 || s.gate == flushing {
		return false
	}
	for _, q := range s.asked {
		if q.link == s.current {
			return false
		}
	}
	return true
}

// Finish waits until l, whose successor serves, has answered what was open, or until ctx is done. Then Fail it.
func (l *Link) Finish(ctx context.Context) {
	s := l.session
	s.mu.Lock()
	if l.open <= 0 {
		s.mu.Unlock()
		return
	}
	if l.idle == nil {
		l.idle = make(chan struct{})
	}
	idle := l.idle
	s.mu.Unlock()
	select {
	case <-idle:
	case <-l.read:
	case <-ctx.Done():
	}
}
