package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"bearerd/secrets/disk"
)

// oneImport waits until no other import works with the state folder: each must see what the one before has added. Where nothing
// may be made there it waits for none; what is kept and written is checked all the same. unlock leaves nothing behind.
func oneImport(cmd *cobra.Command, state string) (unlock func(), err error) {
	path, made := filepath.Join(state, "import.lock"), false
	for told := time.Now().Add(time.Second); ; {
		f, fresh, err := lockFile(path)
		made = made || fresh
		switch free, wrong := tryLock(f, path, err); {
		case errors.Is(wrong, disk.ErrLink):
			return nil, fmt.Errorf("%w: remove it", wrong)
		case wrong != nil:
			return func() {}, nil
		case free:
			return func() {
				_ = os.Remove(path) // before it is free: who waits for it sees that it is another one
				_ = f.Close()
				if made {
					_ = os.Remove(state) // unless something was kept there
				}
			}, nil
		}
		if !told.IsZero() && time.Now().After(told) {
			told = time.Time{}
			_, _ = fmt.Fprintln(cmd.ErrOrStderr(), "note: waiting for another import to end")
		}
		select {
		case <-cmd.Context().Done():
			return nil, errors.New("interrupted")
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// lockFile opens the file, and makes the folder for it; nil: that was removed just now, by the import before. made: the folder.
func lockFile(path string) (f *os.File, made bool, err error) {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(filepath.Dir(dir), 0o700); err != nil {
		return nil, false, err
	}
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, false, err
	} else if err == nil {
		made = true
	}
	f, err = disk.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, made, nil
	}
	return f, made, err
}

// tryLock takes the lock of a file that was opened with err, or closes it.
func tryLock(f *os.File, path string, err error) (free bool, wrong error) {
	if f == nil || err != nil {
		return false, err
	}
	free, err = disk.TryLock(f)
	if err == nil && free && stillAt(path, f) {
		return true, nil
	}
	_ = f.Close()
	return false, err
}

// stillAt reports whether path leads to an open file.
func stillAt(path string, f *os.File) bool {
	here, err := f.Stat()
	there, err2 := os.Stat(path)
	return err == nil && err2 == nil && os.SameFile(here, there)
}
