//go:build !(linux || darwin || freebsd)

package disk

import "os"

// FreeBytes cannot be told here.
func FreeBytes(string) (free uint64, known bool) { return 0, false }

// ReadOnlyFolder cannot be told here.
func ReadOnlyFolder(string) bool { return false }

// ReadOnlyFile cannot be told here.
func ReadOnlyFile(*os.File) bool { return false }
