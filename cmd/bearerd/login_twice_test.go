package main_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"bearerd/config"
)

// Two sign-ins at once for the same server are told from two that want the same port.
func TestTwoLoginsAtOnce(t *testing.T) {
	t.Parallel()
	h, d := startStub(t)
	first := h.start("login", "s")
	h.opened()
	for name, c := range map[string]struct {
		pending, movable bool
		says             string
	}{
		"the same": {true, true, fmt.Sprintf("bearerd: a sign-in for s is under way already (bearerd, pid %d): finish it in the browser, "+
			"or stop it and run this again\n", first.cmd.Process.Pid)},
		"the same, a fixed port": {true, false, "a sign-in for s is under way already"},
		"another, a fixed port": {false, false, fmt.Sprintf("is held by bearerd (pid %d); stop it or choose another port, for OAUTH_REDIRECT_URI "+
			"and at the provider; if that is another sign-in, finish it and run this again\n", first.cmd.Process.Pid)},
	} {
		d.set(func() { d.pending, d.movable = c.pending, c.movable })
		if said := h.fails(1, "login", "s"); !strings.Contains(said, c.says) {
			t.Errorf("%s: it says %q", name, said)
		}
	}
	d.set(func() { d.pending, d.movable = false, true })
	other := h.start("login", "s", "--no-browser")
	eventually(t, "one for another server moves", func() bool { return strings.Contains(other.stderr.String(), "To sign in for s") })
	if strings.Contains(d.requests(), "DELETE") {
		t.Error("the first one was given up")
	}
	ask(t, http.MethodGet, d.redirect()+"?code=a&state=right")
	if code := first.wait(); code != 0 {
		t.Errorf("the first: exit code %d", code)
	}
}

// A command compares what it has read with what is in force when it has just read it, and not after minutes.
func TestLoginDuringAReload(t *testing.T) {
	t.Parallel()
	for _, reloaded := range []bool{true, false} {
		h, d := startStub(t)
		cfg, diagnostics := config.Load(h.path("bearerd.hcl"))
		if diagnostics.HasErrors() {
			t.Fatal(diagnostics)
		}
		if reloaded {
			d.set(func() { d.digest = cfg.Digest() })
		}
		cmd := h.start("login", "s")
		h.opened()
		d.set(func() { d.digest = "of the next configuration" })
		ask(t, http.MethodGet, d.redirect()+"?code=a&state=right")
		if code := cmd.wait(); code != 0 {
			t.Errorf("exit code %d", code)
		}
		if n := strings.Count(cmd.stderr.String(), "is not the one in force"); (n == 0) != reloaded || n > 1 {
			t.Errorf("%d notes: %s", n, cmd.stderr)
		}
	}
}

// The second of two sign-ins for one server leaves the first alone, with a daemon and without.
func TestASecondLoginForTheSameServer(t *testing.T) {
	t.Parallel()
	for _, daemon := range []bool{true, false} {
		d := newDelegated(t)
		if daemon {
			d.daemon()
		}
		first, address := d.login()
		if said := d.fails(1, "login", "web"); !strings.Contains(said, fmt.Sprintf("is under way already (bearerd, pid %d)", first.cmd.Process.Pid)) {
			t.Errorf("daemon: %v: the second one says %q", daemon, said)
		}
		if daemon && !strings.Contains(d.ok("status"), "\nweb: a person is asked to sign in now") {
			t.Error("status does not say that a person is asked")
		}
		if status, page, _ := visit(t, http.DefaultClient, d.answer(address).String()); status != http.StatusOK {
			t.Errorf("the page: %d %s", status, page)
		}
		if code := first.wait(); code != 0 || len(d.visits()) != 1 {
			t.Errorf("daemon: %v: exit code %d, %d tabs", daemon, code, len(d.visits()))
		}
	}
}
