package main

import (
	"bytes"
	"fmt"
	"io"
	"sync"
	"time"
)

const (
	lossyLimit = 1 << 20                // bytes that wait for a reader
	lastWords  = 500 * time.Millisecond // which a reader has at the end
)

// lossy passes on what is written to it, and waits for nobody: an MCP client may never read the stderr of what it starts, and
// a log that blocks would block the renewal of tokens and the end of the process. What does not fit is dropped and counted.
type lossy struct {
	to   io.Writer
	wake chan struct{} // holds one value: there is something to write
	done chan struct{} // closed when nothing is written any more

	mu      sync.Mutex // guards what follows
	waiting bytes.Buffer
	dropped int // writes
	closed  bool
}

func newLossy(to io.Writer) *lossy {
	l := &lossy{to: to, wake: make(chan struct{}, 1), done: make(chan struct{})}
	go l.run()
	return l
}

func (l *lossy) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.waiting.Len()+len(p) > lossyLimit || l.closed {
		l.dropped++
		return len(p), nil
	}
	l.waiting.Write(p)
	l.stir()
	return len(p), nil
}

func (l *lossy) stir() {
	select {
	case l.wake <- struct{}{}:
	default: // it is awake
	}
}

func (l *lossy) run() {
	defer close(l.done)
	for range l.wake {
		for {
			text, last := l.take()
			if len(text) == 0 {
				if last {
					return
				}
				break
			}
			_, _ = l.to.Write(text) // who cannot be told is not told
		}
	}
}

// take is what waits, and whether nothing more will come.
func (l *lossy) take() (text []byte, last bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	text = bytes.Clone(l.waiting.Bytes())
	l.waiting = bytes.Buffer{}
	if l.dropped > 0 {
		text = fmt.Appendf(text, "bearerd: %d lines were dropped here, as nobody read stderr\n", l.dropped)
		l.dropped = 0
	}
	return text, l.closed
}

// Close gives the reader a moment for what waits.
func (l *lossy) Close() {
	l.mu.Lock()
	l.closed = true
	l.mu.Unlock()
	l.stir()
	select {
	case <-l.done:
	case <-time.After(lastWords):
	}
}
