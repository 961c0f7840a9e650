//go:build !(linux || darwin || freebsd)

package doctor

import "os"

// hasModes says that modes tell who may read a file.
const hasModes = false

func writable(string) bool { return true }

func freeBytes(string) (free uint64, known bool) { return 0, false }

func readOnlyFolder(string) bool { return false }

func foreign(os.FileInfo) (uid int, other bool) { return 0, false }
