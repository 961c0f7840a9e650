//go:build unix

package main

import (
	"errors"
	"time"

	"golang.org/x/sys/unix"
)

// awaitInput waits until a terminal has something to read, for limit at most.
func awaitInput(fd int, limit time.Duration) (ready bool, err error) {
	var set unix.FdSet // select, as the poll of macOS knows no terminals
	set.Set(fd)
	wait := unix.NsecToTimeval(limit.Nanoseconds())
	n, err := unix.Select(fd+1, &set, nil, nil, &wait)
	if errors.Is(err, unix.EINTR) {
		return false, nil
	}
	return n > 0, err
}
