package peer

import (
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"testing/synctest"
	"time"
)

// A user's other groups count, not only the one that the process runs in.
func TestGroupsOfAUser(t *testing.T) {
	u := &User{UID: os.Getuid(), GID: 4711}
	if own := u.Groups(); !slices.Contains(own, 4711) || !slices.Contains(own, os.Getgid()) {
		t.Errorf("got %v", own)
	}
}

func TestOf(t *testing.T) {
	if !Told {
		t.Skip("this system does not tell")
	}
	dir, err := os.MkdirTemp("", "p") // short, for the socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	l, err := net.Listen("unix", filepath.Join(dir, "s"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	client, err := net.Dial("unix", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	served, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer served.Close()
	u, err := Of(served)
	if err != nil || u.UID != os.Geteuid() || u.GID != os.Getegid() || u.Number() != strconv.Itoa(os.Geteuid()) {
		t.Errorf("got %v, %v", u, err)
	}
}

func TestNobodyIsToldOverTCP(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	client, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if u, err := Of(client); err == nil || u != nil {
		t.Errorf("got %v", u)
	}
	one, two := net.Pipe()
	defer one.Close()
	defer two.Close()
	if u, err := Of(one); err == nil || u != nil {
		t.Errorf("of a pipe: %v", u)
	}
	if name := (*User)(nil).Name() + (*User)(nil).Number(); name != "unknownunknown" {
		t.Errorf("got %q", name)
	}
}

// What was found about a group counts for a minute, and about that group alone.
func TestIn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := &User{UID: 61_237, GID: 61_238}
		for group, want := range map[string]bool{"61238": true, "61237": false, "no-such-group": false, "-1": false, "": false} {
			if u.In(group) != want {
				t.Errorf("in %q: %t", group, !want)
			}
		}
		if !u.In("61238") {
			t.Error("not in its own group")
		}
		u.GID = 1 // as if it had been taken out
		if time.Sleep(59 * time.Second); !u.In("61238") {
			t.Error("looked up again too early")
		}
		if time.Sleep(2 * time.Second); u.In("61238") {
			t.Error("still in the group after a minute")
		}
	})
}

func TestInAllocatesNothing(t *testing.T) {
	u := &User{UID: 61_237, GID: 61_238}
	if n := testing.AllocsPerRun(100, func() { u.In("61238") }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestNobody(t *testing.T) {
	if !nobody(65534) || nobody(0) || nobody(os.Geteuid()) && os.Geteuid() != 65534 {
		t.Error("the number that stands for all others is not known")
	}
}
