package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"bearerd/cmd/internal/clients"
	"bearerd/cmd/internal/importer"
	"bearerd/secrets/disk"
)

// rewrite makes the clients' files use bearerd.
func (o *importing) rewrite() {
	for _, f := range o.files {
		if launches := o.launches(f); f.err == nil && len(launches) > 0 {
			f.backup, f.err = f.replace(launches, o.cmd.ErrOrStderr())
		}
	}
}

// replace writes the file anew, and keeps it as it was beside it: first, and on disk, before anything is replaced.
func (f *imported) replace(launches map[string]clients.Launch, note io.Writer) (backup string, err error) {
	text, err := f.file.Format.Rewrite(f.data, launches)
	if err != nil {
		return "", fmt.Errorf("%s was not rewritten: %w", f.path, err)
	}
	if bytes.Equal(text, f.data) {
		return "", nil
	}
	path, err := filepath.EvalSymlinks(f.path)
	if err != nil {
		return "", err
	}
	info, err := os.Stat(path)
	if err != nil {
		return "", err
	}
	if _, other := disk.Foreign(info); other {
		return "", fmt.Errorf("%s belongs to another user, and was not rewritten", path)
	}
	backup, made, err := keepBefore(path, f.data)
	if err != nil {
		return "", fmt.Errorf("%s was not rewritten, as it cannot be kept as it was: %w", path, err)
	}
	if err := replaceKept(path, f.data, text, info.Mode().Perm(), note); err != nil {
		if made {
			err = errors.Join(err, os.Remove(backup))
		}
		return "", err
	}
	f.left = importer.Left(text, f.taken)
	return backup, nil
}

// keepBefore writes a file as it was beside it, under a name that is free, unless that has been done before.
func keepBefore(path string, data []byte) (backup string, made bool, err error) {
	for n := 1; ; n++ {
		backup = path + ".before-bearerd"
		if n > 1 {
			backup += fmt.Sprintf("-%d", n)
		}
		f, err := os.OpenFile(backup, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if errors.Is(err, fs.ErrExist) {
			if holds(backup, data) {
				return backup, false, nil
			}
			continue
		}
		if err != nil {
			return "", false, err
		}
		_, err = f.Write(data)
		if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
			err = disk.SyncFolder(filepath.Dir(path))
		}
		if err != nil {
			return "", false, errors.Join(err, os.Remove(backup))
		}
		return backup, true, nil
	}
}

// holds reports whether a backup is a whole one of data, for its owner alone.
func holds(backup string, data []byte) bool {
	info, err := os.Lstat(backup)
	if err != nil || !info.Mode().IsRegular() || info.Mode().Perm()&0o077 != 0 || info.Size() != int64(len(data)) {
		return false
	}
	if _, other := disk.Foreign(info); other {
		return false
	}
	f, err := os.OpenFile(backup, os.O_RDWR, 0)
	if err != nil {
		return false
	}
	defer func() { _ = f.Close() }()
	text, err := io.ReadAll(f)
	return err == nil && bytes.Equal(text, data) && f.Sync() == nil // whoever wrote it may have been killed before
}

// answers are what a person says to the inputs of a client's file. Each is asked for once.
type answers struct {
	cmd   *cobra.Command
	piped bool // a file came from stdin
	known map[string]string
	err   error // a question was not answered to its end
}

// ask gives an input from the environment, else from the terminal; an empty answer is none.
func (a *answers) ask(in *clients.Input) (value string, given bool) {
	if value, known := a.known[in.ID]; known {
		return value, value != ""
	}
	value = os.Getenv(importer.InputVariable(in.ID))
	if tty, ok := a.cmd.InOrStdin().(*os.File); value == "" && ok && !a.piped && a.err == nil && term.IsTerminal(int(tty.Fd())) {
		value, a.err = a.question(tty, in)
	}
	a.known[in.ID] = value
	return value, value != ""
}

func (a *answers) question(tty *os.File, in *clients.Input) (string, error) {
	what := shown(in.ID)
	if in.Description != "" {
		what += " (" + shown(in.Description) + ")"
	}
	if in.Secret {
		_, _ = fmt.Fprintf(a.cmd.ErrOrStderr(), "%s, not shown; empty: to be set later: ", what)
		defer func() { _, _ = fmt.Fprintln(a.cmd.ErrOrStderr()) }()
		value, err := prompt(a.cmd.Context(), int(tty.Fd()))
		return string(value), err
	}
	if in.Default != "" {
		what += fmt.Sprintf(" [%s]", shown(in.Default))
	}
	_, _ = fmt.Fprintf(a.cmd.ErrOrStderr(), "%s: ", what)
	line, err := typedLine(a.cmd.Context(), tty)
	if line == "" {
		line = in.Default
	}
	return line, err
}

// typedLine reads a line that is shown while it is typed.
func typedLine(ctx context.Context, tty *os.File) (string, error) {
	in := newTyped(tty)
	stop := context.AfterFunc(ctx, func() { _ = in.Close() })
	defer stop()
	var line []byte
	for one := make([]byte, 1); !slices.Contains(line, '\n'); {
		n, err := in.Read(one)
		line = append(line, one[:n]...)
		switch {
		case ctx.Err() != nil:
			return "", errors.New("interrupted")
		case errors.Is(err, io.EOF):
			return strings.TrimSpace(string(line)), nil
		case err != nil:
			return "", err
		}
	}
	return strings.TrimSpace(string(line)), nil
}
