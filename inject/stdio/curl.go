package stdio

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"bearerd/config"
	"bearerd/secrets"
	"bearerd/secrets/disk"
)

const curlProgram = "curl" // as config names it

func curl(s *config.Server, token secrets.Secret, declared map[string]secrets.Secret, parent []string) (*Launch, error) {
	dir, err := privateDir(parent)
	if err != nil {
		return nil, fmt.Errorf("server %q: a folder for curl's header file: %w", s.Name, err)
	}
	file := filepath.Join(dir, "header")
	l, err := launch(s, append(slices.Clone(s.Args), "--header", "@"+file), token, nil, declared, parent)
	if err == nil {
		err = os.WriteFile(file, []byte("Authorization: "+bearer(token).Reveal()+"\n"), 0o600)
	}
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	l.dir = dir
	return l, nil
}

// privateDir makes a folder of mode 0700, in memory where there is a runtime folder.
func privateDir(parent []string) (string, error) {
	for _, variable := range parent {
		if runtime, ok := strings.CutPrefix(variable, "XDG_RUNTIME_DIR="); ok && filepath.IsAbs(runtime) {
			if dir, err := privateDirIn(runtime); err == nil {
				return dir, nil
			}
		}
	}
	return privateDirIn(os.TempDir())
}

// privateDirIn names the folder after this process, so that a later one can tell what was left behind.
func privateDirIn(base string) (string, error) {
	sweep(base)
	return os.MkdirTemp(base, fmt.Sprintf("bearerd-%d-*", os.Getpid()))
}

var privateDirName = regexp.MustCompile(`^bearerd-([0-9]+)-[0-9]+$`)

// sweep removes the folders whose process was killed before it could. What cannot be removed stays: it is not needed.
func sweep(base string) {
	entries, _ := os.ReadDir(base)
	for _, e := range entries {
		name := privateDirName.FindStringSubmatch(e.Name())
		if name == nil {
			continue
		}
		pid, err := strconv.Atoi(name[1])
		info, statErr := e.Info() // of the entry itself, not of what a link names
		if err != nil || statErr != nil || !info.IsDir() || disk.Modes && info.Mode() != fs.ModeDir|0o700 {
			continue
		}
		if _, other := disk.Foreign(info); !other && !Runs(pid) {
			_ = os.RemoveAll(filepath.Join(base, e.Name()))
		}
	}
}
