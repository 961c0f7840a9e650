package peer

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// A process may be in groups that its user is not (SupplementaryGroups= of systemd, --group-add of containers), and be let in by
// the kernel for one of them. There may be more of them than a first guess has room for.
func TestGroupsOfTheProcess(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can start a process in other groups")
	}
	dir, err := os.MkdirTemp("", "p") // short, for the socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	_ = os.Chmod(dir, 0o755)
	path := filepath.Join(dir, "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_ = os.Chown(path, 0, 61_240)
	_ = os.Chmod(path, 0o660)
	many := make([]uint32, 300)
	for i := range many {
		many[i] = uint32(61_240 + i)
	}
	for _, groups := range [][]uint32{{61_240}, many} {
		cmd := exec.Command("/proc/self/exe")
		cmd.Env = []string{asAnother + "=" + path}
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 61_237, Gid: 61_238, Groups: groups}}
		said := &strings.Builder{}
		cmd.Stdout = said
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		conn, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		u, err := Of(conn)
		_ = conn.Close()
		_ = cmd.Wait()
		if err != nil {
			t.Fatal(err, said)
		}
		for _, gid := range append(groups, 61_238) {
			if !slices.Contains(u.Groups(), int(gid)) || !u.In(strconv.Itoa(int(gid))) {
				t.Fatalf("of %d groups, %d is not one: %v", len(groups), gid, u.Groups())
			}
		}
		if u.In("61239") || u.In("0") {
			t.Errorf("in a group that it is not in: %v", u.Groups())
		}
	}
}
