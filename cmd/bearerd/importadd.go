package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"bearerd/config"
	"bearerd/secrets/disk"
)

// target is where servers are added.
type target struct {
	path string         // of the configuration: a file or a folder
	file string         // that the servers are written to; the real one, where path leads through a link
	cfg  *config.Config // what is there already
}

// findTarget finds the configuration, or where the first one is to be; to is the file that was asked for.
func findTarget(cmd *cobra.Command, to string) (t target, err error) {
	t.path, err = configPath(cmd)
	if errors.Is(err, errNoConfig) {
		home, err := os.UserHomeDir()
		if err != nil {
			return t, fmt.Errorf("there is no place for a configuration: %w: name one with -c PATH", err)
		}
		t.path = filepath.Join(home, ".config", "bearerd")
	} else if err != nil {
		return t, err
	}
	empty, folder := t.look()
	read := config.Load
	if empty {
		read = config.Empty
	}
	var diagnostics config.Diagnostics
	if t.cfg, diagnostics = read(t.path); diagnostics.HasErrors() {
		_, _ = diagnostics.WriteTo(cmd.ErrOrStderr())
		return t, exitCode(exitError)
	}
	switch t.file = t.path; {
	case to != "":
		t.file = to
	case folder && empty:
		t.file = filepath.Join(t.path, "bearerd.hcl")
	case folder:
		t.file = filepath.Join(t.path, "imported.hcl")
	}
	if err := t.named(to, folder); err != nil {
		return t, err
	}
	if real, err := filepath.EvalSymlinks(t.file); err == nil {
		t.file = real
	}
	t.file, err = filepath.Abs(t.file)
	return t, err
}

// named reports what is wrong with the name of the file that is written to.
func (t target) named(to string, folder bool) error {
	switch {
	case !folder && strings.HasSuffix(t.path, ".json"):
		return fmt.Errorf("%s is JSON, and what is imported is written as HCL, into a file beside it: "+
			"move it into a folder of its own, and name that in its place (-c FOLDER)", t.path)
	case strings.HasSuffix(t.file, ".json"):
		return fmt.Errorf("%s is JSON, and what is imported is written as HCL: name another file of the configuration with --to FILE.hcl", t.file)
	case !strings.HasSuffix(t.file, ".hcl") && (to != "" || folder):
		return fmt.Errorf("%s is no name of a configuration file: name one that ends in .hcl", t.file)
	case to == "" || t.reads():
		return nil
	case !folder:
		return fmt.Errorf("%s is not read with the configuration %s, which is one file: leave out --to", t.file, t.path)
	}
	return t.notRead()
}

// reads reports whether the file is, or would be, one of the configuration.
func (t target) reads() bool {
	if here, err := os.Stat(t.file); err == nil {
		for _, pattern := range []string{"", "*.hcl", "conf.d/*.hcl"} {
			list, _ := filepath.Glob(filepath.Join(t.path, pattern))
			if slices.ContainsFunc(list, func(path string) bool {
				there, err := os.Stat(path)
				return err == nil && os.SameFile(here, there)
			}) {
				return true
			}
		}
	}
	folder := placeOf(filepath.Dir(t.file))
	folders := []string{placeOf(t.path), placeOf(filepath.Join(t.path, "conf.d"))}
	if t.cfg.Admin.ConfDir != "" {
		folders = append(folders, placeOf(t.cfg.Admin.ConfDir))
	}
	return slices.Contains(folders, folder) || placeOf(t.file) == placeOf(t.path)
}

// placeOf is a path without links, as far as it is there.
func placeOf(path string) string {
	if abs, err := filepath.Abs(path); err == nil {
		path = abs
	}
	if real, err := filepath.EvalSymlinks(path); err == nil {
		return real
	}
	return filepath.Clean(path)
}

func (t target) notRead() error {
	return fmt.Errorf("%s is not read with the configuration %s (name a file in its folder with --to)", t.file, t.path)
}

// look says whether nothing is configured at path, and whether that is a folder, or will be one.
func (t target) look() (empty, folder bool) {
	info, err := os.Stat(t.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return true, !strings.HasSuffix(t.path, ".hcl") && !strings.HasSuffix(t.path, ".json")
	case err != nil:
		return false, false
	case !info.IsDir():
		data, err := os.ReadFile(t.path)
		return err == nil && len(bytes.TrimSpace(data)) == 0, false
	}
	for _, pattern := range []string{"*.hcl", "*.hcl.json", "conf.d/*.hcl", "conf.d/*.hcl.json"} {
		if found, _ := filepath.Glob(filepath.Join(t.path, pattern)); len(found) > 0 {
			return false, true
		}
	}
	return true, true
}

