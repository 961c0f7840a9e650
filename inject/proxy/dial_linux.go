package proxy

import (
	"context"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// deadPath is how long bytes may lie unacknowledged before a connection counts as dead: keep-alive does not look at those, and
// over HTTP/1.1 a request on a path that died would wait for a quarter of an hour.
const deadPath = 30 * time.Second

// control sets up a connection that is being made. A kernel that cannot do it serves without.
func control(_ context.Context, _, _ string, c syscall.RawConn) error {
	_ = c.Control(func(fd uintptr) {
		_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(deadPath.Milliseconds()))
	})
	return nil
}
