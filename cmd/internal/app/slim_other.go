//go:build !linux

package app

import "runtime/debug"

// slim gives back memory that is not needed.
func slim() { debug.FreeOSMemory() }
