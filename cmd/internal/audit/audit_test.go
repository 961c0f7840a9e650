//go:build unix

package audit

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// The variables that make this test a process that writes to the log at a path.
const (
	childPath  = "BEARERD_TEST_AUDIT_PATH"
	childLimit = "BEARERD_TEST_AUDIT_LIMIT" // the largest size of a file
)

const writers, each = 4, 100

func TestMain(m *testing.M) {
	path := os.Getenv(childPath)
	if path == "" {
		os.Exit(m.Run())
	}
	if limit, err := strconv.ParseUint(os.Getenv(childLimit), 10, 64); err == nil {
		signal.Ignore(syscall.SIGXFSZ)
		_ = unix.Setrlimit(unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: limit, Max: limit})
	}
	if err := writeMany(New(path)); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func writeMany(l *Log) error {
	var wg sync.WaitGroup
	failed := make(chan error, writers*each)
	for i := range writers {
		wg.Go(func() {
			for j := range each {
				e := Entry{Event: "answer", Actor: "uid 1", ID: fmt.Sprintf("%d.%d", i, j), Reason: strings.Repeat("r", 37*j)}
				if err := l.Write(e); err != nil {
					failed <- err
				}
			}
		})
	}
	wg.Wait()
	close(failed)
	return <-failed
}

func child(t *testing.T, path string, env ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(append(os.Environ(), childPath+"="+path), env...)
	return cmd
}

// lines are those of the log, each by itself valid JSON.
func lines(t *testing.T, path string) (list []Entry) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for line := range bytes.Lines(b) {
		var e Entry
		if err := json.Unmarshal(line, &e); err != nil || !bytes.HasSuffix(line, []byte("\n")) || len(line) >= 4<<10 {
			t.Fatalf("%v in a line of %d bytes: %.200q", err, len(line), line)
		}
		list = append(list, e)
	}
	return list
}

func TestLine(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	at := time.Date(2026, 11, 22, 12, 0, 0, 120_999_999, time.FixedZone("x", 3600))
	if err := New(path).Write(Entry{Time: at, Event: "request", Actor: "key admin", Action: "POST /x", PID: 1}); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	want := fmt.Sprintf(`{"time":"2026-11-22T11:00:00.120Z","event":"request","actor":"key admin","action":"POST /x","pid":%d}`+"\n", os.Getpid())
	if err != nil || string(b) != want {
		t.Errorf("%v\n%s", err, b)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", info, err)
	}
}

// Nothing in a field ends a line, and none is longer than one write takes.
func TestHostileFields(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	hostile := []string{"a\nb\r\n\u2028{\"event\":\"forged\"}\x00\x1b[2J", "\xff\xfe", strings.Repeat("\x01", 5000), strings.Repeat("ä", 5000),
		strings.Repeat("\xff", 5000), strings.Repeat("€", 341) + "€"}
	for _, s := range hostile {
		if err := New(path).Write(Entry{Event: s, Actor: s, Action: s, Server: s, Token: s, Scope: s, Outcome: s, Reason: s, ID: s}); err != nil {
			t.Error(err)
		}
	}
	got := lines(t, path)
	if len(got) != len(hostile) {
		t.Fatalf("%d lines", len(got))
	}
	if got[0].Actor != hostile[0] || got[0].Time.IsZero() {
		t.Errorf("%+v", got[0])
	}
	if s := got[3].Reason; !strings.HasSuffix(s, "ä…") || strings.ContainsRune(s, '\ufffd') {
		t.Errorf("cut to %q", s)
	}
}

func TestManyProcessesWriteAtOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	const processes = 3
	var wg sync.WaitGroup
	for range processes {
		cmd := child(t, path)
		wg.Go(func() {
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("%v: %s", err, out)
			}
		})
	}
	wg.Wait()
	seen := map[string]bool{}
	for _, e := range lines(t, path) {
		seen[fmt.Sprint(e.PID, " ", e.ID)] = true
	}
	if len(seen) != processes*writers*each {
		t.Errorf("%d different lines of %d", len(seen), processes*writers*each)
	}
}

