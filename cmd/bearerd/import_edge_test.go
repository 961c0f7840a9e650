package main_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const oneSecretServer = `{"mcpServers": {"one": {"command": "sh", "args": ["-c", "printf %s \"$TOKEN\""], "env": {"TOKEN": "CANARY-one"}}}}`

// emptyHome has no configuration; BEARERD_CONFIG is as given, below it; "": not set.
func emptyHome(t *testing.T, path string) *home {
	h := newHome(t)
	if path != "" {
		path = h.path(path)
	}
	h.env = append(h.env, "BEARERD_CONFIG="+path)
	return h
}

// TestImportedSecretIsDelivered starts the program with the secret that was in the file.
func TestImportedSecretIsDelivered(t *testing.T) {
	t.Parallel()
	h := emptyHome(t, "")
	file := h.write("mcp.json", oneSecretServer)
	said := h.importJSON(0, "--format", "cursor", file)
	place := h.path(".config/bearerd/bearerd.hcl")
	if said.File != place || len(said.Files[0].Servers[0].Secrets) != 1 {
		t.Errorf("%+v", said)
	}
	for path, want := range map[string]os.FileMode{place: 0o600, filepath.Dir(place): 0o700 | os.ModeDir} {
		if info, err := os.Stat(path); err != nil {
			t.Error(err)
		} else if info.Mode() != want {
			t.Errorf("%s: %v", path, info.Mode())
		}
	}
	if out := h.run("exec", "one").stdout; !strings.Contains(out, "CANARY-one") {
		t.Errorf("the program got %q", out)
	}
}

// TestImportUnderADaemon has the daemon take the servers up by itself.
func TestImportUnderADaemon(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	h.configure(server("first", attribute("command", "true")))
	h.daemon()
	h.importJSON(0, "--format", "cursor", h.write("mcp.json", oneSecretServer))
	if list := h.ok("secret", "list"); list != "import/one/env/TOKEN" {
		t.Errorf("in the store: %s", list)
	}
	eventually(t, "the daemon has the server", func() bool { return strings.Contains(h.ok("status"), "one") })
}

// TestImportIntoAFolder adds to imported.hcl there, twice, and keeps its mode.
func TestImportIntoAFolder(t *testing.T) {
	t.Parallel()
	h := emptyHome(t, "etc")
	if err := os.Mkdir(h.path("etc"), 0o700); err != nil {
		t.Fatal(err)
	}
	h.write("etc/a.hcl", "log {}\n")
	h.importJSON(0, "--format", "cursor", h.write("mcp.json", oneSecretServer))
	if err := os.Chmod(h.path("etc/imported.hcl"), 0o640); err != nil {
		t.Fatal(err)
	}
	h.importJSON(0, "--format", "claude-code", h.write("two.json", `{"mcpServers": {"two": {"type": "http", "url": "http://127.0.0.1:1/"}}}`))
	text, err := os.ReadFile(h.path("etc/imported.hcl"))
	info, _ := os.Stat(h.path("etc/imported.hcl"))
	if err != nil || strings.Count(string(text), "server \"") != 2 || info.Mode() != 0o640 {
		t.Errorf("%v %v\n%s", err, info.Mode(), text)
	}
	h.ok("check")
}

// TestImportThatWouldBreak leaves all as it was: the configuration, the store and the client's file.
func TestImportThatWouldBreak(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ to, says string }{
		"outside":  {"elsewhere.hcl", "not read with the configuration"},
		"JSON":     {"x.hcl.json", "JSON"},
		"no name":  {"x.txt", ".hcl"},
		"too long": {"bearerd.hcl", "nothing was changed"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHome(t)
			h.configure()
			if name == "too long" { // with what is added
				h.configure("#" + strings.Repeat("x", 256<<10-200))
			}
			before, _ := os.ReadFile(h.path("bearerd.hcl"))
			file := h.write("mcp.json", oneSecretServer)
			r := h.run("import", "--write", "--format", "cursor", "--to", h.path(c.to), file)
			if r.code != 1 || !strings.Contains(r.stderr, c.says) {
				t.Errorf("exit code %d: %s", r.code, r.stderr)
			}
			after, _ := os.ReadFile(h.path("bearerd.hcl"))
			still, _ := os.ReadFile(file)
			if string(before) != string(after) || string(still) != oneSecretServer {
				t.Error("a file was changed")
			}
			if _, err := os.Stat(h.path(c.to)); err == nil && c.to != "bearerd.hcl" {
				t.Errorf("%s was left behind", c.to)
			}
			if list := h.ok("secret", "list"); list != "" {
				t.Errorf("in the store: %s", list)
			}
		})
	}
}

