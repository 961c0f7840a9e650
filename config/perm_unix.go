//go:build linux || darwin || freebsd

package config

import (
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// readOnlyFlag is ST_RDONLY on Linux and MNT_RDONLY elsewhere.
const readOnlyFlag = 1

// openFile does not wait for a writer when path is a named pipe.
func openFile(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
}

func readOnlyFolder(path string) bool {
	var st unix.Statfs_t
	err := unix.Statfs(path, &st)
	return err == nil && uint64(st.Flags)&readOnlyFlag != 0
}

func readOnlyMount(f *os.File) bool {
	var st unix.Statfs_t
	err := unix.Fstatfs(int(f.Fd()), &st)
	return err == nil && uint64(st.Flags)&readOnlyFlag != 0
}
