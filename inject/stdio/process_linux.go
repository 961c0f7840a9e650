package stdio

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"strconv"

	"golang.org/x/sys/unix"
)

// waitExit returns when the child has exited, and leaves it unreaped: until then its number can be no other's.
func waitExit(cmd *exec.Cmd) {
	for {
		err := unix.Waitid(unix.P_PID, cmd.Process.Pid, nil, unix.WEXITED|unix.WNOWAIT, nil)
		if err != unix.EINTR {
			return
		}
	}
}

func reap(cmd *exec.Cmd) { _ = cmd.Wait() }

// survivors reports whether the group holds a living process beside its leader, who is a zombie by now. kill(2) cannot
// tell: to it the zombie is a member as well. When /proc cannot be read, it is better to think so.
func survivors(pgid int) bool {
	proc, err := os.Open("/proc")
	if err != nil {
		return true
	}
	defer func() { _ = proc.Close() }()
	names, err := proc.Readdirnames(-1)
	if err != nil {
		return true
	}
	for _, name := range names {
		if pid, err := strconv.Atoi(name); err == nil && pid != pgid && livesInGroup(pid, pgid) {
			return true
		}
	}
	return false
}

// livesInGroup reads proc(5) stat: "pid (name) state ppid pgrp …", where the name may hold anything.
func livesInGroup(pid, pgid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	if len(fields) < 3 || string(fields[2]) != strconv.Itoa(pgid) {
		return false
	}
	return string(fields[0]) != "Z" && string(fields[0]) != "X"
}
