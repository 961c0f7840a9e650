package main_test

import (
	"io"
	"strings"
	"testing"
)

// Over SSH the browser is elsewhere: the address at which it ends is pasted into the terminal. A terminal on which nothing is
// pasted holds the end of the command up no longer than a moment.
func TestLoginAtATerminal(t *testing.T) {
	t.Parallel()
	for _, paste := range []bool{true, false} {
		h, d := startStub(t)
		master, tty := pseudoTerminal(t)
		cmd := h.command(t.Context(), "login", "s", "--no-browser")
		var stdout, stderr buffer
		cmd.Stdin, cmd.Stdout, cmd.Stderr = tty, &stdout, io.MultiWriter(&stderr, &h.said)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the address is printed", func() bool { return strings.Contains(stderr.String(), "paste that page's address here") })
		if paste {
			if _, err := io.WriteString(master, "http://127.0.0.1:1/callback?code=a&state=wrong\n"+d.redirect()+"?code=a&state=right\n"); err != nil {
				t.Error(err)
			}
		} else {
			ask(t, "GET", d.redirect()+"?code=a&state=right")
		}
		if err := cmd.Wait(); err != nil || !strings.HasPrefix(stdout.String(), "s: signed in") {
			t.Errorf("pasted: %v: %v; stdout %q", paste, err, stdout.String())
		}
		if said := strings.Contains(stderr.String(), "does not answer the sign-in of s"); said != paste {
			t.Errorf("pasted: %v; it said %q", paste, stderr.String())
		}
	}
}
