package stdio

import (
	"context"
	"errors"
	"os"
	"time"
	"unsafe"

	"golang.org/x/sys/windows"
)

// peekNamedPipe is not in x/sys.
var peekNamedPipe = windows.NewLazySystemDLL("kernel32.dll").NewProc("PeekNamedPipe")

// peek says how much can be read from a pipe now. The error is that of the system; ERROR_BROKEN_PIPE: nobody can write to it.
// While a read of the pipe waits, here or in a child that has inherited it, so does peek, and cannot be interrupted.
func peek(f *os.File) (available uint32, err error) {
	conn, err := f.SyscallConn()
	if err != nil {
		return 0, err
	}
	failed := conn.Control(func(fd uintptr) {
		ok, _, why := peekNamedPipe.Call(fd, 0, 0, 0, uintptr(unsafe.Pointer(&available)), 0)
		if ok == 0 {
			err = why
		}
	})
	return available, errors.Join(failed, err)
}

const lookForHangup = 500 * time.Millisecond

// HungUp waits until nobody can write to f any more, f being a pipe, and reads nothing of what was written. It returns false
// once ctx is done. For a file or a terminal it just waits for ctx. f must stay open.
func HungUp(ctx context.Context, f *os.File) bool {
	left := make(chan struct{})
	go func() { // it ends with ctx or, where somebody reads f, with that read, or with bearerd
		if hungUp(ctx, f) {
			close(left)
		}
	}()
	select {
	case <-left:
		return true
	case <-ctx.Done():
		return false
	}
}

func hungUp(ctx context.Context, f *os.File) bool {
	tick := time.NewTicker(lookForHangup)
	defer tick.Stop()
	for {
		if _, err := peek(f); errors.Is(err, windows.ERROR_BROKEN_PIPE) {
			return true
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return false
		}
	}
}

// readable reports whether there is something to read. Where a read waits for it, there is nothing.
func readable(f *os.File) bool {
	const atOnce = 100 * time.Millisecond
	found := make(chan bool, 1)
	go func() { // it ends when f is closed
		n, err := peek(f)
		found <- err == nil && n > 0
	}()
	select {
	case yes := <-found:
		return yes
	case <-time.After(atOnce):
		return false
	}
}
