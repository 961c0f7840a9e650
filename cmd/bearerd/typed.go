package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
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
		var set unix.FdSet // select, as the poll of macOS knows no terminals
		set.Set(fd)
		wait := unix.NsecToTimeval(lookAgain.Nanoseconds())
		n, err := unix.Select(fd+1, &set, nil, nil, &wait)
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return 0, fmt.Errorf("reading from the terminal: %w", err)
		case n > 0:
			return t.f.Read(p)
		}
	}
}
