//go:build unix

package sealed

import (
	"os"
	"syscall"
)

// inode is 0, which is that of no folder, for one that cannot be looked at: it is none of those that records name.
func inode(dir string) uint64 {
	info, err := os.Stat(dir)
	if err != nil {
		return 0
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0
	}
	return stat.Ino
}
