//go:build unix && !linux

package app

import "golang.org/x/sys/unix"

// Harden makes files for their owner alone and leaves no core dump. It returns the umask it found, for the children.
func Harden() (umask int) {
	umask = unix.Umask(0o077)
	_ = unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}) // a second line of defence
	return umask
}
