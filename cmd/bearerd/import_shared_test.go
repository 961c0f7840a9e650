package main_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"bearerd/secrets/disk"
)

// TestImportsAtOnce take one server each, all of one name: each gets its own secret, whoever comes first.
func TestImportsAtOnce(t *testing.T) {
	t.Parallel()
	h := emptyHome(t, "bearerd.hcl")
	const count = 6
	var files []string
	for i := range count {
		files = append(files, h.write(fmt.Sprintf("%d.json", i), strings.ReplaceAll(oneSecretServer, "CANARY-one", fmt.Sprintf("CANARY-%d", i))))
	}
	var all sync.WaitGroup
	for _, file := range files {
		all.Go(func() {
			if r := h.run("import", "--write", "--format", "cursor", file); r.code != 0 {
				t.Errorf("exit code %d: %s", r.code, r.stderr)
			}
		})
	}
	all.Wait()
	for i, file := range files {
		h.startsFrom(file, fmt.Sprintf("CANARY-%d", i))
	}
	if left, _ := filepath.Glob(h.path(".local/state/bearerd/import.lock")); len(left) > 0 {
		t.Errorf("left behind: %s", left)
	}
}

// startsFrom starts the only server that a client's file has, as the client would.
func (h *home) startsFrom(file, want string) {
	h.t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		h.t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(data), `"args"`)
	list, _, _ := strings.Cut(rest, "]")
	words := strings.Split(list, `"`)
	name := words[len(words)-2]
	if out := h.run("exec", name).stdout; out != want {
		h.t.Errorf("%s starts %s, which got %q, want %q\n%s", file, name, out, want, data)
	}
}

// TestImportOfTheSameServerOfAnotherProject keeps each project's own credential, and takes a new one over.
func TestImportOfTheSameServerOfAnotherProject(t *testing.T) {
	t.Parallel()
	h := emptyHome(t, "bearerd.hcl")
	entry := func(token string) string { return strings.ReplaceAll(oneSecretServer, "CANARY-one", token) }
	first, second := h.write("first.json", entry("CANARY-1")), h.write("second.json", entry("CANARY-2"))
	h.importJSON(0, "--format", "cursor", first)
	said := h.importJSON(0, "--write", "--format", "claude-code", second)
	if e := said.Files[0].Servers[0]; e.Result != "added" || e.Server != "one-claude-code" {
		t.Errorf("%+v", e)
	}
	h.startsFrom(second, "CANARY-2")
	if again := h.importJSON(0, "--write", "--format", "cursor", first); again.results()["present"] != 1 {
		t.Errorf("the first again: %+v", again)
	}
	h.startsFrom(first, "CANARY-1")
	rotated := h.write("rotated.json", entry("CANARY-3"))
	h.importJSON(0, "--write", "--format", "cursor", rotated)
	h.startsFrom(rotated, "CANARY-3")
	if out := h.run("exec", "one").stdout; out != "CANARY-1" {
		t.Errorf("the server of before got %q", out)
	}
}

// TestImportIntoTheStoreOfAnotherConfiguration leaves the secrets of that as they are, with a daemon and without.
func TestImportIntoTheStoreOfAnotherConfiguration(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"alone", "daemon"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := emptyHome(t, "bearerd.hcl")
			h.importJSON(0, "--format", "cursor", h.write("a.json", oneSecretServer))
			if name == "daemon" {
				h.daemon()
			}
			other := strings.ReplaceAll(oneSecretServer, "CANARY-one", "CANARY-two")
			h.importJSON(0, "-c", h.path("other.hcl"), "--format", "cursor", h.write("b.json", other))
			h.importJSON(0, "-c", h.path("third.hcl"), "--format", "cursor", h.path("a.json"))
			for config, want := range map[string]string{"bearerd.hcl": "CANARY-one", "other.hcl": "CANARY-two", "third.hcl": "CANARY-one"} {
				if out := h.run("exec", "-c", h.path(config), "one").stdout; out != want {
					t.Errorf("with %s the program got %q", config, out)
				}
			}
			if list := h.ok("secret", "list"); list != "import/one/env/TOKEN\nimport/one/env/TOKEN-2" {
				t.Errorf("in the store: %s", list)
			}
		})
	}
}

// TestImportWaitsForAnother until that has ended, and says so.
func TestImportWaitsForAnother(t *testing.T) {
	t.Parallel()
	h := emptyHome(t, "bearerd.hcl")
	state := h.path(".local/state/bearerd")
	if err := os.MkdirAll(state, 0o700); err != nil {
		t.Fatal(err)
	}
	f, err := disk.OpenFile(filepath.Join(state, "import.lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	if ok, err := disk.TryLock(f); !ok || err != nil {
		t.Fatal(ok, err)
	}
	cmd := h.command(t.Context(), "import", "--format", "cursor", h.write("mcp.json", oneSecretServer))
	var said buffer
	cmd.Stderr = &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it says that it waits", func() bool { return strings.Contains(said.String(), "waiting for another import") })
	if _, err := os.Stat(h.path("bearerd.hcl")); err == nil {
		t.Error("it has not waited")
	}
	_ = f.Close()
	ended := time.AfterFunc(20*time.Second, func() { _ = cmd.Process.Kill() })
	defer ended.Stop()
	if err := cmd.Wait(); err != nil {
		t.Errorf("%v: %s", err, said.String())
	}
	h.ok("check")
}
