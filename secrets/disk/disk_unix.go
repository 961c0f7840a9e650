//go:build unix

package disk

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/google/renameio/v2"
	"golang.org/x/sys/unix"
)

// Modes says whether the mode of a file tells who may read and write it.
const Modes = true

// Replace replaces path whole, or leaves it as it is; a symbolic link at path is replaced. prepare, unless it is nil, is given the
// new file before anything is in it, with mode 0600. What is written first lies beside path, with a name that begins with a dot.
// The content is on disk when Replace returns; the name only after SyncFolder.
func Replace(path string, data []byte, prepare func(*os.File) error) error {
	f, err := renameio.NewPendingFile(path, renameio.WithTempDir(filepath.Dir(path)))
	if err != nil {
		return err
	}
	defer func() { _ = f.Cleanup() }() // of no effect after the rename
	if prepare != nil {
		if err := prepare(f.File); err != nil {
			return err
		}
	}
	if _, err := f.Write(data); err != nil {
		return err
	}
	return f.CloseAtomicallyReplace()
}

// Rename is os.Rename, which replaces what is at to.
func Rename(from, to string) error { return os.Rename(from, to) }

// SyncFolder makes what was done to the names in a folder survive a crash, where the file system can do that.
func SyncFolder(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	if err := f.Sync(); !errors.Is(err, unix.EINVAL) && !errors.Is(err, errors.ErrUnsupported) {
		return err
	}
	return nil
}

// OpenFile is os.OpenFile for what is no symbolic link. The error for one is ErrLink with its path.
func OpenFile(path string, flag int, mode fs.FileMode) (*os.File, error) {
	f, err := os.OpenFile(path, flag|unix.O_NOFOLLOW, mode)
	if errors.Is(err, unix.ELOOP) {
		return nil, &fs.PathError{Op: "open", Path: path, Err: ErrLink}
	}
	return f, err
}

// TryLock takes the lock of a file, exclusive across processes, unless another has it. Closing the file gives it back.
func TryLock(f *os.File) (ok bool, err error) {
	err = flock(f, unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return false, nil
	}
	return err == nil, err
}

// Lock is TryLock, but waits.
func Lock(f *os.File) error { return flock(f, unix.LOCK_EX) }

func flock(f *os.File, how int) error {
	for {
		if err := unix.Flock(int(f.Fd()), how); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

// Full reports whether an error says that there is no room.
func Full(err error) bool { return errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) }

// ReadOnly reports whether an error says that nothing may be written there.
func ReadOnly(err error) bool { return errors.Is(err, unix.EROFS) }

// Writable reports whether this process may make files in a folder, as far as that can be told without doing it.
func Writable(dir string) bool { return unix.Access(dir, unix.W_OK|unix.X_OK) == nil }

func owner(info os.FileInfo) (uid int, ok bool) {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, false
	}
	return int(st.Uid), true
}
