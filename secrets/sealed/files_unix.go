//go:build unix

package sealed

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/google/renameio/v2"
	"golang.org/x/sys/unix"
)

// checkFolder makes the folder if it is missing and refuses one that others can look into.
func checkFolder(dir string) error {
	info, err := os.Stat(dir)
	if errors.Is(err, fs.ErrNotExist) {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return err
		}
		info, err = os.Stat(dir)
	}
	switch {
	case err != nil:
		return err
	case !info.IsDir():
		return errors.New("it is no folder: set another store path")
	case info.Mode().Perm()&0o077 != 0:
		return fmt.Errorf("its mode %04o lets others in: run `chmod 700 %s` (in a systemd unit: StateDirectoryMode=0700)",
			info.Mode().Perm(), dir)
	}
	return checkOwner(info)
}

func checkOwner(info os.FileInfo) error {
	stat, ok := info.Sys().(*syscall.Stat_t)
	if euid := os.Geteuid(); ok && int(stat.Uid) != euid {
		return fmt.Errorf("it belongs to user %d, bearerd runs as %d: run it as that user, or set another store path",
			stat.Uid, euid)
	}
	return nil
}

// readFile reads a small file that is no link. Its errors are those of the disk, never of the content.
func readFile(path string) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW, 0)
	if errors.Is(err, unix.ELOOP) {
		return nil, fmt.Errorf("%s is a symbolic link: put the file itself there", path)
	}
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	return io.ReadAll(io.LimitReader(f, maxFile))
}

// writeFile replaces path whole and durably, or leaves it as it is.
func writeFile(path string, data []byte) error {
	folder := filepath.Dir(path)
	f, err := renameio.NewPendingFile(path, renameio.WithTempDir(folder), renameio.WithPermissions(0o600))
	if err != nil {
		return err
	}
	defer func() { _ = f.Cleanup() }()
	if _, err := f.Write(data); err != nil {
		return err
	}
	if err := f.CloseAtomicallyReplace(); err != nil {
		return err
	}
	return syncFolder(folder) // renameio leaves this to us; without it a crash may undo the rename
}

func syncFolder(folder string) error {
	f, err := os.Open(folder)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	if err := f.Sync(); !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.ENOTSUP) {
		return err
	}
	return nil // a file system that cannot sync folders
}
