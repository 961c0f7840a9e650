//go:build unix

package proxy

import (
	"golang.org/x/sys/unix"
)

// peek looks at what has come, and leaves it there.
func (c *pooled) peek(fd uintptr) (done bool) {
	var one [1]byte
	for {
		_, _, err := unix.Recvfrom(int(fd), one[:], unix.MSG_PEEK|unix.MSG_DONTWAIT)
		if err == unix.EINTR {
			continue
		}
		c.silent = err == unix.EAGAIN
		return true
	}
}
