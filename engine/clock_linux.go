package engine

import (
	"time"

	"golang.org/x/sys/unix"
)

// sinceBoot runs on while the machine sleeps; Go's monotonic clock does not.
func sinceBoot() time.Duration {
	var ts unix.Timespec
	if unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts) != nil {
		return 0
	}
	return time.Duration(ts.Nano())
}
