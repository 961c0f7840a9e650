package proxy

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// hungUp reports whether the caller has closed its end, whatever it has sent before.
func (c *conn) hungUp() (gone bool) {
	s, ok := c.Conn.(syscall.Conn)
	if !ok {
		return false
	}
	raw, err := s.SyscallConn()
	if err != nil {
		return false
	}
	_ = raw.Control(func(fd uintptr) {
		set := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLRDHUP}}
		n, err := unix.Poll(set, 0)
		gone = err == nil && n == 1
	})
	return gone
}
