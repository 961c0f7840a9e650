//go:build unix

package main_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	formats "bearerd/cmd/internal/clients"
)

// TestImportLeavesWhatTheStoreHas neither overwrites nor forgets a secret that was there before, whether it succeeds or not.
func TestImportLeavesWhatTheStoreHas(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	h.configure(server("mine", attribute("command", "sh"), attribute("args", []string{"-c", `printf %s "$TOKEN"`}),
		`env = { TOKEN = secret("import/one/env/TOKEN") }`), "#"+strings.Repeat("x", 256<<10-600))
	h.feed("CANARY-before", "secret", "set", "import/one/env/TOKEN")
	file := h.write("mcp.json", oneSecretServer)
	h.fails(1, "import", "--format", "cursor", "--to", h.path("elsewhere.hcl"), file) // which is not read
	if out := h.run("exec", "mine").stdout; out != "CANARY-before" {
		t.Fatalf("after an import that failed: %q", out)
	}
	h.configure()
	if r := h.run("import", "--dry-run", "--format", "cursor", file); !strings.Contains(r.stdout, `secret("import/one/env/TOKEN-2")`) {
		t.Errorf("--dry-run: %s", r.stdout)
	}
	h.importJSON(0, "--format", "cursor", file)
	if out := h.run("exec", "one").stdout; out != "CANARY-one" {
		t.Errorf("the program got %q", out)
	}
	if list := h.ok("secret", "list"); list != "import/one/env/TOKEN\nimport/one/env/TOKEN-2" {
		t.Errorf("in the store: %s", list)
	}
	if again := h.importJSON(0, "--format", "cursor", file).results(); again["present"] != 1 {
		t.Errorf("the second time: %v", again)
	}
}

// asNobody runs the command as a user who may be kept from something.
func asNobody(t *testing.T, h *home, args ...string) (said string, err error) {
	t.Helper()
	const nobody = 65534
	cmd := h.command(t.Context(), args...)
	if os.Geteuid() == 0 {
		cmd.Path = h.path("program") // that user cannot reach the one of the tests
		if out, err := exec.Command("cp", program, cmd.Path).CombinedOutput(); err != nil {
			t.Fatalf("%v %s", err, out)
		}
		asUser(cmd, nobody, nobody)
		if out, err := exec.Command("chown", "-R", fmt.Sprintf("%d:%d", nobody, nobody), h.dir).CombinedOutput(); err != nil {
			t.Fatalf("%v %s", err, out)
		}
	}
	out, err := cmd.CombinedOutput()
	if strings.Contains(string(out), sampleSecret) {
		t.Errorf("a secret is told: %s", out)
	}
	return string(out), err
}

// TestImportWhereAFolderCannotBeSynced has folders that may be written, and not read. The client's file is not rewritten, as
// its backup is not safe; the configuration is, as nothing of it is lost.
func TestImportWhereAFolderCannotBeSynced(t *testing.T) {
	t.Parallel()
	h := emptyHome(t, "etc/bearerd.hcl")
	for _, dir := range []string{"etc", "client"} {
		if err := os.Mkdir(h.path(dir), 0o700); err != nil {
			t.Fatal(err)
		}
		defer func() { _ = os.Chmod(h.path(dir), 0o700) }()
	}
	h.write("etc/bearerd.hcl", "log {}\n")
	file := h.write("client/mcp.json", oneSecretServer)
	for _, dir := range []string{"etc", "client"} {
		if err := os.Chmod(h.path(dir), 0o300); err != nil {
			t.Fatal(err)
		}
	}
	said, err := asNobody(t, h, "import", "--write", "--format", "cursor", file)
	if err == nil || !strings.Contains(said, "was not rewritten, as it cannot be kept as it was") || !strings.Contains(said, "is written; should the system crash") {
		t.Errorf("%v: %s", err, said)
	}
	if text, _ := os.ReadFile(file); string(text) != oneSecretServer {
		t.Errorf("the client's file: %s", text)
	}
	if list, _ := filepath.Glob(h.path("client/*")); len(list) != 1 {
		t.Errorf("in the client's folder: %v", list)
	}
	if out, err := asNobody(t, h, "secret", "list"); !strings.Contains(out, "import/one/env/TOKEN") {
		t.Errorf("the secret that the configuration refers to is gone: %v %s", err, out)
	}
	if text, _ := os.ReadFile(h.path("etc/bearerd.hcl")); !strings.Contains(string(text), `server "one"`) {
		t.Errorf("the configuration: %s", text)
	}
}

// TestImportOfAForeignFile leaves what another user owns as it is: the target before anything is kept, the client's file after.
func TestImportOfAForeignFile(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("only root can give a file away")
	}
	h := emptyHome(t, "bearerd.hcl")
	target, file := h.write("bearerd.hcl", "\n"), h.write("mcp.json", oneSecretServer)
	own := func(path string, uid int) {
		if err := os.Chown(path, uid, -1); err != nil {
			t.Fatal(err)
		}
	}
	own(target, 65534)
	if r := h.run("import", "--format", "cursor", file); r.code != 1 || !strings.Contains(r.stderr, "--to FILE") {
		t.Errorf("exit code %d: %s", r.code, r.stderr)
	}
	if text, _ := os.ReadFile(target); string(text) != "\n" || len(h.stateFiles()) > 0 {
		t.Errorf("something was changed: %s %v", text, h.stateFiles())
	}
	h.fails(1, "import", "--dry-run", "--format", "cursor", file)
	own(target, os.Geteuid())
	own(file, 65534)
	said := h.importJSON(1, "--write", "--format", "cursor", file)
	if text, _ := os.ReadFile(file); string(text) != oneSecretServer || !strings.Contains(said.Files[0].Error, "another user") || said.Files[0].Backup != "" {
		t.Errorf("%+v\n%s", said, text)
	}
}

