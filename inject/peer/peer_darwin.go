package peer

import (
	"errors"

	"golang.org/x/sys/unix"
)

// Told says whether this system tells who has connected to a unix socket.
const Told = true

func credentials(fd int) (uid, gid int, err error) {
	c, err := unix.GetsockoptXucred(fd, unix.SOL_LOCAL, unix.LOCAL_PEERCRED)
	if err != nil {
		return 0, 0, err
	}
	if c.Ngroups < 1 {
		return 0, 0, errors.New("the system names no group")
	}
	return int(c.Uid), int(c.Groups[0]), nil
}
