//go:build unix

package stdio

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"bearerd/config"
	"bearerd/secrets"
)

// The test binary is its own child: CHILD names what it does then.
const childVar = "CHILD"

const floodLines = 1_000_000

var children = map[string]func() int{
	"report":   report,
	"echo":     func() int { _, _ = io.Copy(os.Stdout, os.Stdin); return 0 },
	"exit 7":   func() int { return 7 },
	"suicide":  func() int { _ = syscall.Kill(os.Getpid(), syscall.SIGKILL); return 1 },
	"polite":   func() int { return endsAt(0, "eof", waitEOF()) },
	"on term":  func() int { return endsAt(3, "term", caught(syscall.SIGTERM)) },
	"stubborn": stubborn,
	"defiant":  defiant,
	"usr1":     func() int { return endsAt(0, "usr1", caught(syscall.SIGUSR1)) },
	"usr1 with a child that is spared": func() int {
		usr1 := caught(syscall.SIGUSR1)
		pid := descend("spared")
		code := endsAt(0, "usr1", usr1)
		var status syscall.WaitStatus
		if _, err := syscall.Wait4(pid, &status, 0, nil); err == nil && status.ExitStatus() == 0 {
			fmt.Println("spared")
		}
		return code
	},
	"spared": func() int { usr1 := caught(syscall.SIGUSR1); endsAt(0, "", waitEOF()); return len(usr1) },
	"brief":  func() int { return endsAt(0, "unreachable", waitEOF()) },
	"leaver": func() int { descend("stubborn"); return 5 },
	"parent": func() int { descend("stubborn"); return endsAt(0, "eof", waitEOF()) },
	"killed": func() int { descend("stubborn"); return stubborn() },
	"npx":    func() int { descend("polite"); return endsAt(0, "eof", waitEOF()) },

	"daemon":      func() int { leaveSession("stubborn"); return 5 },
	"with daemon": func() int { leaveSession("stubborn"); return endsAt(0, "eof", waitEOF()) },
	"with zombie": func() int { leaveSession("brief"); return endsAt(6, "eof", waitEOF()) },
	"between":     func() int { descend(os.Getenv("DAEMON")); return 0 },
	"flood":       flood,
	"endless":     endless,
	"leak":        leak,
}

func TestMain(m *testing.M) {
	if mode := os.Getenv(childVar); mode != "" {
		child, ok := children[mode]
		if !ok {
			syscall.Exit(99)
		}
		syscall.Exit(child()) // os.Exit would wait a second for the race detector
	}
	os.Exit(m.Run())
}

type reported struct {
	Args  []string
	Env   []string
	Files map[string]string // of each argument @FILE
	Umask int
	PGID  int
}

func report() int {
	r := reported{Args: os.Args, Env: os.Environ(), Files: map[string]string{}, Umask: syscall.Umask(0), PGID: syscall.Getpgrp()}
	for _, arg := range os.Args {
		if path, ok := strings.CutPrefix(arg, "@"); ok {
			b, _ := os.ReadFile(path)
			r.Files[path] = string(b)
		}
	}
	_ = json.NewEncoder(os.Stdout).Encode(r)
	return 0
}

func waitEOF() <-chan os.Signal {
	done := make(chan os.Signal)
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		close(done)
	}()
	return done
}

func caught(sig os.Signal) <-chan os.Signal {
	ch := make(chan os.Signal, 1)
	signal.Notify(ch, sig)
	return ch
}

func endsAt(code int, word string, event <-chan os.Signal) int {
	fmt.Println("ready", os.Getpid())
	<-event
	fmt.Println(word)
	return code
}

func stubborn() int {
	signal.Ignore(syscall.SIGTERM)
	return endsAt(0, "unreachable", caught(syscall.SIGUSR2))
}

// defiant says so each time it is asked to end.
func defiant() int {
	term := caught(syscall.SIGTERM)
	fmt.Println("ready", os.Getpid())
	for range term {
		fmt.Println("term")
	}
	return 0
}

// leaveSession starts a process of a session of its own, whose parent ends: a daemon.
func leaveSession(mode string) {
	cmd := self("between")
	cmd.Env = append(cmd.Env, "DAEMON="+mode)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	cmd.Stdout = os.Stdout
	if err := cmd.Run(); err != nil {
		panic(err)
	}
}

func flood() int {
	out := bufio.NewWriterSize(os.Stderr, 64<<10)
	for i := range floodLines {
		_, _ = fmt.Fprintf(out, "line %d\n", i)
	}
	_ = out.Flush()
	return 0
}

// endless prints one line whose token lies across the 8 KiB that are passed on.
func endless() int {
	piece := strings.Repeat("x", 1<<20)
	_, _ = io.WriteString(os.Stderr, piece[:lineMax-5]+os.Getenv("OAUTH_ACCESS_TOKEN"))
	for range 64 {
		_, _ = io.WriteString(os.Stderr, piece)
	}
	return 0
}