func TestARenameRotates(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	l := New(path)
	for _, event := range []string{"first", "second"} {
		if err := l.Write(Entry{Event: event}); err != nil {
			t.Fatal(err)
		}
		if event == "first" {
			if err := os.Rename(path, path+".1"); err != nil {
				t.Fatal(err)
			}
		}
	}
	if old, now := lines(t, path+".1"), lines(t, path); len(old) != 1 || len(now) != 1 || now[0].Event != "second" {
		t.Errorf("%+v %+v", old, now)
	}
}

// A line that found no room is an error, and leaves nothing behind.
func TestAFullDisk(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	if err := New(path).Write(Entry{Event: "before"}); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	out, err := child(t, path, childLimit+"="+strconv.FormatInt(info.Size()+10, 10)).CombinedOutput()
	if exit := (*exec.ExitError)(nil); !errors.As(err, &exit) || exit.ExitCode() != 1 || !bytes.Contains(out, []byte("make room on its disk")) {
		t.Fatalf("%v: %s", err, out)
	}
	if err := New(path).Write(Entry{Event: "after"}); err != nil {
		t.Fatal(err)
	}
	if got := lines(t, path); len(got) != 2 || got[1].Event != "after" {
		t.Errorf("%+v", got)
	}
}

// A line that the machine went down in does not take the next one with it.
func TestAHalfLine(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	if err := os.WriteFile(path, []byte(`{"time":"2026-`), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := New(path).Write(Entry{Event: "after"}); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if _, line, _ := strings.Cut(string(b), "\n"); err != nil || !json.Valid([]byte(line)) {
		t.Errorf("%v %q", err, b)
	}
}

// What others could have read or changed is not written to.
func TestRefusedFiles(t *testing.T) {
	for name, c := range map[string]struct {
		make func(path string) error
		want string
	}{
		"a folder":     {func(p string) error { return os.Mkdir(p, 0o700) }, "is a directory"},
		"a link":       {func(p string) error { return os.Symlink(filepath.Join(filepath.Dir(p), "other"), p) }, "it is a symbolic link: remove it"},
		"a FIFO":       {func(p string) error { return unix.Mkfifo(p, 0o600) }, "it is no regular file: move it away"},
		"no folder":    {func(p string) error { return os.Remove(filepath.Dir(p)) }, "no such file"},
		"mode 0640":    {func(p string) error { return os.WriteFile(p, nil, 0o640) }, "its mode 0640 lets others in: run `chmod 600 "},
		"mode 0602":    {func(p string) error { return errors.Join(os.WriteFile(p, nil, 0o600), os.Chmod(p, 0o602)) }, "lets others in"},
		"another user": {foreign, "it belongs to user 12345, bearerd runs as"},
	} {
		path := filepath.Join(t.TempDir(), "state", "audit.jsonl")
		if err := errors.Join(os.Mkdir(filepath.Dir(path), 0o700), c.make(path)); err != nil {
			if name == "another user" && os.Geteuid() != 0 {
				continue // only root gives files away
			}
			t.Fatal(err)
		}
		for what, err := range map[string]error{"write": New(path).Write(Entry{Event: "x"}), "check": New(path).Check()} {
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), path) {
				t.Errorf("%s, %s: %v", name, what, err)
			}
		}
	}
}

func foreign(path string) error {
	return errors.Join(os.WriteFile(path, nil, 0o600), os.Chown(path, 12345, 12345))
}

func TestCheckWritesNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	if err := New(path).Check(); err != nil {
		t.Fatal(err)
	}
	if got := lines(t, path); len(got) != 0 {
		t.Errorf("%+v", got)
	}
}

func TestActor(t *testing.T) {
	if got := Actor(t.Context()); got != "bearerd" {
		t.Error(got)
	}
	if got := Actor(WithActor(t.Context(), "uid 7")); got != "uid 7" {
		t.Error(got)
	}
}
