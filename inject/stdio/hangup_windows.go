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

// readable reports whether there is something to read.
func readable(f *os.File) bool {
	n, err := peek(f)
	return err == nil && n > 0
}
