package app

import (
	"os"
	"syscall"
	"time"
)

// attended are the signals that do not end exec before it has ended the child: Ctrl-C, Ctrl-Break, and the end of the console,
// the session or the machine.
var attended = []os.Signal{os.Interrupt, syscall.SIGTERM}

// monotonic is for systemd, which is not here.
func monotonic() (now time.Duration, ok bool) { return 0, false }

// Harden has nothing to do here: files take their access list from the folder, and a program may not read the memory of another
// user's. -1 says that there is no umask.
func Harden() (umask int) { return -1 }
