package stdio

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"strconv"

	"bearerd/config"
	"bearerd/secrets"
	"bearerd/secrets/disk"
)

// WriteToken writes the bare token to s.TokenFile, if it has one, replacing the file atomically: a reader sees the old
// token or the new one. A symbolic link at that path is replaced, not followed. Mode and group are set before the token
// is written.
func WriteToken(s *config.Server, token secrets.Secret) error {
	if s.TokenFile == "" {
		return nil
	}
	if err := writeToken(s, token); err != nil {
		return fmt.Errorf("server %q: token_file %s: %w", s.Name, s.TokenFile, err)
	}
	return nil
}

func writeToken(s *config.Server, token secrets.Secret) error {
	mode, err := fileMode(s.TokenFileMode)
	if err != nil {
		return err
	}
	gid, err := groupID(s.TokenFileGroup)
	if err != nil {
		return err
	}
	return disk.Replace(s.TokenFile, []byte(token.Reveal()), func(f *os.File) error {
		if gid >= 0 {
			if err := f.Chown(-1, gid); err != nil {
				return fmt.Errorf("token_file_group %q: bearerd must be a member of it: %w", s.TokenFileGroup, err)
			}
		}
		return f.Chmod(mode)
	})
}

// RemoveToken removes s.TokenFile; it is no error when there is none.
func RemoveToken(s *config.Server) error {
	if s.TokenFile == "" {
		return nil
	}
	if err := os.Remove(s.TokenFile); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("server %q: token_file: %w", s.Name, err)
	}
	return nil
}

func fileMode(octal string) (fs.FileMode, error) {
	if octal == "" {
		return 0o600, nil
	}
	mode, err := strconv.ParseUint(octal, 8, 12)
	if err != nil || mode&^0o660 != 0 {
		return 0, fmt.Errorf(`token_file_mode %q: write it in octal, "0600" to "0660"`, octal)
	}
	return fs.FileMode(mode), nil
}

// groupID is the number of a group given by name or number; -1 for "".
func groupID(group string) (int, error) {
	if group == "" {
		return -1, nil
	}
	if gid, err := strconv.ParseUint(group, 10, 31); err == nil {
		return int(gid), nil
	}
	g, err := user.LookupGroup(group)
	if err != nil {
		return 0, fmt.Errorf("token_file_group: %w", err)
	}
	return strconv.Atoi(g.Gid)
}
