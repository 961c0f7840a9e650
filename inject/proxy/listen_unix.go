//go:build unix

package proxy

import (
	"errors"
	"syscall"
)

// exclusive is needed by Windows alone.
var exclusive func(network, address string, raw syscall.RawConn) error

// InUse reports whether an error of Listen says that another program has the port.
func InUse(err error) bool { return errors.Is(err, syscall.EADDRINUSE) }

// Barred reports whether an error of Listen says that this user may not have the port.
func Barred(err error) bool { return errors.Is(err, syscall.EACCES) }

func absent(err error) bool {
	return errors.Is(err, syscall.EADDRNOTAVAIL) || errors.Is(err, syscall.EAFNOSUPPORT)
}

// Refused reports whether an error of a dial says that nobody listens there.
func Refused(err error) bool { return errors.Is(err, syscall.ECONNREFUSED) }

// private has a unix socket that is not bound yet made for its owner alone, whatever the umask. Linux does so; elsewhere the
// mode is set right after.
func private(_, _ string, raw syscall.RawConn) error {
	return raw.Control(func(fd uintptr) { _ = syscall.Fchmod(int(fd), 0o600) })
}
