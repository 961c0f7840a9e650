//go:build unix

package stdio

import (
	"os/exec"
	"syscall"
)

// kin is nothing: a process group has no handle.
type kin struct{}

func (kin) part() {}

func attributes(ownGroup bool) *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: ownGroup} }

// asScript has nothing to do: the kernel starts scripts.
func asScript(*exec.Cmd) error { return nil }

// launchProcess widens bearerd's own umask for the moment of the fork, as there is no other way to hand one to a child.
// Every file that bearerd writes names its mode itself. The umask is the process's: one caller at a time.
func launchProcess(cmd *exec.Cmd, umask int) (kin, error) {
	if umask < 0 {
		return kin{}, cmd.Start()
	}
	defer syscall.Umask(syscall.Umask(umask))
	return kin{}, cmd.Start()
}

// send sends a signal to a process, or to the group that it leads.
func send(pid int, sig syscall.Signal, group bool) {
	if group {
		pid = -pid
	}
	_ = syscall.Kill(pid, sig) // ESRCH: it has gone by itself
}

// Runs reports whether there is a process with this id.
func Runs(pid int) bool { return syscall.Kill(pid, 0) != syscall.ESRCH }

// Signals are those that a process can be told by, with on_rotate = "signal".
var Signals = map[string]syscall.Signal{"SIGHUP": syscall.SIGHUP, "SIGUSR1": syscall.SIGUSR1, "SIGUSR2": syscall.SIGUSR2}
