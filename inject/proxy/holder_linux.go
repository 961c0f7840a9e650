package proxy

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Holder is the process that listens on a TCP port, as far as this user may see it: its name, "" where it cannot be told.
func Holder(port string) (name string, pid int) {
	n, err := strconv.Atoi(port)
	if err != nil {
		return "", 0
	}
	for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		if inode := listening(table, n); inode != "" {
			return owner(inode)
		}
	}
	return "", 0
}

// listening finds the socket inode of a listener in a table of proc(5).
func listening(table string, port int) string {
	b, err := os.ReadFile(table)
	if err != nil {
		return ""
	}
	suffix := fmt.Sprintf(":%04X", port)
	for line := range strings.Lines(string(b)) {
		const listen = "0A"
		if f := strings.Fields(line); len(f) > 9 && f[3] == listen && strings.HasSuffix(f[1], suffix) {
			return f[9]
		}
	}
	return ""
}

func owner(inode string) (name string, pid int) {
	links, _ := filepath.Glob("/proc/[0-9]*/fd/*")
	for _, link := range links {
		if to, err := os.Readlink(link); err != nil || to != "socket:["+inode+"]" {
			continue
		}
		process := strings.Split(link, "/")[2]
		comm, _ := os.ReadFile("/proc/" + process + "/comm")
		pid, _ = strconv.Atoi(process)
		return strings.TrimSpace(string(comm)), pid
	}
	return "", 0
}
