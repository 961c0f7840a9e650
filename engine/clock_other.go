//go:build !linux && !darwin && !windows

package engine

import "time"

// sinceBoot knows no clock that runs on while the machine sleeps; the wall clock has to do.
func sinceBoot() time.Duration { return 0 }

// bootID knows of none.
func bootID() string { return "" }
