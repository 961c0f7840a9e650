package main_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestClientFileStartsBearerdFromADesktop has a client that has neither the variables nor the PATH of the shell that imported.
func TestClientFileStartsBearerdFromADesktop(t *testing.T) {
	t.Parallel()
	h := emptyHome(t, "elsewhere/my.hcl")
	bin := h.path("bin")
	if err := os.Mkdir(bin, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(program, filepath.Join(bin, "bearerd")); err != nil {
		t.Skip(err)
	}
	h.env = append(h.env, "PATH="+bin+":"+os.Getenv("PATH"), "XDG_STATE_HOME="+h.path("state"))
	file := h.write("mcp.json", oneSecretServer)
	r := h.run("import", "--write", "--format", "cursor", file)
	text, _ := os.ReadFile(file)
	for _, want := range []string{`"` + filepath.Join(bin, "bearerd") + `"`, `"-c"`, `"` + h.path("elsewhere/my.hcl") + `"`} {
		if !strings.Contains(string(text), want) {
			t.Errorf("%s is not in\n%s", want, text)
		}
	}
	if r.code != 0 || !strings.Contains(r.stderr, "XDG_STATE_HOME, which the client may not have") {
		t.Errorf("exit code %d: %s", r.code, r.stderr)
	}
	r = h.run("client-config", "one")
	if !strings.Contains(r.stdout, h.path("elsewhere/my.hcl")) || !strings.Contains(r.stderr, "XDG_STATE_HOME") {
		t.Errorf("client-config: %s%s", r.stdout, r.stderr)
	}
}

// TestClientFileUnderNPX starts npx, as the program that runs now is not found by its name later.
func TestClientFileUnderNPX(t *testing.T) {
	t.Parallel()
	h := emptyHome(t, "")
	dir := h.path("_npx/0/node_modules/bearerd/bin")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	own := filepath.Join(dir, "bearerd")
	if err := os.WriteFile(own, data, 0o700); err != nil {
		t.Fatal(err)
	}
	file := h.write("mcp.json", oneSecretServer)
	cmd := h.command(t.Context(), "import", "--write", "--format", "cursor", file)
	cmd.Path = own
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	text, _ := os.ReadFile(file)
	if !strings.Contains(strings.Join(strings.Fields(string(text)), ""), `"command":"npx","args":["-y","bearerd","exec","one"]`) {
		t.Errorf("%s", text)
	}
}
