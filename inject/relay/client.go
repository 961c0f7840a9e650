package relay

import (
	"context"
	"io"
	"sync"
	"time"
)

// lastWords is how long the client is given to read when all has to end at once.
const lastWords = 300 * time.Millisecond

// client is where lines go to the client. Each goes out whole.
type client struct {
	to   io.Writer
	deaf chan struct{} // closed when the client reads no more

	turn chan struct{} // holds one value while lines are written; no mutex, as a write may last for ever

	mu   sync.Mutex
	said [][]byte // guarded by mu: the session's own lines that wait
}

// pass writes lines, after what was said before them. It lasts as long as the client takes to read.
func (c *client) pass(lines ...[]byte) {
	c.turn <- struct{}{}
	defer func() { <-c.turn }()
	c.mu.Lock()
	said := c.said
	c.said = nil
	c.mu.Unlock()
	c.write(said)
	c.write(lines)
}

// write writes lines. After an error, which is that the client has gone, nothing is written any more.
func (c *client) write(lines [][]byte) {
	for _, line := range lines {
		select {
		case <-c.deaf:
			return
		default:
		}
		if _, err := c.to.Write(line); err != nil {
			close(c.deaf)
		}
	}
}

// say writes lines of the session's own, and waits for nobody: whoever exchanges servers must not hang on a client that
// does not read. Written waits.
func (c *client) say(lines ...[]byte) {
	if len(lines) == 0 {
		return
	}
	c.mu.Lock()
	c.said = append(c.said, lines...)
	c.mu.Unlock()
	go c.pass()
}

// Deaf is closed when the client reads no more.
func (s *Session) Deaf() <-chan struct{} { return s.out.deaf }

// Written waits until the client has read what the session itself had to say, such as the errors of Fail, or until shortly
// after ctx is done.
func (s *Session) Written(ctx context.Context) {
	written := make(chan struct{})
	go func() {
		defer close(written)
		s.out.pass()
	}()
	select {
	case <-written:
		return
	case <-ctx.Done():
	}
	select {
	case <-written:
	case <-time.After(lastWords):
	}
}
