package main_test

import (
	"bytes"
	"io"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Two clients have one server each with the same token file: the first to end leaves it to the other.
func TestATokenFileIsLeftToWhoUsesIt(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	_, grant := h.authServer()
	file := h.path("token")
	h.configure(server("s", `command = "cat"`, `on_rotate = "none"`, attribute("token_file", file), grant))
	there := func() bool { _, err := os.Stat(file); return err == nil }
	first, second := h.start("exec", "s"), h.start("exec", "s")
	for _, r := range []*running{first, second} {
		eventually(t, "the server runs", func() bool { return strings.Contains(r.stderr.String(), `"started"`) })
	}
	_ = first.stdin.Close()
	first.wait()
	if !there() {
		t.Error("the token file is gone while a server uses it")
	}
	_ = second.stdin.Close()
	second.wait()
	if there() {
		t.Error("the token file is left behind")
	}
}

// An edit that needs no new process changes nothing about the signal at the next renewal.
func TestTheSignalComesAfterAnEdit(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	as, grant := h.authServer()
	as.SetLifetime(8 * time.Second)
	script := `trap 'echo renewed' HUP; echo ready; while :; do sleep 0.1; done`
	block := func(grace string) string {
		return server("s", `command = "sh"`, attribute("args", []string{"-c", script}), `on_rotate = "signal"`,
			attribute("token_file", h.path("token")), attribute("stop_grace", grace), `kill_grace = "100ms"`, grant)
	}
	h.configure(block("2s"))
	r := h.start("exec", "s")
	eventually(t, "the server runs", func() bool { return strings.Contains(r.stdout.String(), "ready") })
	h.configure(block("100ms"))
	eventually(t, "the server is told of the next token", func() bool { return strings.Contains(r.stdout.String(), "renewed") })
	if n := strings.Count(r.stdout.String(), "renewed"); n != 1 {
		t.Errorf("it was told %d times", n)
	}
	r.signal(syscall.SIGTERM)
	r.wait()
}

// A client that never reads the stderr of what it starts holds up neither the session nor its end.
func TestAClientThatDoesNotReadStderr(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	_, grant := h.authServer()
	flood := `for i in 1 2 3; do head -c 100000 /dev/zero | tr '\0' '\n' | sed 's/^/a line of stderr/' >&2; done; cat`
	h.configure(server("s", `command = "sh"`, attribute("args", []string{"-c", flood}), grant))
	cmd := h.command(t.Context(), "exec", "s")
	unread, stderr, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _, _ = unread.Close(), stderr.Close() }()
	fill(t, stderr)
	cmd.Stderr = stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	var out buffer
	cmd.Stdout = &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line := `{"jsonrpc":"2.0","method":"notifications/x"}` + "\n"
	_, _ = io.WriteString(in, line)
	eventually(t, "a line comes back", func() bool { return out.String() == line })
	start := time.Now()
	_ = in.Close()
	if err := cmd.Wait(); err != nil || time.Since(start) > 20*time.Second {
		t.Errorf("it ended after %v: %v", time.Since(start), err)
	}
}

// fill writes until a pipe takes no more.
func fill(t *testing.T, w *os.File) {
	t.Helper()
	if err := w.SetWriteDeadline(time.Now().Add(200 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	_, _ = w.Write(bytes.Repeat([]byte("x"), 1<<20))
	_ = w.SetWriteDeadline(time.Time{})
}
