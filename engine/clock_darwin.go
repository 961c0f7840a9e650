package engine

import (
	"time"

	"golang.org/x/sys/unix"
)

// sinceBoot runs on while the machine sleeps; Go's monotonic clock does not.
func sinceBoot() time.Duration {
	var ts unix.Timespec
	if unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts) != nil {
		return 0
	}
	return time.Duration(ts.Nano())
}

// bootID is another one each time the machine starts.
func bootID() string {
	id, _ := unix.Sysctl("kern.bootsessionuuid")
	return id
}
