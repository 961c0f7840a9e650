package disk

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/windows"
)

// Modes says whether the mode of a file tells who may read and write it. Here access lists do, which a file takes from its folder:
// what lies in a user's profile is for that user, the system and its administrators.
const Modes = false

// Another program, such as a virus scanner, may have a file open for a moment: then it can be neither replaced nor opened.
const (
	patience = 2 * time.Second
	pause    = 5 * time.Millisecond
)

// again calls f until nobody is in its way.
func again(f func() error) error {
	for by := time.Now().Add(patience); ; time.Sleep(pause) {
		err := f()
		busy := errors.Is(err, windows.ERROR_SHARING_VIOLATION) || errors.Is(err, windows.ERROR_ACCESS_DENIED)
		if !busy || time.Now().After(by) {
			return err
		}
	}
}

// Replace replaces path whole, or leaves it as it is; a symbolic link at path is replaced. prepare, unless it is nil, is given the
// new file before anything is in it. What is written first lies beside path, with a name that begins with a dot.
func Replace(path string, data []byte, prepare func(*os.File) error) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = f.Close()
			_ = os.Remove(f.Name())
		}
	}()
	if prepare != nil {
		if err := prepare(f); err != nil {
			return err
		}
	}
	if _, err := f.Write(data); err != nil {
		return err
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return err
	}
	return Rename(f.Name(), path)
}

// Rename is os.Rename, which replaces what is at to.
func Rename(from, to string) error {
	source, err := windows.UTF16PtrFromString(from)
	if err != nil {
		return err
	}
	target, err := windows.UTF16PtrFromString(to)
	if err != nil {
		return err
	}
	err = again(func() error {
		return windows.MoveFileEx(source, target, windows.MOVEFILE_REPLACE_EXISTING|windows.MOVEFILE_WRITE_THROUGH)
	})
	if err != nil {
		return &os.LinkError{Op: "rename", Old: from, New: to, Err: err}
	}
	return nil
}

// SyncFolder has nothing to do: the names are written through.
func SyncFolder(string) error { return nil }

// OpenFile is os.OpenFile for what is no symbolic link. The error for one is ErrLink with its path.
func OpenFile(path string, flag int, mode fs.FileMode) (f *os.File, err error) {
	if info, err := os.Lstat(path); err == nil && info.Mode()&fs.ModeSymlink != 0 {
		return nil, &fs.PathError{Op: "open", Path: path, Err: ErrLink}
	}
	err = again(func() error { f, err = os.OpenFile(path, flag, mode); return err })
	return f, err
}

// lockedAt is the one byte that stands for the whole file. It lies behind everything: what is locked here cannot be read by others.
const lockedAt = 0x7fffffff

// TryLock takes the lock of a file, exclusive across processes, unless another has it. Closing the file gives it back.
func TryLock(f *os.File) (ok bool, err error) {
	err = lock(f, windows.LOCKFILE_EXCLUSIVE_LOCK|windows.LOCKFILE_FAIL_IMMEDIATELY)
	if errors.Is(err, windows.ERROR_LOCK_VIOLATION) {
		return false, nil
	}
	return err == nil, err
}

// Lock is TryLock, but waits.
func Lock(f *os.File) error { return lock(f, windows.LOCKFILE_EXCLUSIVE_LOCK) }

func lock(f *os.File, how uint32) error {
	return windows.LockFileEx(windows.Handle(f.Fd()), how, 0, 1, 0, &windows.Overlapped{OffsetHigh: lockedAt})
}

// Full reports whether an error says that there is no room.
func Full(err error) bool {
	return errors.Is(err, windows.ERROR_DISK_FULL) || errors.Is(err, windows.ERROR_HANDLE_DISK_FULL) ||
		errors.Is(err, windows.ERROR_DISK_QUOTA_EXCEEDED)
}

// ReadOnly reports whether an error says that nothing may be written there.
func ReadOnly(err error) bool { return errors.Is(err, windows.ERROR_WRITE_PROTECT) }

// Writable cannot be told here without doing it.
func Writable(string) bool { return true }

func owner(os.FileInfo) (uid int, ok bool) { return 0, false }
