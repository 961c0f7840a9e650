package main_test

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// raceOptions spares each process the second for which the race detector would hold up its end.
const raceOptions = "GORACE=atexit_sleep_ms=20"

// program is the binary under test; TestMain builds it.
var program string

func TestMain(m *testing.M) {
	flag.Parse()
	_ = flag.Set("test.parallel", "8") // these tests wait most of the time: for tokens to expire, for programs to start
	os.Exit(buildAndRun(m))
}

func buildAndRun(m *testing.M) int {
	dir, err := os.MkdirTemp("", "b")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	program = filepath.Join(dir, "bearerd")
	args := []string{"build", "-o", program}
	if raceEnabled {
		args = append(args, "-race")
	}
	if out, err := exec.Command("go", append(args, ".")...).CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "building bearerd: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

// eventually polls until ok; the deadline is for machines that are busy.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(peerPatience)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("waited %s in vain: %s", peerPatience, what)
		}
		<-tick.C
	}
}

// buffer collects what a process writes while others read it.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer // guarded by mu
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// running is a process of bearerd. It ends with its test at the latest.
type running struct {
	t              testing.TB
	cmd            *exec.Cmd
	stdin          io.WriteCloser
	stdout, stderr *buffer
	done           chan struct{} // closed when it has ended
}

// start runs bearerd; its stdin stays open.
func (h *home) start(args ...string) *running {
	h.t.Helper()
	r := &running{t: h.t, stdout: &buffer{}, stderr: &buffer{}, done: make(chan struct{})}
	r.cmd = h.command(context.Background(), args...)
	r.cmd.Stdout, r.cmd.Stderr = r.stdout, io.MultiWriter(r.stderr, &h.said)
	var err error
	if r.stdin, err = r.cmd.StdinPipe(); err != nil {
		h.t.Fatal(err)
	}
	if err := r.cmd.Start(); err != nil {
		h.t.Fatal(err)
	}
	go func() {
		defer close(r.done)
		_ = r.cmd.Wait() // wait reads the exit code
	}()
	h.t.Cleanup(func() {
		r.signal(syscall.SIGTERM)
		select {
		case <-r.done:
		case <-time.After(20 * time.Second):
			h.t.Error("bearerd did not end after SIGTERM")
			_ = r.cmd.Process.Kill()
			<-r.done
		}
	})
	return r
}

func (r *running) signal(s syscall.Signal) {
	if err := r.cmd.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		r.t.Error(err)
	}
}

// wait waits for the end and gives the exit code.
func (r *running) wait() int {
	r.t.Helper()
	select {
	case <-r.done:
	case <-time.After(peerPatience):
		r.t.Fatalf("bearerd did not end; stderr:\n%s", r.stderr)
	}
	return r.cmd.ProcessState.ExitCode()
}

// stop asks the daemon to end, as systemd does.
func (r *running) stop() {
	r.t.Helper()
	r.signal(syscall.SIGTERM)
	if code := r.wait(); code != 0 {
		r.t.Errorf("after SIGTERM the exit code is %d; stderr:\n%s", code, r.stderr)
	}
}

// daemon starts `bearerd run` and waits until it is ready.
func (h *home) daemon() *running {
	h.t.Helper()
	r := h.start("run")
	eventually(h.t, "bearerd run is ready", func() bool {
		select {
		case <-r.done:
			h.t.Fatalf("bearerd run ended:\n%s", r.stderr)
		default:
		}
		return strings.Contains(r.stderr.String(), "bearerd is ready")
	})
	return r
}

// result is how a command ended.
type result struct {
	stdout, stderr string
	code           int
}

// feed runs a command to its end with stdin.
func (h *home) feed(stdin string, args ...string) result {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), peerPatience)
	defer cancel()
	cmd := h.command(ctx, args...)
	var out, stderr bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &out, io.MultiWriter(&stderr, &h.said)
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		h.t.Errorf("bearerd %s: %v", strings.Join(args, " "), err)
	}
	return result{out.String(), stderr.String(), cmd.ProcessState.ExitCode()}
}

// run runs a command that reads nothing.
func (h *home) run(args ...string) result {
	h.t.Helper()
	return h.feed("", args...)
}

// ok runs a command that must succeed and gives its output without the last line end.
func (h *home) ok(args ...string) string {
	h.t.Helper()
	r := h.run(args...)
	if r.code != 0 {
		h.t.Fatalf("bearerd %s: exit code %d\n%s", strings.Join(args, " "), r.code, r.stderr)
	}
	return strings.TrimSuffix(r.stdout, "\n")
}

// fails runs a command that must end with code and give no result, and gives what it says.
func (h *home) fails(code int, args ...string) string {
	h.t.Helper()
	r := h.run(args...)
	if r.code != code || r.stdout != "" {
		h.t.Errorf("bearerd %s: exit code %d, want %d; stdout %q", strings.Join(args, " "), r.code, code, r.stdout)
	}
	return r.stderr
}

// token is the token that bearerd hands out for a server now. It is a canary from here on.
func (h *home) token(server string) string {
	h.t.Helper()
	token := h.ok("token", server, "--show")
	h.private(token)
	return token
}
