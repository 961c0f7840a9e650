package main_test

import (
	"os"
	"os/exec"
	"syscall"
)

func ownGroup() *syscall.SysProcAttr { return &syscall.SysProcAttr{} }

func killGroup(pid int) { kill(pid) }

func asUser(*exec.Cmd, uint32, uint32) {}

func kill(pid int) {
	if p, err := os.FindProcess(pid); err == nil {
		_ = p.Kill()
	}
}

func mostMemory(*os.ProcessState) int64 { return 0 }

const sigStop, sigCont = syscall.Signal(19), syscall.Signal(18) // no process can be sent them here
