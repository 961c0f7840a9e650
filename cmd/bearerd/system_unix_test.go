//go:build unix

package main_test

import (
	"os"
	"os/exec"
	"syscall"
)

func ownGroup() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

func killGroup(pid int) { _ = syscall.Kill(-pid, syscall.SIGKILL) }

func kill(pid int) { _ = syscall.Kill(pid, syscall.SIGKILL) }

func asUser(cmd *exec.Cmd, uid, gid uint32) {
	cmd.SysProcAttr.Credential = &syscall.Credential{Uid: uid, Gid: gid}
}

// mostMemory is the most memory that a process had, in KiB.
func mostMemory(p *os.ProcessState) int64 { return p.SysUsage().(*syscall.Rusage).Maxrss }

const sigStop, sigCont = syscall.SIGSTOP, syscall.SIGCONT
