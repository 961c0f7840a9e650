package peer

import (
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// asAnother is set in the process that a test starts as another user or in another namespace: it serves one connection.
const asAnother = "PEER_TEST_SOCKET"

func TestMain(m *testing.M) {
	if path := os.Getenv(asAnother); path != "" {
		os.Exit(tell(path))
	}
	os.Exit(m.Run())
}

// tell connects to a socket, and prints who the one that connects back is.
func tell(path string) (code int) {
	c, err := net.Dial("unix", path)
	if err != nil {
		os.Stdout.WriteString(err.Error())
		return 1
	}
	defer c.Close()
	u, err := Of(c)
	os.Stdout.WriteString(u.Name() + " " + u.Number())
	if err != nil {
		os.Stdout.WriteString(" " + err.Error())
	}
	return 0
}

// Nobody is a user as any other, but in a user namespace where each that is not in it looks like nobody.
func TestNobodyInANamespace(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can make such a namespace for sure")
	}
	if !everybodyIsHere() {
		t.Skip("these tests run in such a namespace themselves")
	}
	dir, err := os.MkdirTemp("", "p") // short, for the socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	path := filepath.Join(dir, "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for name, c := range map[string]struct {
		attr *syscall.SysProcAttr
		want string
	}{
		"outside": {nil, "root 0"},
		"inside": {&syscall.SysProcAttr{
			Cloneflags: syscall.CLONE_NEWUSER, UidMappings: []syscall.SysProcIDMap{{ContainerID: 1000, HostID: 61_237, Size: 1}},
		}, "unknown unknown the user cannot be told from others"},
	} {
		cmd := exec.Command(os.Args[0])
		cmd.Env, cmd.SysProcAttr = []string{asAnother + "=" + path}, c.attr
		_ = os.Chmod(dir, 0o755)
		_ = os.Chmod(path, 0o666)
		said, err := cmd.CombinedOutput()
		if errors.Is(err, os.ErrPermission) {
			t.Skip("this system makes no user namespace: " + err.Error())
		}
		if !strings.HasPrefix(string(said), c.want) {
			t.Errorf("%s: %q, %v", name, said, err)
		}
	}
}
