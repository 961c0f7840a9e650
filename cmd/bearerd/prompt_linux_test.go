package main_test

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// ^C at the prompt ends the command and leaves a terminal that shows what is typed.
func TestInterruptAtTheSecretPrompt(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	h.configure(server("s", nothing))
	_, tty := pseudoTerminal(t)
	cmd := h.command(t.Context(), "secret", "set", "a")
	var stderr buffer
	cmd.Stdin, cmd.Stderr = tty, io.MultiWriter(&stderr, &h.said)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the terminal is silent", func() bool { return !echoes(t, tty) })
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code != 1 || !strings.Contains(stderr.String(), "bearerd: interrupted") {
		t.Errorf("exit code %d, stderr %q", code, stderr.String())
	}
	if !echoes(t, tty) {
		t.Error("the terminal is silent still")
	}
	if _, err := os.Stat(h.path("state")); err == nil {
		t.Error("the store was opened before there was a value")
	}
}

// A value typed at the prompt is kept without its line end.
func TestSecretTypedAtThePrompt(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	h.private("canary-typed")
	h.configure(server("s", `command = "printenv"`, `args = ["TYPED"]`, `env = { TYPED = secret("a") }`))
	master, tty := pseudoTerminal(t)
	cmd := h.command(t.Context(), "secret", "set", "a")
	cmd.Stdin, cmd.Stderr = tty, &h.said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the terminal is silent", func() bool { return !echoes(t, tty) })
	if _, err := io.WriteString(master, "canary-typed\n"); err != nil {
		t.Error(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
	if got := h.ok("exec", "s"); got != "canary-typed" {
		t.Errorf("the store holds %q", got)
	}
}

// A terminal that goes ends run in order: there, SIGHUP asks for no reload.
func TestHangUpOfATerminalStopsRun(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	h.configure(server("s", nothing))
	master, tty := pseudoTerminal(t)
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP) // under nohup it is ignored, and a child would inherit that
	defer signal.Stop(hangup)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := h.command(ctx, "run")
	cmd.Stderr = tty
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var said buffer
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = io.Copy(io.MultiWriter(&said, &h.said), master) // until the test closes the terminal
	}()
	eventually(t, "bearerd run is ready", func() bool { return strings.Contains(said.String(), "bearerd is ready") })
	_ = cmd.Process.Signal(syscall.SIGHUP)
	err := cmd.Wait()
	_ = tty.Close() // the last writer: the reader ends
	<-done
	if err != nil || !strings.Contains(said.String(), "stopping") {
		t.Errorf("%v:\n%s", err, said.String())
	}
}

func echoes(t *testing.T, tty *os.File) bool {
	t.Helper()
	state, err := unix.IoctlGetTermios(int(tty.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	return state.Lflag&unix.ECHO != 0
}

func pseudoTerminal(t *testing.T) (master, tty *os.File) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Skip("needs a pseudo-terminal: ", err)
	}
	t.Cleanup(func() { _ = master.Close() })
	n, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0)
	}
	if err != nil {
		t.Fatal(err)
	}
	tty, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Skip("needs a pseudo-terminal: ", err)
	}
	t.Cleanup(func() { _ = tty.Close() })
	return master, tty
}
