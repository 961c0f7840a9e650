//go:build unix

package stdio

import (
	"context"
	"os"

	"golang.org/x/sys/unix"
)

// HungUp waits until nobody can write to f any more, f being a pipe or a socket, and reads nothing of what was written. It
// returns false once ctx is done. For a file or a terminal, or when f cannot be watched, it just waits for ctx. f must stay open.
func HungUp(ctx context.Context, f *os.File) bool {
	info, err := f.Stat()
	if err != nil || info.Mode()&(os.ModeNamedPipe|os.ModeSocket) == 0 {
		<-ctx.Done()
		return false
	}
	wake, done, err := os.Pipe()
	if err == nil {
		defer func() { _ = wake.Close() }()
		stop := context.AfterFunc(ctx, func() { _ = done.Close() })
		defer func() {
			if stop() {
				_ = done.Close()
			}
		}()
		if hungUp(f, wake) {
			return true
		}
	}
	<-ctx.Done()
	return false
}

// hungUp returns when the first of the two has hung up, whether it was f.
func hungUp(f, wake *os.File) (yes bool) {
	conn, err := f.SyscallConn()
	if err != nil {
		return false
	}
	_ = conn.Control(func(fd uintptr) { // not File.Fd, which would take the deadlines from f
		watched := []unix.PollFd{{Fd: int32(fd), Events: hangsUp}, {Fd: int32(wake.Fd()), Events: hangsUp}}
		for err := error(unix.EINTR); err == unix.EINTR; {
			_, err = unix.Poll(watched, -1)
		}
		yes = watched[0].Revents&(unix.POLLHUP|hangsUp) != 0
	})
	return yes
}

// readable reports whether there is something to read.
func readable(f *os.File) (yes bool) {
	conn, err := f.SyscallConn()
	if err != nil {
		return false
	}
	_ = conn.Control(func(fd uintptr) {
		fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		n, err := unix.Poll(fds, 0)
		yes = err == nil && n > 0 && fds[0].Revents&unix.POLLIN != 0
	})
	return yes
}