// TestImportOfAFileThatChanges has the client write its file after it was read: the import waits for another file meanwhile.
func TestImportOfAFileThatChanges(t *testing.T) {
	t.Parallel()
	h := emptyHome(t, "bearerd.hcl")
	pipe := h.path("pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	file := h.write("mcp.json", fmt.Sprintf(`{"mcpServers": {"one": {"command": "true", "env": {"TOKEN": "x${file:%s}"}}}}`, pipe))
	const changed = `{"mcpServers": {}}`
	ctx, cancel := context.WithCancel(t.Context())
	fed := make(chan struct{})
	go func() {
		defer close(fed)
		for first := true; ctx.Err() == nil; first = false {
			f, err := os.OpenFile(pipe, os.O_WRONLY, 0)
			if err != nil || ctx.Err() != nil {
				return
			}
			if first {
				h.write("mcp.json", changed)
			}
			_, _ = f.WriteString("CANARY")
			_ = f.Close()
			time.Sleep(10 * time.Millisecond) // until the reader has closed it
		}
	}()
	said := h.importJSON(1, "--write", "--format", "windsurf", file)
	cancel()
	if f, err := os.OpenFile(pipe, os.O_RDONLY|syscall.O_NONBLOCK, 0); err == nil {
		<-fed
		_ = f.Close()
	}
	text, _ := os.ReadFile(file)
	left, _ := filepath.Glob(file + ".*")
	if string(text) != changed || !strings.Contains(said.Files[0].Error, "changed by somebody else") || len(left) > 0 {
		t.Errorf("%+v\n%s\n%v", said, text, left)
	}
}

// TestImportThatIsKilled ends the program as soon as it has made something: the same again completes it, and no file is torn.
func TestImportThatIsKilled(t *testing.T) {
	t.Parallel()
	for name, made := range map[string]struct {
		pattern string
		count   int
	}{
		"secrets": {".local/state/bearerd/records/*", 20}, "servers": {"bearerd.hcl", 1}, "backup": {"mcp.json.before-bearerd", 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := emptyHome(t, "bearerd.hcl")
			var entries []string
			for i := range 40 {
				entries = append(entries, fmt.Sprintf(`"s%d": {"command": "sh", "args": ["-c", "printf %%s \"$TOKEN\""], "env": {"TOKEN": "CANARY-%d"}}`, i, i))
			}
			text := `{"mcpServers": {` + strings.Join(entries, ", ") + `}}`
			file := h.write("mcp.json", text)
			h.killedAt(made.pattern, made.count, "import", "--write", "--format", "cursor", file)
			now, _ := os.ReadFile(file)
			if b, err := os.ReadFile(file + ".before-bearerd"); string(now) != text && (err != nil || string(b) != text) {
				t.Fatalf("the client's file was replaced, and is not kept: %v", err)
			}
			h.importJSON(0, "--write", "--format", "cursor", file)
			h.ok("check")
			data, _ := os.ReadFile(file)
			read, err := formats.Read(file, data, nil)
			if err != nil || len(read.Servers) != 40 || strings.Contains(string(data), sampleSecret) {
				t.Errorf("%v\n%s", err, data)
			}
			for _, i := range []int{0, 17, 39} {
				if out := h.run("exec", fmt.Sprintf("s%d", i)).stdout; out != fmt.Sprintf("CANARY-%d", i) {
					t.Errorf("server %d got %q", i, out)
				}
			}
		})
	}
}

// killedAt ends the program with SIGKILL as soon as so many files of a pattern are there, if it has not ended by then.
func (h *home) killedAt(pattern string, count int, args ...string) {
	h.t.Helper()
	cmd := h.command(h.t.Context(), args...)
	if err := cmd.Start(); err != nil {
		h.t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { _ = cmd.Wait(); close(ended) }()
	for {
		select {
		case <-ended:
			return
		case <-time.After(time.Millisecond / 5):
		}
		if found, _ := filepath.Glob(h.path(pattern)); len(found) >= count {
			_ = cmd.Process.Kill()
			<-ended
			return
		}
	}
}

// TestImportForAClientThatKeepsVariablesBack names those that the servers need, in Codex's file.
func TestImportForAClientThatKeepsVariablesBack(t *testing.T) {
	t.Parallel()
	h := emptyHome(t, "bearerd.hcl")
	file := h.write("config.toml", "[mcp_servers.one]\ncommand = \"true\"\nenv_vars = [\"MY_TENANT\"]\n\n"+
		"[mcp_servers.two]\nurl = \"https://mcp.example.com/mcp\"\nenv_http_headers = { X-Api-Key = \"MY_KEY\" }\n")
	h.importJSON(0, "--write", "--format", "codex", file)
	text, _ := os.ReadFile(file)
	for _, line := range []string{`env_vars = ["MY_TENANT"]`, `env_vars = ["MY_KEY"]`} {
		if !strings.Contains(string(text), line) {
			t.Errorf("%s is not in\n%s", line, text)
		}
	}
}
