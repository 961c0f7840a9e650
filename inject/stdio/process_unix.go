//go:build unix && !linux

package stdio

import (
	"os/exec"
	"syscall"
)

// waitExit reaps the child, as there is no way here to wait without. The number of its group cannot be given to another
// process while the group has members, so survivors are still ended safely.
func waitExit(cmd *exec.Cmd) { _ = cmd.Wait() }

func reap(*exec.Cmd) {}

// survivors reports whether the group has members.
func survivors(pgid int) bool { return syscall.Kill(-pgid, 0) == nil }
