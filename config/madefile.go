package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"bearerd/secrets/disk"
)

// MadePath is where the file of a server that the API makes is, or goes: in conf_dir, else in conf.d of the configuration's
// folder. The error wraps ErrNoFolder where there is no such folder, and ErrNotMade where the server, or the file that it
// would be written to, is another's.
func (w *Watcher) MadePath(cfg *Config, name string) (string, error) {
	if !serverName.MatchString(name) {
		return "", fmt.Errorf("%q is no server name: use letters, digits, _ and -, begin with a letter or a digit, at most 64 characters",
			printable(name))
	}
	dir := cfg.Admin.ConfDir
	if dir == "" {
		info, err := os.Stat(w.path)
		if err != nil || !info.IsDir() {
			return "", fmt.Errorf(`%w: the configuration is the single file %s: set admin { conf_dir = "…" } and restart bearerd`, ErrNoFolder, w.path)
		}
		dir = filepath.Join(w.path, "conf.d")
	}
	path := filepath.Join(dir, name+".hcl")
	if err := w.ours(cfg, name, path); err != nil {
		return "", err
	}
	if _, _, err := madeFile(path); err != nil {
		return "", err
	}
	return path, nil
}

// ours refuses the name of a server that is written elsewhere than in path.
func (w *Watcher) ours(cfg *Config, name, path string) error {
	for _, s := range cfg.Servers {
		if !strings.EqualFold(s.Name, name) {
			continue
		}
		at := w.FileOf(s.Name)
		switch {
		case s.Name != name:
			return fmt.Errorf("%w: names are unique ignoring case, and %s has server %q", ErrNotMade, at, s.Name)
		case !s.Made:
			return fmt.Errorf("%w: edit server %q in %s", ErrNotMade, name, at)
		case resolved(at) != resolved(path):
			return fmt.Errorf("%w now: server %q is in %s, and belongs to %s: move it", ErrNotMade, name, at, path)
		}
	}
	return nil
}

// madeFile is what is in a made file; nil: there is none. Any other file at that path is an error that wraps ErrNotMade.
func madeFile(path string) (text []byte, mode fs.FileMode, err error) {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, 0, nil
	case err != nil:
		return nil, 0, fmt.Errorf("%w: %w", ErrNoFolder, err)
	case !info.Mode().IsRegular():
		return nil, 0, fmt.Errorf("%w: %s is a link, or no file at all: move it away", ErrNotMade, path)
	}
	s, message, remedy := open(path)
	switch {
	case message != "":
		return nil, 0, fmt.Errorf("%w: %s: %s: %s", ErrNotMade, path, message, remedy)
	case !s.made:
		return nil, 0, fmt.Errorf("%w: %s is there already, and is written by hand: edit or rename it", ErrNotMade, path)
	}
	return s.bytes, info.Mode().Perm(), nil
}

// PutMade writes the text of Make to a path of MadePath, durably, and makes the folder if there is none. undo puts back what
// was there before. The error wraps ErrNoFolder or ErrNotMade; then nothing has changed.
func PutMade(path string, text []byte) (undo func() error, err error) {
	before, mode, err := madeFile(path)
	if err != nil {
		return nil, err
	}
	dir := filepath.Dir(path)
	_, statErr := os.Stat(dir)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, noFolder(dir, err)
	}
	if message, remedy := trustedFolder(dir, folderItself); message != "" {
		return nil, fmt.Errorf("%w: %s: %s", ErrNoFolder, message, remedy)
	}
	if err := replaceFile(path, text, 0o600); err != nil {
		return nil, noFolder(dir, err)
	}
	return func() error {
		if before != nil {
			return replaceFile(path, before, mode)
		}
		if err := removeFile(path); err != nil {
			return err
		}
		if statErr != nil {
			_ = os.Remove(dir) // unless somebody has put something there
		}
		return nil
	}, nil
}

// RemoveMade removes the file at a path of MadePath; one that is gone is no error. undo puts it back.
func RemoveMade(path string) (undo func() error, err error) {
	before, mode, err := madeFile(path)
	if err != nil {
		return nil, err
	}
	if before == nil {
		return func() error { return nil }, nil
	}
	if err := removeFile(path); err != nil {
		return nil, noFolder(filepath.Dir(path), err)
	}
	return func() error { return replaceFile(path, before, mode) }, nil
}

// MayPut says why a file that is there could not be replaced or removed now, as far as that can be told without doing it.
func MayPut(path string) error {
	if _, _, err := madeFile(path); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".bearerd-*")
	if err != nil {
		return noFolder(filepath.Dir(path), err)
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}

func noFolder(dir string, err error) error {
	return fmt.Errorf("%w: %s cannot be written: %w: let the user who runs bearerd write there, or set admin { conf_dir = \"…\" }",
		ErrNoFolder, dir, err)
}

// replaceFile replaces path whole and durably, or leaves it as it is. What it writes first begins with a dot: such files are
// not read.
func replaceFile(path string, text []byte, mode fs.FileMode) error {
	if err := disk.Replace(path, text, func(f *os.File) error { return f.Chmod(mode) }); err != nil {
		return err
	}
	return disk.SyncFolder(filepath.Dir(path))
}

func removeFile(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return disk.SyncFolder(filepath.Dir(path))
}
