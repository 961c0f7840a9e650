package proxy

import (
	"errors"
	"syscall"

	"golang.org/x/sys/windows"
)

// private has nothing to do: a socket takes its access list from the folder that it is in.
func private(string, string, syscall.RawConn) error { return nil }

const soExclusiveAddrUse = ^windows.SO_REUSEADDR // winsock2.h; not in x/sys

// exclusive keeps other programs from listening on the same port beside this one, which Windows would allow them.
func exclusive(_, _ string, raw syscall.RawConn) (err error) {
	failed := raw.Control(func(fd uintptr) {
		err = windows.SetsockoptInt(windows.Handle(fd), windows.SOL_SOCKET, soExclusiveAddrUse, 1)
	})
	return errors.Join(failed, err)
}

// The errors of sockets are Winsock's here: those of package syscall are not what the system returns.

// InUse reports whether an error of Listen says that another program has the port.
func InUse(err error) bool { return errors.Is(err, windows.WSAEADDRINUSE) }

// Barred reports whether an error of Listen says that this user may not have the port, or that it is kept for another.
func Barred(err error) bool { return errors.Is(err, windows.WSAEACCES) }

func absent(err error) bool {
	return errors.Is(err, windows.WSAEADDRNOTAVAIL) || errors.Is(err, windows.WSAEAFNOSUPPORT)
}

// Refused reports whether an error of a dial says that nobody listens there.
func Refused(err error) bool { return errors.Is(err, windows.WSAECONNREFUSED) }
