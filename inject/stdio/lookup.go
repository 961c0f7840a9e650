package stdio

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// lookPath finds the command as the child would: on the child's PATH and, when it holds a slash, from the child's folder.
// Relative entries of PATH are skipped: an editor starts bearerd inside cloned repositories.
func lookPath(command, dir, path string) (string, error) {
	if strings.Contains(command, "/") {
		if !filepath.IsAbs(command) {
			command = filepath.Join(dir, command)
		}
		file, err := filepath.Abs(command)
		if err != nil {
			return "", err
		}
		return file, checkExecutable(file)
	}
	for _, entry := range filepath.SplitList(path) {
		file := filepath.Join(entry, command)
		if filepath.IsAbs(entry) && checkExecutable(file) == nil {
			return file, nil
		}
	}
	return "", fmt.Errorf("command %q is not on the child's PATH %q: install it, write its full path, or set PATH in env",
		command, path)
}

func checkExecutable(file string) error {
	info, err := os.Stat(file)
	if err != nil {
		return fmt.Errorf("command: %w", err)
	}
	if !info.Mode().IsRegular() || info.Mode()&0o111 == 0 {
		return fmt.Errorf("command: %s is not an executable file", file)
	}
	return nil
}
