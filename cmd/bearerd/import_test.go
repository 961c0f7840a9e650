package main_test

import (
	"encoding/json"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	formats "bearerd/cmd/internal/clients"
	"bearerd/config"
)

// sampleSecret is in every secret of the samples.
const sampleSecret = "CANARY"

// sampleVariables are what the samples want to have put in.
var sampleVariables = []string{
	"API_KEY=CANARY-API", "GITHUB_TOKEN=CANARY-GH", "FIGMA_OAUTH_TOKEN=CANARY-FIGMA", "WEB_SEARCH_MCP_URL=https://search.example.com/mcp",
	"ZUPLO_MCP_URL=https://zuplo.example.com/mcp", "REGION=eu", "MCP_CLIENT_ID=client", "TOOLS_DIR=/opt/tools", "INPUT_REGION=us",
}

type importSaid struct {
	File, Text string
	Files      []struct {
		Path, Client, Error, Backup string
		Lost                        []string
		Left                        []int
		Servers                     []struct {
			Entry, Server, Result, Why string
			Notes, Secrets, Wanted     []string
		}
	}
}

// results counts what became of the entries.
func (s importSaid) results() map[string]int {
	n := map[string]int{}
	for _, f := range s.Files {
		for _, e := range f.Servers {
			n[e.Result]++
		}
	}
	return n
}

// importJSON runs import with --json; the exit code must be code.
func (h *home) importJSON(code int, args ...string) (said importSaid) {
	h.t.Helper()
	r := h.run(append([]string{"import", "--json"}, args...)...)
	if r.code != code {
		h.t.Fatalf("import %v: exit code %d, want %d\n%s%s", args, r.code, code, r.stdout, r.stderr)
	}
	if r.stdout == "" {
		return said
	}
	if err := json.Unmarshal([]byte(r.stdout), &said); err != nil {
		h.t.Fatalf("%v\n%s", err, r.stdout)
	}
	if strings.Contains(r.stdout+r.stderr, sampleSecret) {
		h.t.Errorf("import %v tells a secret:\n%s%s", args, r.stdout, r.stderr)
	}
	return said
}

// importHome has no configuration yet, and one sample as the file of a client.
func importHome(t *testing.T, sample string) (h *home, file string) {
	t.Helper()
	h = newHome(t, sampleVariables...)
	if err := os.Mkdir(h.path("bin"), 0o700); err != nil {
		t.Fatal(err)
	}
	h.env = append(h.env, "PATH="+h.path("bin")+":"+os.Getenv("PATH"))
	data, err := os.ReadFile(sample)
	if err != nil {
		t.Fatal(err)
	}
	return h, h.write(filepath.Base(sample), string(data))
}

func samples(t *testing.T) (files []string) {
	t.Helper()
	err := filepath.WalkDir("../../testdata/import", func(path string, e fs.DirEntry, err error) error {
		if err == nil && e.Type().IsRegular() {
			files = append(files, path)
		}
		return err
	})
	if err != nil || len(files) < 40 {
		t.Fatalf("%d samples: %v", len(files), err)
	}
	return files
}

// TestImportOfEverySample takes each sample over and has the client use bearerd. No secret of it is left anywhere but where
// the person was told.
func TestImportOfEverySample(t *testing.T) {
	t.Parallel()
	for _, sample := range samples(t) {
		client := filepath.Base(filepath.Dir(sample))
		t.Run(client+"/"+filepath.Base(sample), func(t *testing.T) {
			t.Parallel()
			h, file := importHome(t, sample)
			r := h.run("import", "--dry-run", "--format", client, file)
			if strings.Contains(r.stdout+r.stderr, sampleSecret) {
				t.Errorf("a secret is shown:\n%s%s", r.stdout, r.stderr)
			}
			if _, err := os.Stat(h.path("bearerd.hcl")); err == nil || len(h.stateFiles()) > 0 {
				t.Error("--dry-run has changed something")
			}
			said := h.importJSON(r.code, "--format", client, file)
			became := said.results()
			if (became["added"] > 0 || became["uses_bearerd"] > 0) == (r.code != 0) {
				t.Errorf("exit code %d, and %v", r.code, became)
			}
			if became["added"] == 0 {
				return
			}
			h.stubs()
			h.checks()
			h.hidesCanaries(file)
			h.importedAgain(file, client, became)
			h.importedAndWritten(file, client, became)
		})
	}
}

// stateFiles are the files of the default state folder.
func (h *home) stateFiles() (found []string) {
	_ = filepath.WalkDir(h.path(".local"), func(path string, e fs.DirEntry, err error) error {
		if err == nil && e.Type().IsRegular() {
			found = append(found, path)
		}
		return nil
	})
	return found
}

// imported is the configuration as it is now.
func (h *home) imported() *config.Config {
	h.t.Helper()
	cfg, diagnostics := config.Load(h.path("bearerd.hcl"))
	if cfg == nil {
		h.t.Fatal(diagnostics)
	}
	return cfg
}

