package main

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"
)

// lookAgain is how often a reader of the terminal looks whether it was closed.
const lookAgain = 200 * time.Millisecond

// typed reads what a person types or pastes. Unlike the read of a terminal itself, its Read ends when it is closed; the
// terminal stays open.
type typed struct {
	f      *os.File
	closed chan struct{}
	close  func()
}

func newTyped(f *os.File) *typed {
	closed := make(chan struct{})
	return &typed{f, closed, sync.OnceFunc(func() { close(closed) })}
}

func (t *typed) Close() error { t.close(); return nil }

func (t *typed) Read(p []byte) (int, error) {
	fd := int(t.f.Fd())
	for {
		select {
		case <-t.closed:
			return 0, io.EOF
		default:
		}
		ready, err := awaitInput(fd, lookAgain)
		if err != nil {
			return 0, fmt.Errorf("reading from the terminal: %w", err)
		}
		if ready {
			return t.f.Read(p)
		}
	}
}
