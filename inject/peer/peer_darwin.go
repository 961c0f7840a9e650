package peer

import (
	"errors"

	"golang.org/x/sys/unix"
)

// Told says whether this system tells who has connected to a unix socket.
const Told = true

// credentials are those of the process as it connected, with up to 16 groups.
func credentials(fd int) (uid, gid int, groups []int, err error) {
	c, err := unix.GetsockoptXucred(fd, unix.SOL_LOCAL, unix.LOCAL_PEERCRED)
	if err != nil {
		return 0, 0, nil, err
	}
	if c.Ngroups < 1 || int(c.Ngroups) > len(c.Groups) {
		return 0, 0, nil, errors.New("the system names no group")
	}
	for _, gid := range c.Groups[1:c.Ngroups] {
		groups = append(groups, int(gid))
	}
	return int(c.Uid), int(c.Groups[0]), groups, nil
}
