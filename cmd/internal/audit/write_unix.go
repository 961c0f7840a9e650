//go:build unix

package audit

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// write makes one call, where os.File would try again to write the rest.
func write(f *os.File, line []byte) (n int, err error) {
	for {
		if n, err = unix.Write(int(f.Fd()), line); !errors.Is(err, unix.EINTR) {
			return n, err
		}
	}
}
