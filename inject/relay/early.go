package relay

import (
	"bytes"
	"sync"
	"time"
)

const (
	firstWord   = time.Second // within which an MCP client has said something
	mostSilence = 1 << 20     // bytes that are kept until then
)

// silence is what servers have written that is no JSON-RPC, before the client has said anything. An MCP client could not
// read it; but who says nothing may be no MCP client, and have it all.
type silence struct {
	mu    sync.Mutex
	lines []earlyLine
	size  int
	timer *time.Timer // nil: nothing was written yet
	over  bool        // the client is no MCP client, as far as can be seen
}

type earlyLine struct {
	from *Link
	text []byte
}

// early takes a line that is no JSON-RPC if the client has not spoken yet. last is the end of the server's output.
func (s *Session) early(l *Link, line []byte, last bool) bool {
	q := &s.silence
	q.mu.Lock()
	defer q.mu.Unlock()
	if s.spoken.Load() {
		return false
	}
	q.lines = append(q.lines, earlyLine{l, bytes.Clone(line)})
	q.size += len(line)
	switch {
	case last, q.over, q.size > mostSilence:
		q.pass(s)
	case q.timer == nil:
		q.timer = time.AfterFunc(firstWord, func() {
			q.mu.Lock()
			defer q.mu.Unlock()
			if !s.spoken.Load() {
				q.pass(s)
			}
		})
	}
	return true
}

// pass gives the client what was kept.
func (q *silence) pass(s *Session) {
	q.over = true
	for _, line := range q.lines {
		s.out.pass(line.text)
	}
	q.lines, q.size = nil, 0
}

// speaks notes that the client has sent a message. What was kept could not be read by it.
func (s *Session) speaks() {
	if s.spoken.Load() {
		return
	}
	q := &s.silence
	q.mu.Lock()
	defer q.mu.Unlock()
	s.spoken.Store(true)
	if q.timer != nil {
		q.timer.Stop()
	}
	for _, line := range q.lines {
		line.from.stray(line.text)
	}
	q.lines = nil
}
