//go:build !linux

package app

import "runtime/debug"

// slim gives back the memory that only the start needed.
func slim() { debug.FreeOSMemory() }
