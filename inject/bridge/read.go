package bridge

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
)

// limit is how long a message may be, in bytes, either way.
const limit = 256 << 20

var errTooLong = fmt.Errorf("a message is longer than %d MiB", limit>>20)

// ahead is how many bytes are read before they can be passed on: enough to see that the client has closed stdin.
const (
	ahead  = 4 << 20
	header = 64 // what a line costs besides its bytes
)

// inbox holds the lines of the client that were read and not dealt with yet.
type inbox struct {
	mu     sync.Mutex
	lines  [][]byte
	size   int
	closed bool
	more   chan struct{} // holds one when there may be a line, or none will come
	room   chan struct{} // holds one when there may be room
}

func newInbox() *inbox { return &inbox{more: make(chan struct{}, 1), room: make(chan struct{}, 1)} }

func wake(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default: // it holds one
	}
}

// put waits for room. It reports false when run has ended.
func (i *inbox) put(run context.Context, line []byte) bool {
	for {
		i.mu.Lock()
		if i.size == 0 || i.size+len(line)+header <= ahead {
			i.lines = append(i.lines, line)
			i.size += len(line) + header
			i.mu.Unlock()
			wake(i.more)
			return true
		}
		i.mu.Unlock()
		select {
		case <-i.room:
		case <-run.Done():
			return false
		}
	}
}

// take waits for a line. It reports false when none will come, or run has ended.
func (i *inbox) take(run context.Context) ([]byte, bool) {
	for {
		i.mu.Lock()
		if len(i.lines) > 0 && run.Err() == nil {
			line := i.lines[0]
			i.lines[0] = nil
			if i.lines = i.lines[1:]; len(i.lines) == 0 {
				i.lines = nil
			}
			i.size -= len(line) + header
			i.mu.Unlock()
			wake(i.room)
			return line, true
		}
		closed := i.closed
		i.mu.Unlock()
		if closed {
			return nil, false
		}
		select {
		case <-i.more:
		case <-run.Done():
			return nil, false
		}
	}
}

func (i *inbox) close() {
	i.mu.Lock()
	i.closed = true
	i.mu.Unlock()
	wake(i.more)
}

func (i *inbox) ended() bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.closed
}

// read gives the lines of in that hold something, each in memory of its own, until in ends.
func read(run context.Context, in io.Reader, lines *inbox) error {
	r := bufio.NewReaderSize(in, 64<<10)
	for {
		line, err := readLine(r)
		if line = bytes.TrimSpace(line); len(line) > 0 {
			if !lines.put(run, line) {
				return nil
			}
		}
		if err == io.EOF || errors.Is(err, os.ErrClosed) || errors.Is(err, io.ErrClosedPipe) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func readLine(r *bufio.Reader) ([]byte, error) {
	var line []byte
	for {
		part, err := r.ReadSlice('\n')
		if len(line)+len(part) > limit {
			return nil, errTooLong
		}
		line = append(line, part...)
		if err != bufio.ErrBufferFull {
			return line, err
		}
	}
}
