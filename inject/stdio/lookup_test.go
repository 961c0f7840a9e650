package stdio

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bearerd/config"
	"bearerd/secrets"
)

// A command line in the place of a command may hold a secret: no more than its program is shown.
func TestLookPathOfACommandLine(t *testing.T) {
	dir := t.TempDir()
	for _, command := range []string{
		"npx -y @foo/bar --key sk-proj-CANARY", "npx --key=CANARY", "TOKEN=CANARY npx", "/opt/x\t--key CANARY", "./x " + strings.Repeat("CANARY/", 200),
	} {
		for _, path := range []secrets.Secret{{}, secrets.New("/bin")} {
			err := LookPath(&config.Server{Command: command, Dir: dir}, path)
			if err == nil || strings.Contains(err.Error(), "CANARY") || !strings.Contains(err.Error(), "belong in args") {
				t.Errorf("%s: %v", command, err)
			}
		}
	}
}

// A path may have white space in it.
func TestLookPathWithWhiteSpace(t *testing.T) {
	file := filepath.Join(t.TempDir(), "a program.exe")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(file, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := LookPath(&config.Server{Command: file}, secrets.Secret{}); err != nil {
		t.Error(err)
	}
}
