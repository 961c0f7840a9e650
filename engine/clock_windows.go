package engine

import (
	"time"

	"golang.org/x/sys/windows"
)

// sinceBoot runs on while the machine sleeps; Go's monotonic clock does not.
func sinceBoot() time.Duration { return windows.DurationSinceBoot() }

// bootID knows of none.
func bootID() string { return "" }
