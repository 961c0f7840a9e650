//go:build unix

package stdio

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"bearerd/config"
	"bearerd/secrets"
)

func TestInputAndOutputPassThrough(t *testing.T) {
	c := startChild(t, server(""), "echo")
	const text = "{\"jsonrpc\":\"2.0\"}\n\x00\xff\n"
	if _, err := io.WriteString(c.in, text); err != nil {
		t.Fatal(err)
	}
	_ = c.in.Close()
	if code := c.Wait(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	if got, err := io.ReadAll(c.out); err != nil || string(got) != text {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestExitCode(t *testing.T) {
	for mode, want := range map[string]int{"exit 7": 7, "suicide": 137} {
		if code := startChild(t, server(""), mode).Wait(); code != want {
			t.Errorf("%s: exit code %d, want %d", mode, code, want)
		}
	}
}

// The graces are a minute: a child that is polite needs none of them.
func TestStopLeavesAPoliteChildItsTime(t *testing.T) {
	c := startChild(t, server(""), "polite")
	c.ready(t)
	_ = c.in.Close()
	c.Stop(t.Context())
	if code := c.Wait(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	if got := c.line(t); got != "eof" {
		t.Errorf("the child said %q", got)
	}
	c.Stop(t.Context()) // of no effect
}

func TestStopThenSendsSIGTERM(t *testing.T) {
	s := server("")
	s.StopGrace = time.Millisecond
	c := startChild(t, s, "on term")
	c.ready(t)
	c.Stop(t.Context())
	if code := c.Wait(); code != 3 {
		t.Errorf("exit code %d", code)
	}
	if got := c.line(t); got != "term" {
		t.Errorf("the child said %q", got)
	}
}

func TestStopThenKills(t *testing.T) {
	s := server("")
	s.StopGrace, s.KillGrace = time.Millisecond, time.Millisecond
	c := startChild(t, s, "stubborn")
	c.ready(t)
	c.Stop(t.Context())
	if code := c.Wait(); code != 137 {
		t.Errorf("exit code %d", code)
	}
}

func TestExitedIsClosedBeforeWait(t *testing.T) {
	c := startChild(t, server(""), "polite")
	c.ready(t)
	select {
	case <-c.Exited():
		t.Error("the child runs, but is said to have exited")
	default:
	}
	_ = c.in.Close()
	<-c.Exited()
	if err := syscall.Kill(c.PID(), 0); err != nil {
		t.Errorf("the child is reaped before Wait: %v", err)
	}
	c.Wait()
}

func TestSignalIsForwarded(t *testing.T) {
	c := startChild(t, server(""), "usr1")
	c.ready(t)
	c.Signal(syscall.SIGUSR1)
	if code := c.Wait(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	if got := c.line(t); got != "usr1" {
		t.Errorf("the child said %q", got)
	}
	c.Signal(syscall.SIGKILL) // the number may be another's by now: it must not be sent
}

func TestSignalChildSparesTheGroup(t *testing.T) {
	c := startChild(t, server(""), "usr1 with a child that is spared")
	c.ready(t)
	c.ready(t)
	c.SignalChild(syscall.SIGUSR1)
	if got := c.line(t); got != "usr1" {
		t.Errorf("the child said %q", got)
	}
	_ = c.in.Close() // ends the grandchild
	if got := c.line(t); got != "spared" {
		t.Errorf("the child said %q", got)
	}
	if code := c.Wait(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

func TestUmask(t *testing.T) {
	defer syscall.Umask(syscall.Umask(0o077))
	for given, want := range map[int]int{-1: 0o077, 0o022: 0o022, 0: 0} {
		s := server(program(t, "child"))
		l, err := ByEnv(s, token, does("report"), nil)
		if err != nil {
			t.Fatal(err)
		}
		if got := run(t, s, l, given).Umask; got != want {
			t.Errorf("umask %#o gave the child %#o, want %#o", given, got, want)
		}
		if own := syscall.Umask(0o077); own != 0o077 {
			t.Errorf("umask %#o left bearerd with %#o", given, own)
		}
	}
}

func TestCommandIsFoundAsTheChildWould(t *testing.T) {
	found := filepath.Dir(program(t, "srv"))
	s := server("srv")
	s.PassEnv = []string{"PATH"}
	l, err := ByEnv(s, token, vars(childVar, "report", "PATH", "/nonexistent:"+found), []string{"PATH=/bin"})
	if err != nil {
		t.Fatal(err)
	}
	if got := run(t, s, l, -1); got.Args[0] != "srv" {
		t.Errorf("arguments %q", got.Args)
	}
	s.Command, s.Dir = "./srv", found
	run(t, s, l, -1)
}

func TestStartErrors(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "plain"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	t.Chdir(dir)
	if err := os.Symlink(program(t, "here"), "here"); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ command, dir, path, want string }{
		"absent":        {"srv", "", "/a:/b", `command "srv" is not on the child's PATH "/a:/b"`},
		"not runnable":  {"plain", "", dir, `command "plain" is not on the child's PATH`},
		"relative PATH": {"here", "", ".", `command "here" is not on the child's PATH "."`},
		"no PATH":       {"srv", "", "", `command "srv" is not on the child's PATH ""`},
		"by path":       {"./srv", dir, "", "there is no " + dir + "/srv: correct command"},
		"plain by path": {dir + "/plain", "", "", dir + "/plain is not an executable file"},
		"no folder":     {dir + "/here", dir + "/no", "", "dir: stat " + dir + "/no: no such file or directory"},
		"a file as dir": {dir + "/here", dir + "/plain", "", "/plain is not a folder"},
	} {
		s := &config.Server{Name: "search", Command: c.command, Dir: c.dir}
		l := &Launch{env: map[string]secrets.Secret{"PATH": secrets.New(c.path)}, ownPath: true}
		_, err := Start(s, l, Files{In: os.Stdin, Out: os.Stdout, Err: os.Stderr}, -1)
		if err == nil || !strings.HasPrefix(err.Error(), `server "search": `) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", name, err, c.want)
		}
	}
}

// A declared or injected PATH may be a secret, or the token.
func TestAPathOfTheConfigurationIsNotShown(t *testing.T) {
	declared, injected := server("srv"), server("srv")
	injected.InjectEnv = []string{"PATH"}
	for name, get := range map[string]func() (*Launch, error){
		"declared": func() (*Launch, error) { return ByEnv(declared, token, vars("PATH", canary), []string{"PATH=/bin"}) },
		"injected": func() (*Launch, error) { return ByEnv(injected, token, nil, []string{"PATH=/bin"}) },
	} {
		l, err := get()
		if err != nil {
			t.Fatal(err)
		}
		_, err = Start(declared, l, Files{In: os.Stdin, Out: os.Stdout, Err: os.Stderr}, -1)
		if err == nil || strings.Contains(err.Error(), canary) || !strings.Contains(err.Error(), "the PATH that env declares") {
			t.Errorf("%s: got %v", name, err)
		}
	}
	l, err := ByEnv(server("srv"), token, nil, []string{"PATH=/nonexistent/own"})
	if err != nil {
		t.Fatal(err)
	}
	_, err = Start(declared, l, Files{In: os.Stdin, Out: os.Stdout, Err: os.Stderr}, -1)
	if err == nil || !strings.Contains(err.Error(), `PATH "/nonexistent/own"`) {
		t.Errorf("bearerd's own PATH: got %v", err)
	}
}

// The graces are a minute, but the client that has sent a signal waits for two seconds only.
func TestASignalShortensTheGraces(t *testing.T) {
	for mode, want := range map[string]int{"stubborn": 137, "on term": 3} {
		ctx, cancel := context.WithCancel(t.Context())
		c := startChild(t, server(""), mode)
		c.ready(t)
		cancel()
		start := time.Now()
		c.Stop(ctx)
		if code := c.Wait(); code != want || time.Since(start) > 20*time.Second {
			t.Errorf("%s: exit code %d, want %d; after %s", mode, code, want, time.Since(start))
		}
	}
}

// The child says how often it got SIGTERM: the second Stop must not send another.
func TestAnotherStopShortensTheOneThatIsUnderWay(t *testing.T) {
	s := server("")
	s.StopGrace = time.Millisecond
	c := startChild(t, s, "defiant")
	c.ready(t)
	var stops sync.WaitGroup
	stops.Go(func() { c.Stop(t.Context()) })
	if got := c.line(t); got != "term" { // from here on kill_grace passes
		t.Errorf("the child said %q", got)
	}
	hurried, cancel := context.WithCancel(t.Context())
	cancel()
	start := time.Now()
	c.Stop(hurried)
	stops.Wait()
	if code := c.Wait(); code != 137 || time.Since(start) > 20*time.Second {
		t.Errorf("exit code %d after %s", code, time.Since(start))
	}
	if rest, err := io.ReadAll(c.out); err != nil || strings.Contains(string(rest), "term") {
		t.Errorf("the child said %q, %v", rest, err)
	}
}
