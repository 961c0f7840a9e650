//go:build unix

package proxy

import "syscall"

// private has a unix socket that is not bound yet made for its owner alone, whatever the umask. Linux does so; elsewhere the
// mode is set right after.
func private(_, _ string, raw syscall.RawConn) error {
	return raw.Control(func(fd uintptr) { _ = syscall.Fchmod(int(fd), 0o600) })
}
