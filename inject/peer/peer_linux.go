package peer

import "golang.org/x/sys/unix"

// Told says whether this system tells who has connected to a unix socket.
const Told = true

func credentials(fd int) (uid, gid int, err error) {
	c, err := unix.GetsockoptUcred(fd, unix.SOL_SOCKET, unix.SO_PEERCRED)
	if err != nil {
		return 0, 0, err
	}
	return int(c.Uid), int(c.Gid), nil
}
