//go:build unix

package stdio

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"bearerd/config"
	"bearerd/secrets"
)

func TestTokenFile(t *testing.T) {
	dir := t.TempDir()
	s := &config.Server{Name: "search", TokenFile: filepath.Join(dir, "token")}
	for _, value := range []string{"first", "2"} {
		if err := WriteToken(s, secrets.New(value)); err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(s.TokenFile)
		if err != nil || string(got) != value {
			t.Errorf("the file holds %q, %v, want %q", got, err, value)
		}
		if info, err := os.Stat(s.TokenFile); err != nil || info.Mode() != 0o600 {
			t.Errorf("mode %v, %v", info.Mode(), err)
		}
	}
	for range 2 { // the second time there is none
		if err := RemoveToken(s); err != nil {
			t.Error(err)
		}
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestTokenFileModeAndGroup(t *testing.T) {
	defer syscall.Umask(syscall.Umask(0o077))
	group := os.Getgid()
	if os.Getuid() == 0 {
		group = 12345
	}
	s := &config.Server{TokenFile: filepath.Join(t.TempDir(), "token"), TokenFileMode: "0640", TokenFileGroup: strconv.Itoa(group)}
	if err := WriteToken(s, token); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(s.TokenFile)
	if err != nil {
		t.Fatal(err)
	}
	if gid := info.Sys().(*syscall.Stat_t).Gid; info.Mode() != 0o640 || int(gid) != group {
		t.Errorf("mode %v, group %d, want 0640 and %d", info.Mode(), gid, group)
	}
}

func TestTokenFileIsNotWrittenThroughALink(t *testing.T) {
	dir := t.TempDir()
	victim := filepath.Join(dir, "victim")
	if err := os.WriteFile(victim, []byte("mine"), 0o644); err != nil {
		t.Fatal(err)
	}
	s := &config.Server{TokenFile: filepath.Join(dir, "token")}
	if err := os.Symlink(victim, s.TokenFile); err != nil {
		t.Fatal(err)
	}
	if err := WriteToken(s, token); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(victim); err != nil || string(got) != "mine" {
		t.Errorf("the link's target holds %q, %v", got, err)
	}
	if info, err := os.Lstat(s.TokenFile); err != nil || !info.Mode().IsRegular() {
		t.Errorf("the token file is %v, %v", info, err)
	}
}

func TestTokenFileErrors(t *testing.T) {
	dir := t.TempDir()
	for name, c := range map[string]struct {
		server config.Server
		want   string
	}{
		"no folder":    {config.Server{TokenFile: filepath.Join(dir, "no/token")}, "no such file or directory"},
		"no group":     {config.Server{TokenFile: filepath.Join(dir, "a"), TokenFileGroup: "no-such-group"}, "no-such-group"},
		"world's mode": {config.Server{TokenFile: filepath.Join(dir, "a"), TokenFileMode: "0644"}, `token_file_mode "0644"`},
		"no mode":      {config.Server{TokenFile: filepath.Join(dir, "a"), TokenFileMode: "rw"}, `token_file_mode "rw"`},
		"a folder":     {config.Server{TokenFile: dir}, "file exists"},
	} {
		c.server.Name = "search"
		err := WriteToken(&c.server, token)
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), `server "search": token_file `) {
			t.Errorf("%s: got %v, want %q", name, err, c.want)
		}
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestWithoutTokenFile(t *testing.T) {
	if err := WriteToken(&config.Server{}, token); err != nil {
		t.Error(err)
	}
	if err := RemoveToken(&config.Server{}); err != nil {
		t.Error(err)
	}
}
