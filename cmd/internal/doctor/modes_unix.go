//go:build linux || darwin || freebsd

package doctor

import (
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// hasModes says that modes tell who may read a file.
const hasModes = true

// readOnlyFlag is ST_RDONLY on Linux and MNT_RDONLY elsewhere.
const readOnlyFlag = 1

func writable(dir string) bool { return unix.Access(dir, unix.W_OK|unix.X_OK) == nil }

// freeBytes is the room on the disk of dir for this user.
func freeBytes(dir string) (free uint64, known bool) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil || st.Blocks == 0 {
		return 0, false
	}
	return uint64(max(0, int64(st.Bavail))) * uint64(st.Bsize), true
}

func readOnlyFolder(dir string) bool {
	var st unix.Statfs_t
	return unix.Statfs(dir, &st) == nil && uint64(st.Flags)&readOnlyFlag != 0
}

// foreign reports whether a file belongs to another user.
func foreign(info os.FileInfo) (uid int, other bool) {
	st, ok := info.Sys().(*syscall.Stat_t)
	return int(st.Uid), ok && int(st.Uid) != os.Geteuid()
}
