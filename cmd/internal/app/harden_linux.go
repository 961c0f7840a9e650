package app

import "golang.org/x/sys/unix"

// Harden keeps what this process holds from others on the host: files are made for their owner alone, and neither a
// debugger of the same user nor a core dump shows its memory. It returns the umask it found, for the children.
func Harden() (umask int) {
	umask = unix.Umask(0o077)
	_ = unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0) // both are a second line of defence:
	_ = unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{})
	return umask
}