// stubs stand for the programs that the configuration names.
func (h *home) stubs() {
	h.t.Helper()
	for _, s := range h.imported().Servers {
		if s.Command != "" && !strings.ContainsAny(s.Command, `/\`) {
			if err := os.WriteFile(h.path("bin/"+s.Command), []byte("#!/bin/sh\n"), 0o700); err != nil {
				h.t.Fatal(err)
			}
		}
	}
}

// checks runs check; only programs that lie at a path which this machine does not have may be missing.
func (h *home) checks() {
	h.t.Helper()
	var report struct {
		Diagnostics []struct{ Severity, Message string }
		Missing     []struct {
			Server, Message string
			Fatal           bool
		}
	}
	r := h.run("check", "--json")
	if err := json.Unmarshal([]byte(r.stdout), &report); err != nil {
		h.t.Fatalf("%v\n%s%s", err, r.stdout, r.stderr)
	}
	cfg := h.imported()
	for _, m := range report.Missing {
		if s := cfg.Server(m.Server); m.Fatal && (s == nil || !strings.ContainsAny(s.Command, `/\`) && s.Dir == "") {
			h.t.Errorf("check: %s: %s", m.Server, m.Message)
		}
	}
	for _, d := range report.Diagnostics {
		if d.Severity == "error" {
			h.t.Errorf("check: %s", d.Message)
		}
	}
	if strings.Contains(r.stdout+r.stderr, sampleSecret) {
		h.t.Error("check shows a secret")
	}
}

// visible are the lines of a configuration that may hold what its programs want in their arguments, and addresses.
var visible = regexp.MustCompile(`(?m)^ *(args|url) *=.*$`)

// hidesCanaries looks through all files but those of the client.
func (h *home) hidesCanaries(file string) {
	h.t.Helper()
	err := filepath.WalkDir(h.dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() || strings.HasPrefix(path, file) {
			return err
		}
		data, err := os.ReadFile(path)
		if strings.Contains(string(visible.ReplaceAll(data, nil)), sampleSecret) {
			h.t.Errorf("%s holds a secret:\n%s", path, data)
		}
		return err
	})
	if err != nil {
		h.t.Error(err)
	}
}

// importedAgain finds everything there.
func (h *home) importedAgain(file, client string, became map[string]int) {
	h.t.Helper()
	before, _ := os.ReadFile(h.path("bearerd.hcl"))
	secrets := h.ok("secret", "list")
	again := h.importJSON(0, "--format", client, file).results()
	after, _ := os.ReadFile(h.path("bearerd.hcl"))
	want := maps.Clone(became)
	want["present"] += want["added"]
	delete(want, "added")
	if !maps.Equal(again, want) || string(before) != string(after) || secrets != h.ok("secret", "list") {
		h.t.Errorf("the second time: %v, want %v; the file before\n%s\nand after\n%s", again, want, before, after)
	}
}

// importedAndWritten has the client use bearerd.
func (h *home) importedAndWritten(file, client string, became map[string]int) {
	h.t.Helper()
	before, _ := os.ReadFile(file)
	said := h.importJSON(0, "--write", "--format", client, file)
	backup, err := os.ReadFile(file + ".before-bearerd")
	if err != nil || string(backup) != string(before) || said.Files[0].Backup != file+".before-bearerd" {
		h.t.Fatalf("the file before is not kept: %v, %+v", err, said)
	}
	if info, err := os.Stat(file + ".before-bearerd"); err != nil || info.Mode().Perm() != 0o600 {
		h.t.Errorf("its mode: %v %v", info, err)
	}
	h.hidesCanaries(file)
	data, _ := os.ReadFile(file)
	format, err := formats.Named(client)
	if err != nil {
		h.t.Fatal(err)
	}
	read, err := formats.Read(file, data, format)
	if err != nil {
		h.t.Fatalf("the file cannot be read any more: %v\n%s", err, data)
	}
	if became["left_out"] == 0 && len(read.Lost) == 0 && strings.Contains(string(data), sampleSecret) && !h.keptCanary(read) {
		h.t.Errorf("the client's file still holds a secret:\n%s", data)
	}
	again := h.importJSON(0, "--format", client, file).results()
	want := map[string]int{"uses_bearerd": became["added"] + became["uses_bearerd"]}
	if n := became["left_out"]; n > 0 {
		want["left_out"] = n
	}
	if !maps.Equal(again, want) {
		h.t.Errorf("after --write: %v, want %v\n%s", again, want, data)
	}
}

// keptCanary reports whether a file holds keys that its reader passes over, such as metadata of the entries.
func (h *home) keptCanary(read *formats.File) bool {
	return slices.ContainsFunc(read.Servers, func(s formats.Server) bool { return len(s.Lost) > 0 })
}
