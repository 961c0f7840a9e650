package audit

import (
	"errors"
	"fmt"
	"io"
	"os"

	"bearerd/secrets/disk"
)

// open opens the file for one line, so that a rename rotates it. It refuses a file that others can read or change: what it
// says could not be relied on.
func (l *Log) open() (*os.File, error) {
	f, err := disk.OpenFile(l.path, os.O_RDWR|os.O_APPEND|os.O_CREATE, 0o600)
	if errors.Is(err, disk.ErrLink) {
		err = fmt.Errorf("%w: remove it", err)
	}
	if err == nil {
		if err = check(f); err != nil {
			_ = f.Close()
		}
	}
	if err != nil {
		return nil, fmt.Errorf("opening the audit log %s: %w", l.path, err)
	}
	return f, nil
}

func check(f *os.File) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	uid, other := disk.Foreign(info)
	switch mode := info.Mode(); {
	case !mode.IsRegular():
		return errors.New("it is no regular file: move it away")
	case other:
		return fmt.Errorf("it belongs to user %d, bearerd runs as %d: move it away", uid, os.Geteuid())
	case disk.Modes && mode.Perm()&0o077 != 0:
		return fmt.Errorf("its mode %04o lets others in: run `chmod 600 %s`", mode.Perm(), f.Name())
	}
	return nil
}

// appendLine writes a line by one call. The lock, which ends with f, keeps others from the little that must be looked at
// before and put right after.
func appendLine(f *os.File, line []byte) error {
	if err := disk.Lock(f); err != nil {
		return fmt.Errorf("locking it: %w", err)
	}
	info, err := f.Stat()
	if err != nil {
		return err
	}
	size, last, n := info.Size(), []byte{'\n'}, 0
	if size > 0 {
		_, _ = f.ReadAt(last, size-1)
	}
	if last[0] != '\n' { // the machine went down in the middle of a line
		line = append([]byte{'\n'}, line...)
	}
	n, err = write(f, line)
	if err == nil && n < len(line) {
		err = io.ErrShortWrite
	}
	if err != nil {
		_ = f.Truncate(size) // no half line
	}
	return err
}