// add keeps the secrets and writes the servers. If the whole is not valid then, all is as it was before; where that cannot be
// put back, the secrets stay, as what is written refers to them.
func (o *importing) add() error {
	text := o.text(false)
	write, undo, err := o.place.prepare(text, o.cmd.ErrOrStderr())
	if err != nil && len(text) > 0 {
		return err
	}
	k := &keeper{cmd: o.cmd, cfg: o.place.cfg}
	defer k.close()
	for _, f := range o.files {
		for _, t := range f.taken {
			if err := k.keep(t.Secrets); err != nil {
				return errors.Join(err, k.forget())
			}
		}
	}
	if len(text) == 0 {
		return nil
	}
	if err := write(); err != nil {
		return errors.Join(err, k.forget())
	}
	if err := o.place.valid(o.cmd, o.names()); err != nil {
		if left := undo(); left != nil {
			return fmt.Errorf("%w; what was added to %s stays there, and its secrets in the store: %w", err, o.place.file, left)
		}
		return errors.Join(fmt.Errorf("%w: nothing was changed", err), k.forget())
	}
	return nil
}

// text is that of all servers which are added; shown: as it may be printed.
func (o *importing) text(shown bool) []byte {
	var blocks [][]byte
	for _, f := range o.files {
		for _, t := range f.taken {
			switch {
			case t.Text == nil:
			case shown:
				blocks = append(blocks, t.Shown())
			default:
				blocks = append(blocks, t.Text)
			}
		}
	}
	return bytes.Join(blocks, []byte("\n"))
}

// names are those of the servers which are added.
func (o *importing) names() (list []string) {
	for _, f := range o.files {
		for _, t := range f.taken {
			if t.Text != nil {
				list = append(list, t.Server.Name)
			}
		}
	}
	return list
}

// prepare looks whether text can be added to the file: write does so, and undo puts back what was there. An error of them
// means that the file is as it was before the call. note is for what a crash could undo.
func (t target) prepare(text []byte, note io.Writer) (write, undo func() error, err error) {
	before, mode := []byte(nil), fs.FileMode(0o600)
	info, err := os.Stat(t.file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return nil, nil, err
	default:
		if _, other := disk.Foreign(info); other {
			return nil, nil, fmt.Errorf("%s belongs to another user: name a file of yours with --to FILE", t.file)
		}
		mode = info.Mode().Perm()
		if before, err = os.ReadFile(t.file); err != nil {
			return nil, nil, err
		}
	}
	after := slices.Clone(before)
	if len(bytes.TrimSpace(after)) > 0 {
		after = append(bytes.TrimRight(after, "\n"), "\n\n"...)
	}
	after = append(after, text...)
	dir := filepath.Dir(t.file)
	_, none := os.Stat(dir)
	write = func() error {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return err
		}
		err := replaceKept(t.file, before, after, mode, note)
		if err != nil && none != nil {
			_ = os.Remove(dir)
		}
		return err
	}
	undo = func() error {
		if info != nil {
			return replaceKept(t.file, after, before, mode, note)
		}
		if err := unchanged(t.file, after); err != nil {
			return err
		}
		err := os.Remove(t.file)
		if none != nil {
			_ = os.Remove(dir) // unless somebody has put something there
		}
		return err
	}
	return write, undo, nil
}

// replaceKept replaces a file whole, unless something else than before is in it meanwhile; nil: it was not there. An error means
// that it is as it was.
func replaceKept(path string, before, after []byte, mode fs.FileMode, note io.Writer) error {
	if err := unchanged(path, before); err != nil {
		return err
	}
	if err := disk.Replace(path, after, func(f *os.File) error { return f.Chmod(mode) }); err != nil {
		return fmt.Errorf("%s cannot be written: %w", path, err)
	}
	if err := disk.SyncFolder(filepath.Dir(path)); err != nil { // it is replaced all the same
		_, _ = fmt.Fprintf(note, "note: %s is written; should the system crash now, it may be as it was before: %v\n", path, err)
	}
	return nil
}

// unchanged reports whether something else than before is in a file; nil: it was not there.
func unchanged(path string, before []byte) error {
	now, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if !bytes.Equal(now, before) || (err != nil) != (before == nil) {
		return fmt.Errorf("%s was changed by somebody else just now: run the command again", path)
	}
	return nil
}

// valid reports what is wrong with the whole configuration, or that the file is no part of it.
func (t target) valid(cmd *cobra.Command, names []string) error {
	cfg, diagnostics := config.Load(t.path)
	if diagnostics.HasErrors() {
		_, _ = diagnostics.WriteTo(cmd.ErrOrStderr())
		return errors.New("the configuration would not be valid with these servers")
	}
	for _, name := range names {
		if cfg.Server(name) == nil {
			return t.notRead()
		}
	}
	return nil
}
