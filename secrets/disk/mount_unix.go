//go:build linux || darwin || freebsd

package disk

import (
	"os"

	"golang.org/x/sys/unix"
)

// readOnlyFlag is ST_RDONLY on Linux and MNT_RDONLY elsewhere.
const readOnlyFlag = 1

// FreeBytes is the room that this user has on the disk of a folder; false: that cannot be told.
func FreeBytes(dir string) (free uint64, known bool) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil || st.Blocks == 0 {
		return 0, false
	}
	return uint64(max(0, int64(st.Bavail))) * uint64(st.Bsize), true
}

// ReadOnlyFolder reports whether a folder is on a read-only mount, as far as that can be told.
func ReadOnlyFolder(dir string) bool {
	var st unix.Statfs_t
	err := unix.Statfs(dir, &st)
	return err == nil && uint64(st.Flags)&readOnlyFlag != 0
}

// ReadOnlyFile reports whether an open file is on a read-only mount, as far as that can be told.
func ReadOnlyFile(f *os.File) bool {
	var st unix.Statfs_t
	err := unix.Fstatfs(int(f.Fd()), &st)
	return err == nil && uint64(st.Flags)&readOnlyFlag != 0
}
