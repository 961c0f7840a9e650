package sealed

import (
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// machineIDs are machine-id(5), and where D-Bus alone keeps it.
var machineIDs = []string{"/etc/machine-id", "/var/lib/dbus/machine-id"}

// machineID is "" where there is none, as in most containers.
func machineID() string {
	for _, path := range machineIDs {
		b, _ := os.ReadFile(path)
		if id := strings.TrimSpace(string(b)); id != "" && id != "uninitialized" {
			return id
		}
	}
	return ""
}

// madeAt is when the folder was made, which nothing but making it sets; "" on a file system that does not keep it.
func madeAt(dir string) string {
	var x unix.Statx_t
	err := unix.Statx(unix.AT_FDCWD, dir, 0, unix.STATX_BTIME, &x)
	if err != nil || x.Mask&unix.STATX_BTIME == 0 {
		return ""
	}
	return fmt.Sprintf("%d.%09d", x.Btime.Sec, x.Btime.Nsec)
}

// fileSystem is the type of the network file system that dir lies on; "": another one.
func fileSystem(dir string) string {
	var stat unix.Statfs_t
	if unix.Statfs(dir, &stat) != nil {
		return ""
	}
	return networkType(uint32(stat.Type)) // its size and sign differ between architectures
}

// networkType knows the magic numbers of statfs(2).
func networkType(magic uint32) string {
	switch magic {
	case unix.NFS_SUPER_MAGIC:
		return "nfs"
	case unix.SMB_SUPER_MAGIC, unix.CIFS_SUPER_MAGIC, unix.SMB2_SUPER_MAGIC:
		return "smbfs"
	case unix.V9FS_MAGIC:
		return "9p"
	}
	return ""
}
