package config

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"bearerd/secrets/disk"
)

// trusted refuses a file that another user controls: who writes the configuration chooses which programs run and where
// secrets go. A read-only mount is exempt: there the modes say nothing (images, Kubernetes volumes).
func trusted(f *os.File, info os.FileInfo) (message, remedy string) {
	if disk.ReadOnlyFile(f) {
		return "", ""
	}
	if uid, other := disk.Foreign(info); other && uid != 0 {
		return fmt.Sprintf("the file belongs to user %d, not to the user who runs bearerd or to root", uid),
			fmt.Sprintf("chown %d %s", os.Geteuid(), f.Name())
	}
	if disk.Modes && info.Mode().Perm()&0o022 != 0 {
		return fmt.Sprintf("the file can be written by group or others (mode %04o)", info.Mode().Perm()),
			"chmod go-w " + f.Name()
	}
	return "", ""
}

// The modes by which others can put a file of theirs in the place of a configuration. A folder that is the configuration
// is as strict as a file; one that merely holds a named file may be shared with a group, as under umask 002.
const (
	folderItself fs.FileMode = 0o022
	folderAround fs.FileMode = 0o002
)

// trustedFolder refuses a folder in which another user can replace files. Sticky folders, such as /tmp, keep files safe.
func trustedFolder(dir string, refused fs.FileMode) (message, remedy string) {
	info, err := os.Stat(dir)
	if err != nil || disk.ReadOnlyFolder(dir) {
		return "", "" // one that cannot be seen cannot be read either: that is said elsewhere
	}
	if uid, other := disk.Foreign(info); other && uid != 0 {
		return fmt.Sprintf("the folder %s belongs to user %d, not to the user who runs bearerd or to root", printable(dir), uid),
			fmt.Sprintf("chown %d %s, or move the configuration", os.Geteuid(), printable(dir))
	}
	if disk.Modes && info.Mode().Perm()&refused != 0 && info.Mode()&fs.ModeSticky == 0 {
		return fmt.Sprintf("the folder %s can be written by group or others (mode %04o)", printable(dir), info.Mode().Perm()),
			"chmod go-w " + printable(dir)
	}
	return "", ""
}

// trustedPlace checks the folder that holds a file and, for a symbolic link, the link and the folder of its target.
func trustedPlace(path string) (message, remedy string) {
	info, err := os.Lstat(path)
	if err != nil {
		return "", ""
	}
	dirs := []string{filepath.Dir(path)}
	if info.Mode()&fs.ModeSymlink != 0 {
		if uid, other := disk.Foreign(info); other && uid != 0 && !disk.ReadOnlyFolder(dirs[0]) {
			return fmt.Sprintf("the link belongs to user %d, not to the user who runs bearerd or to root", uid),
				"make the link anew, or name the file itself"
		}
		if target, err := filepath.EvalSymlinks(path); err == nil {
			dirs = append(dirs, filepath.Dir(target))
		}
	}
	for _, dir := range dirs {
		if message, remedy := trustedFolder(dir, folderAround); message != "" {
			return message, remedy
		}
	}
	return "", ""
}