// leak prints its token in each of the ways that are looked for, and two other secrets of its environment.
func leak() int {
	token := os.Getenv("OAUTH_ACCESS_TOKEN")
	quoted, _ := json.Marshal(map[string]string{"token": token})
	for _, text := range []string{
		token, "Bearer " + token, url.QueryEscape(token), url.PathEscape("a/" + token), string(quoted),
		"Basic " + base64.StdEncoding.EncodeToString([]byte("a:"+token)),
		base64.RawURLEncoding.EncodeToString([]byte("Bearer " + token)), base64.StdEncoding.EncodeToString([]byte(token)),
		token[:4] + "\x1b[31m" + token[4:9] + "\x1b]0;title\a" + token[9:], token[:3] + "\x00\u202e" + token[3:],
		os.Getenv("KEY"), os.Getenv("PEM"),
	} {
		_, _ = fmt.Fprintf(os.Stderr, "<%s>\n", text)
	}
	return 0
}

// self is a grandchild with the same arguments.
func self(mode string) *exec.Cmd {
	path, _ := os.Executable()
	cmd := exec.Command(path, os.Args[1:]...)
	cmd.Env = append(os.Environ(), childVar+"="+mode)
	return cmd
}

// descend starts a grandchild with the same arguments and files and waits until it is ready. It returns its process id.
func descend(mode string) (pid int) {
	r, w, err := os.Pipe()
	if err != nil {
		panic(err)
	}
	cmd := self(mode)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, w, os.Stderr
	cmd.ExtraFiles = []*os.File{os.Stdout} // it holds the client's stdout open
	if err := cmd.Start(); err != nil {
		panic(err)
	}
	_ = w.Close()
	line, _ := bufio.NewReader(r).ReadString('\n')
	fmt.Print(line)
	return cmd.Process.Pid
}

// program links the test binary under a name such as npx and returns the path.
func program(t *testing.T, name string) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), name)
	if err := os.Symlink(self, path); err != nil {
		t.Fatal(err)
	}
	return path
}

func server(command string, args ...string) *config.Server {
	return &config.Server{
		Name: "search", Command: command, Args: args, Via: "proxy",
		StopGrace: time.Minute, KillGrace: time.Minute,
		OAuth: &config.OAuth{Enabled: true},
	}
}

func does(mode string) map[string]secrets.Secret {
	return map[string]secrets.Secret{childVar: secrets.New(mode)}
}

// client is the MCP client's side of a child.
type client struct {
	*Process
	in  *os.File
	out *bufio.Reader
}

func start(t *testing.T, s *config.Server, l *Launch, umask int) *client {
	t.Helper()
	return startSaying(t, s, l, umask, os.Stderr)
}

// startSaying starts a child whose stderr goes to said.
func startSaying(t *testing.T, s *config.Server, l *Launch, umask int, said io.Writer) *client {
	t.Helper()
	inR, inW := pipe(t)
	outR, outW := pipe(t)
	p, err := Start(s, l, Files{In: inR, Out: outW, Err: said}, umask)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = inR.Close(), outW.Close() // the child has its own
	return &client{p, inW, bufio.NewReader(outR)}
}

// startChild starts a child of the given mode with a token in its environment.
func startChild(t *testing.T, s *config.Server, mode string) *client {
	t.Helper()
	if s.Command == "" {
		s.Command = program(t, "child")
	}
	l, err := ByEnv(s, token, does(mode), nil)
	if err != nil {
		t.Fatal(err)
	}
	return start(t, s, l, -1)
}

// ready reads the process id that the next process of the tree prints.
func (c *client) ready(t *testing.T) int {
	t.Helper()
	var pid int
	line, err := c.out.ReadString('\n')
	if _, scanErr := fmt.Sscanf(line, "ready %d\n", &pid); err != nil || scanErr != nil {
		t.Fatalf("read %q, %v, want \"ready PID\"", line, err)
	}
	return pid
}

func (c *client) line(t *testing.T) string {
	t.Helper()
	line, err := c.out.ReadString('\n')
	if err != nil {
		t.Fatalf("read %q, %v", line, err)
	}
	return strings.TrimSuffix(line, "\n")
}

func pipe(t *testing.T) (r, w *os.File) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = r.Close(), w.Close() })
	return r, w
}

// run starts a child that reports what it was given, and waits for it.
func run(t *testing.T, s *config.Server, l *Launch, umask int) reported {
	t.Helper()
	c := start(t, s, l, umask)
	var r reported
	err := json.NewDecoder(c.out).Decode(&r) // before Wait: it may be more than a pipe holds
	if code := c.Wait(); code != 0 || err != nil {
		t.Fatalf("exit code %d, %v", code, err)
	}
	return r
}
