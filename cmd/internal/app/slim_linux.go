package app

import (
	"bufio"
	"fmt"
	"os"
	"runtime/debug"
	"strings"

	"golang.org/x/sys/unix"
)

// slim gives back memory that is not needed: the freed part of the heap, and the pages of the program itself that were read
// in for what runs once (the parser of the configuration, the set-up of libraries). Those that are used again come back from
// the page cache by themselves: so only mappings that nobody can write, and that the loader has not written either when it
// relocated the program, are given back.
func slim() {
	debug.FreeOSMemory()
	self, err := os.Readlink("/proc/self/exe")
	if err != nil {
		return
	}
	smaps, err := os.Open("/proc/self/smaps")
	if err != nil {
		return
	}
	defer func() { _ = smaps.Close() }()
	var from, to uintptr // of the mapping that is read about; 0: it stays
	for lines := bufio.NewScanner(smaps); lines.Scan(); {
		line := lines.Text()
		switch name, value, _ := strings.Cut(line, ":"); {
		case strings.HasSuffix(line, " "+self):
			from, to = unwritable(line)
		case name == "VmFlags": // the last line about it
			if from != 0 {
				_, _, _ = unix.Syscall(unix.SYS_MADVISE, from, to-from, unix.MADV_DONTNEED) // an error leaves it where it is
			}
			from = 0
		case (name == "Anonymous" || name == "Swap") && strings.TrimSpace(value) != "0 kB":
			from = 0
		}
	}
}

// unwritable gives the bounds of a private mapping that cannot be written, by its head in smaps; 0 for another.
func unwritable(head string) (from, to uintptr) {
	var mode string
	if _, err := fmt.Sscanf(head, "%x-%x %s", &from, &to, &mode); err != nil || len(mode) != 4 || mode[1] == 'w' || mode[3] != 'p' {
		return 0, 0
	}
	return from, to
}
