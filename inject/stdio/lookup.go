package stdio

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"bearerd/config"
	"bearerd/secrets"
	"bearerd/secrets/disk"
)

// lookPath finds the command as the child would: on the child's PATH and, when it holds a slash, from the child's folder.
// Relative entries of PATH are skipped: an editor starts bearerd inside cloned repositories.
// ownPath says that path is bearerd's own; another may hold a secret, so the error does not show it.
func lookPath(command, dir, path string, ownPath bool) (string, error) {
	line := command
	if strings.ContainsAny(command, slashes) {
		if !filepath.IsAbs(command) {
			command = filepath.Join(dir, command)
		}
		file, err := filepath.Abs(command)
		if err != nil {
			return "", err
		}
		for _, name := range programs(file) {
			if checkExecutable(name) == nil {
				return name, nil
			}
		}
		if _, err := os.Stat(file); err != nil && isLine(line) {
			return "", lineError(line)
		}
		return file, checkExecutable(file)
	}
	for _, entry := range filepath.SplitList(path) {
		for _, file := range programs(filepath.Join(entry, command)) {
			if filepath.IsAbs(entry) && checkExecutable(file) == nil {
				return file, nil
			}
		}
	}
	if isLine(line) {
		return "", lineError(line)
	}
	if !ownPath {
		return "", fmt.Errorf("command %q is not on the PATH that env declares: install it, write its full path, or correct PATH "+
			"in env", command)
	}
	return "", fmt.Errorf("command %q is not on the child's PATH %q: install it, write its full path, or set PATH in env",
		command, path)
}

// isLine reports whether a command may be a whole command line.
func isLine(command string) bool { return len(strings.Fields(command)) > 1 }

// lineError shows no more of a command line than its program: an argument, or a variable before it, may be a secret.
func lineError(line string) error {
	program, _, _ := strings.Cut(strings.Fields(line)[0], "=")
	return fmt.Errorf("command: there is no program of that name, which has white space in it and begins with %q: the arguments belong in args; "+
		"else correct command, or install the program", program)
}

func checkExecutable(file string) error {
	info, err := os.Stat(file)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("command: there is no %s: correct command, or install the program", file)
	}
	if err != nil {
		return fmt.Errorf("command: %w", err)
	}
	if !info.Mode().IsRegular() || disk.Modes && info.Mode()&0o111 == 0 {
		return fmt.Errorf("command: %s is not an executable file", file)
	}
	return nil
}

// LookPath says whether the command of s can be found, as its child would look for it. declared is the PATH that env
// declares, zero when it declares none.
func LookPath(s *config.Server, declared secrets.Secret) error {
	path := declared.Reveal()
	if declared.IsZero() {
		path = os.Getenv("PATH")
	}
	_, err := lookPath(s.Command, s.Dir, path, declared.IsZero())
	return err
}
