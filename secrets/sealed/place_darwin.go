package sealed

import "golang.org/x/sys/unix"

// machineID is "" where the kernel tells none.
func machineID() string {
	id, _ := unix.Sysctl("kern.uuid")
	return id
}

// madeAt is not needed: APFS gives no inode number twice, and here a copy can carry the time of the original.
func madeAt(string) string { return "" }

// fileSystem is the type of the file system that dir lies on, as mount(8) names it.
func fileSystem(dir string) string {
	var stat unix.Statfs_t
	if unix.Statfs(dir, &stat) != nil {
		return ""
	}
	return unix.ByteSliceToString(stat.Fstypename[:])
}
