package main_test

import (
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

// MCP clients send SIGTERM once and SIGKILL two seconds later; a person at a terminal presses ^C again. Neither leaves
// a process or a file behind, however long the graces are.
func TestExecEndsInTimeAfterSignals(t *testing.T) {
	t.Parallel()
	const killing = "killing the server after a second signal"
	for name, signals := range map[string][]syscall.Signal{
		"one": {syscall.SIGTERM}, "two": {syscall.SIGINT, syscall.SIGTERM},
		"the terminal goes": {syscall.SIGTERM, syscall.SIGHUP},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHome(t)
			_, grant := h.authServer()
			patient := strings.ReplaceAll(stubborn, "100ms", "60s")
			h.configure(server("s", strings.ReplaceAll(patient, "trap '' TERM", "trap '' TERM HUP"), `token_file = "token"`, grant))
			r := h.start("exec", "s")
			eventually(t, "the server is ready", func() bool { return r.stdout.String() != "" })
			if _, err := os.Stat(h.path("token")); err != nil {
				t.Fatal(err)
			}
			start := time.Now()
			for _, s := range signals {
				r.signal(s)
			}
			if code := r.wait(); code != 128+9 || time.Since(start) > 20*time.Second {
				t.Errorf("exit code %d after %s", code, time.Since(start))
			}
			if left := h.processes(); len(left) > 0 {
				t.Errorf("left behind: %v", left)
			}
			if _, err := os.Stat(h.path("token")); err == nil {
				t.Error("the token file is left behind")
			}
			if said := strings.Contains(r.stderr.String(), killing); said != (name == "two") {
				t.Errorf("the log says %q: %t", killing, said)
			}
		})
	}
}

// SIGHUP makes a service read its configuration again.
func TestHangUpReloadsRun(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	h.configure(server("s", nothing))
	d := h.daemon()
	d.signal(syscall.SIGHUP)
	eventually(t, "the configuration is read again", func() bool { return strings.Contains(d.stderr.String(), `"why":"SIGHUP"`) })
	h.ok("status")
	d.stop()
	if _, err := os.Stat(h.path("state/bearerd.sock")); err == nil {
		t.Error("the socket is left behind")
	}
}
