package config

import (
	"fmt"
	"os"
)

// trusted refuses a file that another user controls: who writes the configuration chooses which programs run and where
// secrets go. A read-only mount is exempt: there the modes say nothing (images, Kubernetes volumes).
func trusted(f *os.File, info os.FileInfo) (message, remedy string) {
	if readOnlyMount(f) {
		return "", ""
	}
	if uid, ok := owner(info); ok && uid != 0 && uid != os.Geteuid() {
		return fmt.Sprintf("the file belongs to user %d, not to the user who runs bearerd or to root", uid),
			fmt.Sprintf("chown %d %s", os.Geteuid(), f.Name())
	}
	if info.Mode().Perm()&0o022 != 0 {
		return fmt.Sprintf("the file can be written by group or others (mode %04o)", info.Mode().Perm()),
			"chmod go-w " + f.Name()
	}
	return "", ""
}
