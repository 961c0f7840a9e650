//go:build unix

package main_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"bearerd/cmd/internal/doctor"
)

// Whoever is not the user of the daemon is told to look as that user, and neither to take the folder nor to stop the daemon.
func TestDoctorOfAnotherUser(t *testing.T) {
	t.Parallel()
	w := newWard(t)
	w.useBlock()
	w.sets(w.credentials())
	w.daemon()
	w.token("s")
	t.Run("who may not look", func(t *testing.T) {
		w.share()
		chmod(t, w.path("ca.pem"), 0o644)
		r := w.runAs(stranger, stranger, "doctor")
		harmless(t, r.stdout)
		for _, begin := range []string{"✗ file modes  ", "– store  ", "– daemon  ", "– secrets  s  "} {
			if !strings.Contains(r.stdout, "\n"+begin) {
				t.Errorf("no %q:\n%s", begin, r.stdout)
			}
		}
		if strings.Count(r.stdout, "✗") > 1 {
			t.Error(r.stdout)
		}
	})
	t.Run("root", func(t *testing.T) {
		if err := os.Chown(w.path("state"), stranger, stranger); err != nil {
			t.Fatal(err)
		}
		r := w.run("doctor")
		harmless(t, r.stdout)
		for _, begin := range []string{"✓ file modes  ", "– store  ", "✓ daemon  ", "✓ token  s  the daemon says"} {
			if !strings.Contains(r.stdout, "\n"+begin) {
				t.Errorf("no %q:\n%s", begin, r.stdout)
			}
		}
		if r.code != 0 || !strings.Contains(r.stdout, "sudo -u '#61237' bearerd doctor") {
			t.Errorf("exit code %d\n%s", r.code, r.stdout)
		}
		if err := os.Chown(w.path("state"), 0, 0); err != nil {
			t.Fatal(err)
		}
	})
}

func harmless(t *testing.T, said string) {
	t.Helper()
	for _, word := range []string{"chown", "stop that program"} {
		if strings.Contains(said, word) {
			t.Errorf("%q is in\n%s", word, said)
		}
	}
}

// A folder that is written to is looked at, not only the one above it.
func TestDoctorLooksAtTheFoldersThatAreWritten(t *testing.T) {
	t.Parallel()
	w := newWard(t)
	w.useBlock()
	w.sets(w.credentials())
	w.token("s")
	w.share()
	for _, path := range []string{"ca.pem", "app.secret"} {
		chmod(t, w.path(path), 0o644)
	}
	err := filepath.WalkDir(w.path("state"), func(path string, _ os.DirEntry, err error) error {
		if err == nil {
			err = os.Chown(path, stranger, stranger)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	chmod(t, w.path("state/records"), 0o500)
	if r := w.runAs(stranger, stranger, "doctor"); !strings.Contains(r.stdout, "\n✗ store  ") || !strings.Contains(r.stdout, "records can be read, and not written") {
		t.Error(r.stdout)
	}
}

// One of another state folder that has the port is no program to stop.
func TestDoctorKnowsAnotherDaemon(t *testing.T) {
	t.Parallel()
	w := newWard(t)
	w.sets(w.credentials())
	w.daemon()
	b, err := os.ReadFile(w.path("bearerd.hcl"))
	if err != nil {
		t.Fatal(err)
	}
	w.write("bearerd.hcl", strings.Replace(string(b), `path = "state"`, `path = "other"`, 1))
	r := w.run("doctor")
	if harmless(t, r.stdout); !strings.Contains(r.stdout, "another bearerd") {
		t.Error(r.stdout)
	}
	w.write("bearerd.hcl", string(b))
}

// A file of one server that others can read keeps nothing else from being looked at.
func TestDoctorGoesOnAfterAReadableSecret(t *testing.T) {
	t.Parallel()
	w := newWard(t)
	w.sets(w.credentials())
	if r := w.feed("canary-of-k\n", "secret", "set", "k"); r.code != 0 {
		t.Fatal(r.stderr)
	}
	w.sets(`headers = { X-Key = secret("k") }`, w.credentials())
	chmod(t, w.path("app.secret"), 0o644)
	d := w.diagnose()
	d.only(t, "file modes", doctor.Failed, "app.secret")
	for _, s := range d.Steps {
		if s.Result == doctor.Skipped {
			t.Errorf("%+v", s)
		}
	}
}
