//go:build unix

package app

import (
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// attended are the signals that do not end exec before it has ended the child.
var attended = []os.Signal{
	os.Interrupt, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGQUIT, syscall.SIGPIPE,
}

// monotonic is the clock that systemd compares with its own.
func monotonic() (now time.Duration, ok bool) {
	var ts unix.Timespec
	if unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts) != nil {
		return 0, false
	}
	return time.Duration(ts.Nano()), true
}
