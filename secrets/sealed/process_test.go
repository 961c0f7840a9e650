//go:build unix

package sealed

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"bearerd/secrets/secretstest"
)

// roles are what this test binary does when a test runs it again, as another process, with the folder as its argument.
var roles = map[string]func(ctx context.Context, dir string) error{
	"increment": incrementMany,
	"fresh":     writeOwnRecord,
	"lock":      countUnderLock,
	"hold":      holdLock,
	"limited":   writeWithFileLimit,
}

const roleVariable = "BEARERD_SEALED_TEST_ROLE"

func TestMain(m *testing.M) {
	role, ok := roles[os.Getenv(roleVariable)]
	if !ok {
		os.Exit(m.Run())
	}
	if err := role(context.Background(), os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func child(t *testing.T, role, dir string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], dir)
	cmd.Env = append(os.Environ(), roleVariable+"="+role, "GORACE=atexit_sleep_ms=0") // else a second for each process
	return cmd
}

// runChildren runs n processes of a role at once and waits for them.
func runChildren(t *testing.T, n int, role, dir string) {
	t.Helper()
	var wg sync.WaitGroup
	for range n {
		wg.Go(func() {
			if out, err := child(t, role, dir).CombinedOutput(); err != nil {
				t.Errorf("a process as %q: %v\n%s", role, err, out)
			}
		})
	}
	wg.Wait()
}

const rounds = 10

func incrementMany(ctx context.Context, dir string) error {
	s, err := Open(dir, nil, nil)
	for range rounds {
		if err == nil {
			err = secretstest.Increment(ctx, s, "counter")
		}
	}
	return err
}

func TestProcessesLoseNoUpdate(t *testing.T) {
	dir := folder(t)
	runChildren(t, 4, "increment", dir)
	want(t, open(t, dir), "counter", strconv.Itoa(4*rounds))
}

func writeOwnRecord(ctx context.Context, dir string) error {
	s, err := Open(dir, nil, nil)
	if err != nil {
		return err
	}
	_, err = s.Put(ctx, fmt.Sprintf("process/%d", os.Getpid()), []byte("mine"), "")
	return err
}

func TestProcessesAgreeOnOneIdentity(t *testing.T) {
	for range 5 {
		dir := folder(t)
		runChildren(t, 6, "fresh", dir)
		s := open(t, dir)
		keys, err := s.List(t.Context(), "process/")
		if err != nil || len(keys) != 6 {
			t.Errorf("List = %q, %v, want 6 keys", keys, err)
		}
		if got := files(t, dir, "set-aside"); len(got) > 0 {
			t.Errorf("set-aside holds %q", got)
		}
	}
}

// countUnderLock increments a plain file, which loses updates unless the lock excludes everybody else.
func countUnderLock(ctx context.Context, dir string) error {
	s, err := Open(dir, nil, nil)
	if err != nil {
		return err
	}
	for range rounds {
		unlock, err := s.Lock(ctx, "grant/search")
		if err != nil {
			return err
		}
		err = countPlain(filepath.Join(dir, "plain"))
		unlock()
		if err != nil {
			return err
		}
	}
	return nil
}

func countPlain(path string) error {
	b, err := os.ReadFile(path)
	if err != nil && !os.IsNotExist(err) {
		return err
	}
	n, _ := strconv.Atoi(string(b))
	return os.WriteFile(path, []byte(strconv.Itoa(n+1)), 0o600)
}

func TestLockExcludesProcessesAndGoroutines(t *testing.T) {
	dir := folder(t)
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			if err := countUnderLock(t.Context(), dir); err != nil {
				t.Error(err)
			}
		})
	}
	runChildren(t, 3, "lock", dir)
	wg.Wait()
	if got := string(read(t, dir, "plain")); got != strconv.Itoa(6*rounds) {
		t.Errorf("the counter is %s, want %d", got, 6*rounds)
	}
}

func holdLock(ctx context.Context, dir string) error {
	s, err := Open(dir, nil, nil)
	if err != nil {
		return err
	}
	if _, err := s.Lock(ctx, "held"); err != nil {
		return err
	}
	fmt.Println("locked")
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

func TestLockDiesWithItsProcess(t *testing.T) {
	dir := folder(t)
	s := open(t, dir)
	cmd := child(t, "hold", dir)
	if _, err := cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "locked\n" {
		t.Fatalf("the process said %q, %v", line, err)
	}
	wantHeld(t, s, "held")
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	unlock, err := s.Lock(t.Context(), "held")
	if err != nil {
		t.Fatal(err)
	}
	unlock()
}

// wantHeld fails unless waiting for the lock ends with the context.
func wantHeld(t *testing.T, s *Store, name string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := s.Lock(ctx, name); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Lock of a lock that is held: %v", err)
	}
}

func TestLock(t *testing.T) {
	s := open(t, folder(t))
	unlock, err := s.Lock(t.Context(), "../one")
	if err != nil {
		t.Fatal(err)
	}
	wantHeld(t, s, "../one")
	wantHeld(t, open(t, s.dir), "../one")
	other, err := s.Lock(t.Context(), "two")
	if err != nil {
		t.Errorf("another name: %v", err)
	}
	set(t, s, "k", "one") // a lock by name does not stop the store
	unlock()
	unlock()
	unlock, err = s.Lock(t.Context(), "../one")
	if err != nil {
		t.Errorf("after unlock: %v", err)
	}
	unlock()
	other()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Lock(ctx, "free"); !errors.Is(err, context.Canceled) {
		t.Errorf("with a cancelled context: %v", err)
	}
}

// A writer that waits, for this process or for another one, gives up with its context.
func TestPutWaitsWithContext(t *testing.T) {
	s := open(t, folder(t))
	unlock, err := s.lockStore(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, waiting := range []*Store{s, open(t, s.dir)} {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		_, err := waiting.Put(ctx, "k", nil, "")
		cancel()
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Put while another one writes: %v", err)
		}
	}
	unlock()
	wantAbsent(t, s, "k")
	set(t, s, "k", "one")
}

func wantNoTemporaryFiles(t *testing.T, dir string) {
	t.Helper()
	for _, sub := range []string{"", "records"} {
		for _, name := range files(t, dir, sub) {
			if strings.HasPrefix(name, ".") {
				t.Errorf("%s was left behind", filepath.Join(sub, name))
			}
		}
	}
}
