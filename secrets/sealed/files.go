package sealed

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"bearerd/secrets/disk"
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
	case disk.Modes && info.Mode().Perm()&0o077 != 0:
		return fmt.Errorf("its mode %04o lets others in: run `chmod 700 %s` (in a systemd unit: StateDirectoryMode=0700)",
			info.Mode().Perm(), dir)
	}
	return checkOwner(info)
}

func checkOwner(info os.FileInfo) error {
	if uid, other := disk.Foreign(info); other {
		return fmt.Errorf("it belongs to user %d, bearerd runs as %d: run it as that user, or set another store path",
			uid, os.Geteuid())
	}
	return nil
}

// readFile reads a small file that is no link. Its errors are those of the disk, never of the content.
func readFile(path string) ([]byte, error) {
	f, err := disk.OpenFile(path, os.O_RDONLY, 0)
	if errors.Is(err, disk.ErrLink) {
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
	if err := disk.Replace(path, data, nil); err != nil {
		return err
	}
	return disk.SyncFolder(filepath.Dir(path))
}
