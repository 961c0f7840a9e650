package main_test

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// anyone is a user that owns nothing.
const anyone = 65534

// What a running bearerd holds is not for others on the host: new files are its owner's alone, and neither a debugger of
// that user nor a core dump shows its memory.
func TestRunIsHardened(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	h.configure(server("s", nothing))
	cmd := h.command(t.Context(), "run")
	var stderr buffer
	cmd.Stderr = io.MultiWriter(&stderr, &h.said)
	if os.Getuid() == 0 { // who may look at everything
		cmd.Path = h.giveTo(anyone)
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: anyone, Gid: anyone}
	}
	if err := startSoftened(cmd); err != nil {
		t.Fatal(err)
	}
	eventually(t, "bearerd run is ready", func() bool { return strings.Contains(stderr.String(), "bearerd is ready") })

	proc := fmt.Sprintf("/proc/%d/", cmd.Process.Pid)
	for file, want := range map[string]string{"limits": `Max core file size +0 `, "status": `Umask:\t0077`} {
		b, err := os.ReadFile(proc + file)
		if err != nil || !regexp.MustCompile(want).Match(b) {
			t.Errorf("%s lacks %q: %v", file, want, err)
		}
	}
	info, err := os.Stat(proc + "environ")
	if err != nil || info.Sys().(*syscall.Stat_t).Uid != 0 { // proc(5): root's when the process is not dumpable
		t.Errorf("bearerd is dumpable: %v, %v", info, err)
	}
	_ = cmd.Process.Signal(syscall.SIGTERM)
	if err := cmd.Wait(); err != nil {
		t.Errorf("%v; stderr:\n%s", err, stderr.String())
	}
}

// startSoftened starts a process that may dump core and whose files others may read, unless it sees to it itself.
func startSoftened(cmd *exec.Cmd) error {
	var core unix.Rlimit
	_ = unix.Getrlimit(unix.RLIMIT_CORE, &core)
	soft := unix.Rlimit{Cur: core.Max, Max: core.Max}
	if os.Getuid() == 0 {
		soft = unix.Rlimit{Cur: 1 << 20, Max: 1 << 20}
	}
	_ = unix.Setrlimit(unix.RLIMIT_CORE, &soft) // where that is forbidden, there is nothing to see
	defer func() { _ = unix.Setrlimit(unix.RLIMIT_CORE, &core) }()
	defer syscall.Umask(syscall.Umask(0o022))
	return cmd.Start()
}

// giveTo makes the home another user's, with a copy of the program: the folder of the first one is root's.
func (h *home) giveTo(uid int) (path string) {
	h.t.Helper()
	b, err := os.ReadFile(program)
	if err == nil {
		path = h.write("program", string(b))
		err = os.Chmod(path, 0o700)
	}
	if err != nil {
		h.t.Fatal(err)
	}
	err = filepath.WalkDir(h.dir, func(path string, _ fs.DirEntry, err error) error {
		if err == nil {
			err = os.Chown(path, uid, uid)
		}
		return err
	})
	if err != nil {
		h.t.Fatal(err)
	}
	return path
}
