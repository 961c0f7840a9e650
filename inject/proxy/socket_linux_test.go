package proxy

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"bearerd/config"
	"bearerd/inject/peer"
)

// callAs makes a request over a unix socket as another user, whom no host has.
func callAs(t *testing.T, uid, gid int, path string) (status int, said string, err error) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // for good: the thread ends with the goroutine, and its user with it
		_, _, e1 := unix.RawSyscall(unix.SYS_SETGROUPS, 0, 0, 0)
		_, _, e2 := unix.RawSyscall(unix.SYS_SETRESGID, uintptr(gid), uintptr(gid), uintptr(gid))
		_, _, e3 := unix.RawSyscall(unix.SYS_SETRESUID, uintptr(uid), uintptr(uid), uintptr(uid))
		if e1 != 0 || e2 != 0 || e3 != 0 {
			err = errors.Join(e1, e2, e3)
			return
		}
		var c net.Conn
		if c, err = net.Dial("unix", path); err != nil { // a local connect does not leave the thread
			return
		}
		status, said, err = callOn(c)
	}()
	<-done
	return status, said, err
}

func callOn(c net.Conn) (status int, said string, err error) {
	t := &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) { return c, nil }}
	defer t.CloseIdleConnections()
	req, err := http.NewRequest(http.MethodPost, "http://any.name/v1/mcp", strings.NewReader(call))
	if err != nil {
		return 0, "", err
	}
	resp, err := t.RoundTrip(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(b), err
}

func rootOnly(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root can act as another user")
	}
}

// shared is a socket in a folder that others may enter.
func shared(t *testing.T) string {
	t.Helper()
	path := socketPath(t)
	if err := os.Chmod(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

const someone, somegroup = 61_237, 61_238

// Who may use a socket follows its mode and group, which an edit changes while it is bound: of the socket itself, and of those
// who have connected before.
func TestSocketOfOtherUsers(t *testing.T) {
	rootOnly(t)
	for _, fast := range []bool{true, false} {
		f := newFixture(t)
		f.cfg.Proxy.FastPath = fast
		path := shared(t)
		s := f.server("search", upstream(t, say("ok")).URL+"/v1/mcp")
		s.Listen, s.Local = "unix:"+path, config.Local{}
		for _, step := range []struct {
			mode, group string
			uid, gid    int
			status      int // 0: the kernel lets nobody connect
		}{
			{"0600", "", someone, somegroup, 0},
			{"0660", "61238", someone, somegroup, 200},
			{"0660", "61238", someone, someone, 0},
			{"0666", "61238", someone, someone, 200},
			{"0660", "61239", someone, somegroup, 0},
			{"0660", "", someone, 0, 403}, // root's group may connect, and is not named
			{"0600", "61238", someone, somegroup, 0},
			{"0600", "", 0, 0, 200},
		} {
			next := *s
			next.SocketMode, next.SocketGroup = step.mode, step.group
			f.serve(&next)
			status, said, err := callAs(t, step.uid, step.gid, path)
			if status != step.status || (err == nil) == (step.status == 0) || err != nil && !errors.Is(err, syscall.EACCES) {
				t.Errorf("fast path %t, %+v: %d %s %v", fast, step, status, said, err)
			}
		}
		f.serve()
		f.proxy.closing.Wait()
	}
}

// A connection that an edit takes the right from is refused at its next request.
func TestEditReachesOpenSockets(t *testing.T) {
	g := guard{server: "s", unix: true, local: config.Local{SocketMode: "0660", SocketGroup: "61238"}}
	u := &peer.User{UID: someone, GID: somegroup}
	if _, why := g.refusal(caller{peer: u}); why != "" {
		t.Fatal(why)
	}
	g = guard{server: "s", unix: true, local: config.Local{SocketMode: "0660", SocketGroup: "61239"}}
	if _, why := g.refusal(caller{peer: u}); why == "" {
		t.Error("it is let through")
	}
}

// A socket is never open to more than before or after, and private from its first moment.
func TestAdjust(t *testing.T) {
	rootOnly(t)
	old := unix.Umask(0)
	path := socketPath(t)
	l, err := ListenUnix(path)
	unix.Umask(old)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for _, step := range []struct {
		local config.Local
		mode  fs.FileMode
		gid   int
	}{
		{config.Local{}, 0o600, os.Getegid()},
		{config.Local{SocketMode: "0660", SocketGroup: "61238"}, 0o660, 61_238},
		{config.Local{SocketMode: "0666", SocketGroup: "61239"}, 0o666, 61_239},
		{config.Local{SocketMode: "0660"}, 0o660, os.Getegid()},
		{config.Local{SocketMode: "0600"}, 0o600, os.Getegid()},
	} {
		if err := adjust("unix:"+path, step.local); err != nil {
			t.Fatal(err)
		}
		info := must(os.Lstat(path))(t)
		if gid := int(info.Sys().(*syscall.Stat_t).Gid); info.Mode().Perm() != step.mode || gid != step.gid {
			t.Errorf("%+v: mode %o, group %d", step.local, info.Mode().Perm(), gid)
		}
	}
	for address, l := range map[string]config.Local{
		"unix:" + path:        {SocketMode: "0660", SocketGroup: "no-such-group"},
		"unix:" + path + ".x": {SocketMode: "0660"},
	} {
		if err := adjust(address, l); err == nil {
			t.Errorf("%s: no error", address)
		}
	}
	if info := must(os.Lstat(path))(t); info.Mode().Perm() != 0o600 {
		t.Errorf("a failure leaves the mode %o", info.Mode().Perm())
	}
	if err := adjust("127.0.0.1:1", config.Local{}); err != nil {
		t.Errorf("TCP: %v", err)
	}
}

// The mode that a socket is bound with is that of its owner alone, whatever the umask.
func TestSocketIsPrivateWhenBound(t *testing.T) {
	path := socketPath(t)
	old := unix.Umask(0)
	l, err := (&net.ListenConfig{Control: private}).Listen(t.Context(), "unix", path)
	unix.Umask(old)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if info := must(os.Lstat(path))(t); info.Mode().Perm() != 0o600 {
		t.Errorf("mode %o", info.Mode().Perm())
	}
}

// An edit that names a group which is not there is refused, and changes nothing.
func TestMissingSocketGroupIsRefused(t *testing.T) {
	f := newFixture(t)
	path := socketPath(t)
	s := f.server("search", "http://127.0.0.1:1/v1/mcp")
	s.Listen, s.Local = "unix:"+path, config.Local{SocketMode: "0600"}
	missing := *s
	missing.SocketMode, missing.SocketGroup = "0660", "no-such-group"
	for range 2 { // of a new socket, and of one that is bound
		err := f.try(&missing)
		if err == nil || !strings.Contains(err.Error(), `"no-such-group": create it`) {
			t.Errorf("got %v", err)
		}
		f.serve(s)
	}
	if info := must(os.Lstat(path))(t); info.Mode().Perm() != 0o600 {
		t.Errorf("mode %o", info.Mode().Perm())
	}
}
