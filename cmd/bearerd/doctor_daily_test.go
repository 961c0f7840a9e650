package main_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"bearerd/cmd/internal/doctor"
)

// Where no line of the audit log can be written every command that changes something is refused.
func TestDoctorLooksAtTheAuditLog(t *testing.T) {
	t.Parallel()
	for name, b := range map[string]struct {
		breaks func(path string) error
		words  []string
	}{
		"open to others": {func(path string) error { return os.Chmod(path, 0o666) }, []string{"mode 0666", "chmod go="}},
		"a folder": {func(path string) error {
			if err := os.Remove(path); err != nil {
				return err
			}
			return os.Mkdir(path, 0o700)
		}, []string{"no regular file", "move it away"}},
		"a link": {func(path string) error {
			if err := os.Rename(path, path+".1"); err != nil {
				return err
			}
			return os.Symlink(path+".1", path)
		}, []string{"no regular file", "move it away"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWard(t)
			w.sets(w.credentials())
			if r := w.feed("canary-of-k\n", "secret", "set", "k"); r.code != 0 { // which makes it
				t.Fatal(r.stderr)
			}
			w.diagnose().well(t, "file modes", "store")
			if err := b.breaks(w.path("state/audit.jsonl")); err != nil {
				t.Fatal(err)
			}
			if r := w.feed("canary-of-k\n", "secret", "set", "k"); r.code == 0 {
				t.Fatal("a secret is set without a line in the audit log")
			}
			r := w.run("doctor", "--json")
			for _, word := range append(b.words, "audit.jsonl", `"file modes"`, `"failed"`) {
				if !strings.Contains(r.stdout, word) {
					t.Errorf("%q is not in\n%s", word, r.stdout)
				}
			}
			if r.code != 1 {
				t.Errorf("exit code %d", r.code)
			}
		})
	}
}

// scraped writes the configuration of a server and of a metrics_key.
func (w *ward) scraped(reference string) {
	w.t.Helper()
	w.sets(w.credentials())
	text, err := os.ReadFile(w.path("bearerd.hcl"))
	if err != nil {
		w.t.Fatal(err)
	}
	admin := fmt.Sprintf("admin { listen = %q }", w.admin)
	w.write("bearerd.hcl", strings.Replace(string(text), admin, fmt.Sprintf("admin {\n  listen = %q\n  metrics_key = %s\n}", w.admin, reference), 1))
}

// A metrics_key without a value, or with one that opens nothing, is told before the first scrape.
func TestDoctorAndCheckLookAtTheMetricsKey(t *testing.T) {
	t.Parallel()
	for reference, c := range map[string]struct {
		remedy  string   // of the doctor
		check   []string // what it says
		isFatal bool
	}{
		`secret("metrics")`:    {"bearerd secret set metrics", []string{`missing here: admin: metrics_key: secret("metrics"): `}, false},
		`env("NOT_SET_HERE")`:  {"set NOT_SET_HERE", []string{`missing here: admin: metrics_key: env("NOT_SET_HERE"): `}, false},
		`credential("gone")`:   {"LoadCredential=gone", []string{`missing here: admin: metrics_key: credential("gone"): `}, false},
		`file("short.secret")`: {"longer value", []string{`error: admin: metrics_key: file("`, "20 characters"}, true},
		`file("long.secret")`:  {"", nil, false},
	} {
		t.Run(reference, func(t *testing.T) {
			t.Parallel()
			w := newWard(t)
			w.private("canary-short", "canary-of-24-characters.")
			w.write("short.secret", "canary-short\n")
			w.write("long.secret", "canary-of-24-characters.\n")
			w.scraped(reference)
			r := w.run("check")
			for _, want := range c.check {
				if !strings.Contains(r.stderr, want) {
					t.Errorf("check does not say %q:\n%s", want, r.stderr)
				}
			}
			if (r.code != 0) != c.isFatal || c.check == nil && strings.Contains(r.stderr, "metrics_key") {
				t.Errorf("check: exit code %d\n%s", r.code, r.stderr)
			}
			if c.remedy == "" {
				w.diagnose().well(t, "secrets")
				return
			}
			w.diagnose().only(t, "secrets", doctor.Failed, "admin metrics_key", c.remedy)
		})
	}
}
