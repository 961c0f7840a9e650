package main_test

import (
	"os"
	"strings"
	"testing"

	"bearerd/cmd/internal/doctor"
)

// step is what came of a step.
func (d diagnosis) step(t *testing.T, name string) doctor.Step {
	t.Helper()
	for _, s := range d.Steps {
		if s.Name == name {
			return s
		}
	}
	t.Errorf("there is no step %s:\n%s", name, d.text)
	return doctor.Step{}
}

// Servers of another wire than 2025-11-25 are recognised.
func TestDoctorKnowsTheOtherWires(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		start  func(testing.TB) string
		begun  string // in the detail of initialize
		result doctor.Result
		listed string // in the detail of tools/list
	}{
		"2026-07-28": {startModernHTTP, "it speaks MCP 2026-07-28", doctor.OK, "3 tools"},
		"HTTP+SSE":   {startEverythingSSE, "the older HTTP+SSE transport", doctor.Skipped, "older transport"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHome(t)
			h.configure(server("s", attribute("url", c.start(t))))
			d := h.diagnose("s")
			if s := d.step(t, "initialize"); s.Result != doctor.OK || !strings.Contains(s.Detail, c.begun) {
				t.Errorf("%+v", s)
			}
			if s := d.step(t, "tools/list"); s.Result != c.result || !strings.Contains(s.Detail, c.listed) {
				t.Errorf("%+v", s)
			}
			if d.code != 0 {
				t.Errorf("exit code %d\n%s", d.code, d.text)
			}
		})
	}
}

// What is in a store that cannot be used is not said to be missing there.
func TestDoctorBlamesTheStoreAlone(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	h.configure("vault {\n"+attribute("address", "http://"+freeAddress(t))+"\nauth \"token\" { token = secret(\"vt\") }\n}\n",
		server("s", nothing, `env = { KEY = vault("mcp/app", "key") }`))
	if r := h.feed("canary-of-vault\n", "secret", "set", "vt"); r.code != 0 {
		t.Fatal(r.stderr)
	}
	chmod(t, h.path("state"), 0o755)
	d := h.diagnose()
	d.only(t, "file modes", doctor.Failed, "state has mode 0755")
	for _, name := range []string{"vault", "secrets"} {
		if s := d.step(t, name); s.Result != doctor.Skipped || !strings.HasSuffix(s.Detail, "because of file modes") {
			t.Errorf("%+v", s)
		}
	}
}

// A file in the place of the state folder is what the store tells; its mode is no fault.
func TestDoctorFindsAFileForAStateFolder(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	h.configure(server("s", nothing))
	text, err := os.ReadFile(h.path("bearerd.hcl"))
	if err != nil {
		t.Fatal(err)
	}
	h.write("bearerd.hcl", strings.Replace(string(text), `path = "state"`, `path = "mine"`, 1))
	h.write("mine", "mine\n")
	chmod(t, h.path("mine"), 0o644)
	d := h.diagnose()
	if s := d.step(t, "file modes"); s.Result != doctor.OK {
		t.Errorf("%+v", s)
	}
	if s := d.step(t, "store"); s.Result != doctor.Failed || !strings.Contains(s.Detail, "is a file") || !strings.Contains(s.Remedy, "path of a folder") {
		t.Errorf("%+v", s)
	}
}