// TestImportIntoJSON says what helps, which is then enough; so does --dry-run.
func TestImportIntoJSON(t *testing.T) {
	t.Parallel()
	h := emptyHome(t, "")
	path, file := h.write("c.hcl.json", `{"log": {}}`), h.write("mcp.json", oneSecretServer)
	if err := os.Mkdir(h.path("etc"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, flags := range [][]string{nil, {"--dry-run"}, {"--to", h.path("x.hcl")}, {"--dry-run", "--to", h.path("x.hcl")}} {
		args := append([]string{"import", "-c", path, "--format", "cursor", file}, flags...)
		if r := h.run(args...); r.code != 1 || !strings.Contains(r.stderr, "move it into a folder of its own") {
			t.Errorf("%v: exit code %d: %s", flags, r.code, r.stderr)
		}
	}
	if err := os.Rename(path, h.path("etc/c.hcl.json")); err != nil {
		t.Fatal(err)
	}
	h.fails(1, "import", "--dry-run", "-c", h.path("etc"), "--format", "cursor", "--to", h.path("x.hcl"), file)
	for _, to := range []string{"etc/mine.hcl", "etc/conf.d/mine.hcl"} {
		h.ok("import", "--dry-run", "-c", h.path("etc"), "--format", "cursor", "--to", h.path(to), file)
	}
	h.ok("import", "-c", h.path("etc"), "--format", "cursor", file)
	h.ok("check", "-c", h.path("etc"))
}

func TestImportOfWhatIsNoFile(t *testing.T) {
	t.Parallel()
	h := emptyHome(t, "bearerd.hcl")
	good := h.write("mcp.json", oneSecretServer)
	h.fails(2, "import")
	h.fails(2, "import", "--format", "emacs", good)
	h.fails(2, "import", "--dry-run", "--write", good)
	h.fails(2, "import", "--write", "--format", "cursor", "-")
	h.fails(1, "import", h.dir)
	h.fails(1, "import", h.path("none.json"))
	h.fails(1, "import", "--format", "cursor", h.write("broken.json", `{"mcpServers": CANARY`))
	if _, err := os.Stat(h.path("bearerd.hcl")); err == nil {
		t.Error("a configuration was made")
	}
	if r := h.feed(oneSecretServer, "import", "--format", "cursor", "-"); r.code != 0 || !strings.Contains(r.stderr, "one: added, 1 in the store") {
		t.Errorf("from stdin: exit code %d: %s", r.code, r.stderr)
	}
	said := h.importJSON(1, "--format", "cursor", good, h.path("none.json"))
	if len(said.Files) != 2 || said.Files[1].Error == "" || said.Files[0].Servers[0].Result != "present" {
		t.Errorf("one that is there and one that is not: %+v", said)
	}
}

// TestImportWritesThroughALink keeps the link, the mode, and a backup of before.
func TestImportWritesThroughALink(t *testing.T) {
	t.Parallel()
	h := emptyHome(t, "bearerd.hcl")
	file := h.write("real.json", oneSecretServer)
	old := h.write("real.json.before-bearerd", "an older one")
	if err := os.Symlink(file, h.path("mcp.json")); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(file, 0o644); err != nil {
		t.Fatal(err)
	}
	said := h.importJSON(0, "--write", "--format", "cursor", h.path("mcp.json"))
	link, err := os.Readlink(h.path("mcp.json"))
	info, _ := os.Stat(file)
	if err != nil || link != file || info.Mode() != 0o644 || said.Files[0].Backup != old+"-2" {
		t.Errorf("%v %s %v %+v", err, link, info.Mode(), said)
	}
	if b, _ := os.ReadFile(old); string(b) != "an older one" {
		t.Error("the older backup was replaced")
	}
	h.write("real.json", oneSecretServer)
	if said := h.importJSON(0, "--write", "--format", "cursor", file, file); len(said.Files) != 1 || said.Files[0].Backup != old+"-2" {
		t.Errorf("the same again, named twice: %+v", said)
	}
}

// TestImportAsksForInputs takes them from the environment here, as there is no terminal.
func TestImportAsksForInputs(t *testing.T) {
	t.Parallel()
	h := emptyHome(t, "bearerd.hcl")
	h.env = append(h.env, "INPUT_API_KEY=CANARY-input")
	file := h.write("mcp.json", `{"inputs": [{"type": "promptString", "id": "api-key", "password": true}, {"type": "promptString", "id": "other"}],
		"servers": {"one": {"command": "env", "env": {"A": "${input:api-key}", "B": "${input:other}"}}}}`)
	said := h.importJSON(0, "--format", "vscode", file)
	if e := said.Files[0].Servers[0]; strings.Join(e.Secrets, " ") != "import/one/env/A" || strings.Join(e.Wanted, " ") != "import/one/env/B" {
		t.Errorf("%+v", e)
	}
	h.feed("later", "secret", "set", "import/one/env/B")
	if out := h.run("exec", "one").stdout; !strings.Contains(out, "A=CANARY-input") || !strings.Contains(out, "B=later") {
		t.Errorf("the program got %q", out)
	}
}

// TestImportSaysWhatStays where the client's file holds secrets that no server has.
func TestImportSaysWhatStays(t *testing.T) {
	t.Parallel()
	h := emptyHome(t, "bearerd.hcl")
	file := h.write("mcp.json", "{\n// \"API_KEY\": \"CANARY-in-comment\"\n"+oneSecretServer[1:])
	said := h.importJSON(0, "--write", "--format", "cursor", file)
	if f := said.Files[0]; len(f.Left) != 1 || f.Left[0] != 2 {
		t.Errorf("%+v", f)
	}
	other := h.write("two.json", strings.ReplaceAll(oneSecretServer, "one", "two"))
	r := h.run("import", "--write", "--format", "cursor", other)
	if strings.Contains(r.stderr, "looks like a secret") || !strings.Contains(r.stderr, "pass_env") {
		t.Errorf("%s", r.stderr)
	}
}
