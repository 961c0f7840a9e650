package peer

import (
	"encoding/binary"
	"errors"
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Told says whether this system tells who has connected to a unix socket.
const Told = true

// credentials are those of the process as it connected, with its supplementary groups.
func credentials(fd int) (uid, gid int, groups []int, err error) {
	c, err := unix.GetsockoptUcred(fd, unix.SOL_SOCKET, unix.SO_PEERCRED)
	if err != nil {
		return 0, 0, nil, err
	}
	groups, err = supplementary(fd)
	return int(c.Uid), int(c.Gid), groups, err
}

// supplementary reads SO_PEERGROUPS, for which there is no function elsewhere. Linux before 4.13 does not have it: there are none
// then.
func supplementary(fd int) (groups []int, err error) {
	buf := make([]byte, 4*64)
	for {
		size := uint32(len(buf)) // socklen_t
		_, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(fd), unix.SOL_SOCKET, unix.SO_PEERGROUPS,
			uintptr(unsafe.Pointer(unsafe.SliceData(buf))), uintptr(unsafe.Pointer(&size)), 0)
		switch {
		case errors.Is(errno, unix.ERANGE) && int(size) > len(buf): // size says how much is needed
			buf = make([]byte, size)
			continue
		case errors.Is(errno, unix.ENOPROTOOPT):
			return nil, nil
		case errno != 0:
			return nil, fmt.Errorf("the groups of the process: %w", errno)
		}
		for i := 0; i+4 <= int(size); i += 4 {
			groups = append(groups, int(binary.NativeEndian.Uint32(buf[i:])))
		}
		return groups, nil
	}
}
