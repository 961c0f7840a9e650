// Package peer says which user of this host is at the other end of a unix socket, as the kernel tells it, and which groups
// that user is in. It decides nothing about what they may do.
package peer

import (
	"errors"
	"fmt"
	"math"
	"net"
	"os"
	"os/user"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// User is who has connected to a unix socket.
type User struct {
	UID, GID int // of the process that has connected

	others []int // the other groups of that process, then
	last   atomic.Pointer[answer]
}

// answer is what was found about one group.
type answer struct {
	group string
	in    bool
	until time.Time
}

// Of is the user at the other end of conn. It is an error where conn is no unix socket, where the system does not tell, and for
// the number that stands for every user whom this user namespace does not have.
func Of(conn net.Conn) (*User, error) {
	socket, ok := conn.(*net.UnixConn)
	if !ok {
		return nil, errors.New("this connection is no unix socket")
	}
	raw, err := socket.SyscallConn()
	if err != nil {
		return nil, fmt.Errorf("asking who has connected: %w", err)
	}
	u := &User{}
	if failed := raw.Control(func(fd uintptr) { u.UID, u.GID, u.others, err = credentials(int(fd)) }); failed != nil {
		err = failed
	}
	if err != nil {
		return nil, fmt.Errorf("asking who has connected: %w", err)
	}
	if nobody(u.UID) && !everybodyIsHere() {
		return nil, errors.New("the user cannot be told from others in this user namespace: run bearerd outside of it (in a systemd " +
			"unit: PrivateUsers=no)")
	}
	u.others = slices.DeleteFunc(u.others, func(gid int) bool { return gid == usualNobody && !everybodyIsHere() })
	return u, nil
}

const usualNobody = 65534

// overflow is what the administrator of the host has put in its place.
var overflow = sync.OnceValue(func() int {
	b, _ := os.ReadFile("/proc/sys/kernel/overflowuid")
	n, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil {
		return usualNobody
	}
	return n
})

// nobody reports whether a uid is the one that the kernel shows for every user whom this user namespace does not have.
func nobody(uid int) bool { return uid == usualNobody || uid == overflow() }

// everybodyIsHere reports whether this user namespace has every user of the host, as it is in most containers: then nobody is
// one of them.
func everybodyIsHere() bool {
	b, _ := os.ReadFile("/proc/self/uid_map")
	return slices.Equal(strings.Fields(string(b)), []string{"0", "0", "4294967295"})
}

// Name is for people: the user's name, else its number; "unknown" for nil.
func (u *User) Name() string {
	if u == nil {
		return "unknown"
	}
	if known, err := user.LookupId(u.Number()); err == nil {
		return known.Username
	}
	return u.Number()
}

// Number is the user's number as text; "unknown" for nil.
func (u *User) Number() string {
	if u == nil {
		return "unknown"
	}
	return strconv.Itoa(u.UID)
}

// Groups are those that the process was in as it connected, by which the kernel has let it in, and all that its user belongs to
// now.
func (u *User) Groups() []int {
	list := append([]int{u.GID}, u.others...)
	known, err := user.LookupId(u.Number())
	if err != nil {
		return list // a number without a name
	}
	ids, _ := known.GroupIds()
	for _, id := range ids {
		if gid, err := strconv.Atoi(id); err == nil {
			list = append(list, gid)
		}
	}
	return list
}

// remembered is how long In goes by what it has found: it is asked for each request of a connection.
const remembered = time.Minute

// In reports whether the user is in a group, given by name or number. What was found counts for a minute.
func (u *User) In(group string) bool {
	now := time.Now()
	if last := u.last.Load(); last != nil && last.group == group && now.Before(last.until) {
		return last.in
	}
	gid, ok := GroupID(group)
	in := ok && slices.Contains(u.Groups(), gid)
	u.last.Store(&answer{group, in, now.Add(remembered)})
	return in
}

// UserID is the number of a user who is given by name or number; false: there is none of that name.
func UserID(name string) (uid int, ok bool) {
	if u, err := user.Lookup(name); err == nil {
		name = u.Uid
	}
	return number(name)
}

// GroupID is UserID for a group.
func GroupID(name string) (gid int, ok bool) {
	if g, err := user.LookupGroup(name); err == nil {
		name = g.Gid
	}
	return number(name)
}

// number reads the number of a user or a group. The largest one, 2^32-1, stands for none: chown(2) changes nothing then.
func number(text string) (n int, ok bool) {
	id, err := strconv.ParseUint(text, 10, 32)
	return int(id), err == nil && id < math.MaxUint32
}
