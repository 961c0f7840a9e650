package main_test

import (
	"context"
	"io"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"bearerd/config"
)

// reply is a question, by a part of it that a terminal is told anew, and the answer. A choice is the number of a line.
type reply struct {
	question string
	choice   int
	answer   string
}

// What the terminal of a conversation is.
var terminals = map[string][]string{
	"screen": {"TERM=xterm-256color"},
	"lines":  {"TERM=xterm-256color", "BEARERD_ACCESSIBLE=1"},
	"dumb":   {"TERM=dumb"},
}

// sigterm stands for a SIGTERM right behind what is typed.
const sigterm = "<SIGTERM>"

func (s reply) keys(terminal string) string {
	switch {
	case s.choice == 0 && terminal == "screen":
		return s.answer + "\r"
	case s.choice == 0:
		return s.answer + "\n"
	case terminal == "screen":
		return strings.Repeat("\x1b[B", s.choice-1) + "\r"
	}
	return string(rune('0'+s.choice)) + "\n"
}

// converse answers the questions of `bearerd init` on a terminal of its own; end is typed when last is asked.
func (h *home) converse(t *testing.T, terminal string, steps []reply, last, end string) result {
	t.Helper()
	master, tty := pseudoTerminal(t)
	if err := unix.IoctlSetWinsize(int(tty.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 50, Col: 120}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := h.command(ctx, "init")
	cmd.Env = append(slices.Clone(cmd.Env), terminals[terminal]...)
	var stdout, shown buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = tty, &stdout, tty
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true} // so that ^C is a signal where it should be
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	read := make(chan struct{})
	go func() {
		defer close(read)
		_, _ = io.Copy(io.MultiWriter(&shown, &h.said), master) // until the terminal is closed
	}()
	seen := 0
	answer := func(question, keys string) {
		eventually(t, "asked "+question, func() bool { return strings.Contains(shown.String()[seen:], question) })
		if strings.HasPrefix(keys, "canary-of-") { // a question is told a moment before the terminal is silent
			eventually(t, "the terminal is silent", func() bool { return !echoes(t, tty) })
		}
		seen = len(shown.String())
		typed, ends := strings.CutSuffix(keys, sigterm)
		if _, err := io.WriteString(master, typed); err != nil {
			t.Error(err)
		}
		if ends {
			_ = cmd.Process.Signal(syscall.SIGTERM)
		}
	}
	for _, s := range steps {
		answer(s.question, s.keys(terminal))
	}
	if last != "" {
		answer(last, end)
	}
	_ = cmd.Wait()
	if !echoes(t, tty) {
		t.Error("the terminal is silent still")
	}
	_ = tty.Close()
	<-read
	return result{stdout.String(), shown.String(), cmd.ProcessState.ExitCode()}
}

// What a person may say.
var (
	atURL   = []reply{{"What do you have?", 1, ""}, {"Its URL", 0, "https://mcp.example.com/mcp"}, {"name for it", 0, ""}}
	local   = []reply{{"What do you have?", 2, ""}, {"Its command line", 0, `sh -c "echo '${X} %{y}' \"q\"" 'a b' ü`}, {"name for it", 0, "odd-one"}}
	machine = []reply{
		{"sign in?", 3, ""}, {"Client id", 0, `we"ird $${x} id`}, {"secret", 0, "canary-of-init"}, {"Token", 0, "https://as.example.com/token"},
		{"Scopes", 0, "read write"},
	}
	files = []reply{{"kept?", 1, ""}}
	talks = map[string][]reply{
		"browser":    slices.Concat(atURL, []reply{{"sign in?", 1, ""}}, files),
		"own client": slices.Concat(atURL, []reply{{"sign in?", 2, ""}, {"Client id", 0, "mine"}, {"secret", 0, ""}, {"Scopes", 0, ""}}, files),
		"machine":    slices.Concat(atURL, machine, files),
		"refresh": slices.Concat(atURL, []reply{
			{"sign in?", 4, ""}, {"Client id", 0, "mine"}, {"secret", 0, "canary-of-init"}, {"efresh", 0, "canary-of-refresh"},
			{"the authorization server's token endpoint", 0, "https://as.example.com/token"}}, files),
		"key":           slices.Concat(atURL, []reply{{"sign in?", 5, ""}, {"The key", 0, "canary-of-init"}, {"header", 0, ""}}, files),
		"local key":     slices.Concat(local, []reply{{"sign in?", 5, ""}, {"The key", 0, "canary-of-init"}, {"variable", 0, "API_KEY"}}, files),
		"none":          slices.Concat(atURL, []reply{{"sign in?", 6, ""}}),
		"local none":    slices.Concat(local, []reply{{"sign in?", 6, ""}}),
		"local machine": slices.Concat(local, machine, files),
		"local browser": slices.Concat(local, []reply{{"sign in?", 1, ""}, {"found out", 0, "https://mcp.example.com"}}, files),
	}
)

// What each way through the questions writes passes `check`, and its secrets are in the store.
func TestInitWritesWhatCheckAccepts(t *testing.T) {
	t.Parallel()
	for terminal := range terminals {
		for name, steps := range talks {
			t.Run(terminal+"/"+name, func(t *testing.T) {
				t.Parallel()
				h := newHome(t)
				h.private("canary-of-init", "canary-of-refresh")
				r := h.converse(t, terminal, steps, "rite this", "\r")
				if terminal != "screen" && !strings.Contains(r.stderr, "OAUTH_GRANT_TYPE") && !strings.Contains(name, "none") && !strings.Contains(name, "key") {
					t.Errorf("the file was not shown:\n%s", r.stderr)
				}
				if r.code != 0 || !strings.Contains(r.stdout, "bearerd check") {
					t.Fatalf("exit code %d:\n%s\n%s", r.code, r.stdout, r.stderr)
				}
				h.ok("check")
				info, err := os.Stat(h.path("bearerd.hcl"))
				if err != nil || info.Mode().Perm() != 0o600 {
					t.Errorf("%v %v", info, err)
				}
				cfg, _ := config.Load(h.path("bearerd.hcl"))
				s := cfg.Servers[0]
				if strings.HasPrefix(name, "local") {
					want := []string{"-c", `echo '${X} %{y}' "q"`, "a b", "ü"}
					if s.Name != "odd-one" || s.Command != "sh" || !slices.Equal(s.Args, want) {
						t.Errorf("%q: %q %q", s.Name, s.Command, s.Args)
					}
				} else if s.Name != "example" || s.URL != "https://mcp.example.com/mcp" {
					t.Errorf("%q: %q", s.Name, s.URL)
				}
				if strings.Contains(name, "machine") && s.OAuth.ClientID != `we"ird $${x} id` {
					t.Errorf("the client id is %q", s.OAuth.ClientID)
				}
				want := map[string]string{"key": "example", "local key": "odd-one", "machine": "example", "local machine": "odd-one", "refresh": "example\nexample/refresh-token"}[name]
				if got := h.ok("secret", "list"); got != want {
					t.Errorf("the store holds %q, not %q", got, want)
				}
			})
		}
	}
}

// ^C ends it at every question: nothing is written, and the terminal is as it was.
func TestInterruptedInitLeavesNothing(t *testing.T) {
	t.Parallel()
	steps := append(slices.Clone(talks["refresh"]), reply{question: "rite this"})
	for terminal := range terminals {
		for n, s := range steps {
			t.Run(terminal+"/"+s.question, func(t *testing.T) {
				t.Parallel()
				h := newHome(t)
				r := h.converse(t, terminal, steps[:n], s.question, "\x03")
				left, err := os.ReadDir(h.dir)
				if r.code != 1 || !strings.Contains(r.stderr, "nothing is written") || err != nil || len(left) > 0 {
					t.Errorf("exit code %d, left %v:\n%s", r.code, left, r.stderr)
				}
			})
		}
	}
}

// A signal ends it too, however close it comes to a key.
func TestTerminatedInitEnds(t *testing.T) {
	t.Parallel()
	for range 12 {
		h := newHome(t)
		r := h.converse(t, "screen", atURL[:1], "Its URL", "ht"+sigterm)
		if r.code != 1 || !strings.Contains(r.stderr, "nothing is written") {
			t.Fatalf("exit code %d:\n%s", r.code, r.stderr)
		}
	}
}

// The end of the input is no answer, and neither is no.
func TestInitThatIsNotAnsweredWritesNothing(t *testing.T) {
	t.Parallel()
	for _, end := range []string{"\x04", "n\n"} {
		h := newHome(t)
		r := h.converse(t, "dumb", talks["browser"], "rite this", end)
		if _, err := os.Stat(h.path("bearerd.hcl")); err == nil || r.code != 1 {
			t.Errorf("%q: exit code %d:\n%s", end, r.code, r.stderr)
		}
	}
	h := newHome(t)
	if r := h.converse(t, "dumb", atURL[:1], "Its URL", "\x04"); r.code != 1 {
		t.Errorf("exit code %d:\n%s", r.code, r.stderr)
	}
}

// A wrong answer is said at once, in the loader's words, and asked for again.
func TestInitRefusesWrongAnswers(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		steps []reply
		wrong reply
		said  string
	}{
		{atURL[:1], reply{"Its URL", 0, "mcp.example.com"}, "http"},
		{atURL[:1], reply{"Its URL", 0, "http://mcp.example.com/mcp"}, "HTTPS"},
		{atURL[:1], reply{"Its URL", 0, ""}, "an answer is needed"},
		{atURL[:2], reply{"name for it", 0, "a b"}, "no server name"},
		{local[:1], reply{"Its command line", 0, `sh "x`}, "quotation mark"},
		{local[:1], reply{"Its command line", 0, "no-such-program-here"}, "cannot be run"},
		{slices.Concat(local, machine[:3]), reply{"Token", 0, ""}, "OAUTH_TOKEN_URL"},
		{talks["refresh"][:7], reply{"Token", 0, ""}, "an answer is needed"},
		{slices.Concat(atURL, machine[:3]), reply{"Token", 0, "http://as.example.com"}, "requires HTTPS"},
	} {
		t.Run(c.wrong.answer, func(t *testing.T) {
			t.Parallel()
			for _, terminal := range []string{"screen", "dumb"} {
				h := newHome(t)
				h.private("canary-of-init", "canary-of-refresh")
				r := h.converse(t, terminal, append(slices.Clone(c.steps), c.wrong), c.said, "\x03")
				if r.code != 1 {
					t.Errorf("exit code %d:\n%s", r.code, r.stderr)
				}
			}
		})
	}
}

func TestInitPointsToImport(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	if r := h.converse(t, "screen", nil, "What do you have?", (reply{choice: 3}).keys("screen")); r.code != 0 || !strings.Contains(r.stdout, "bearerd import") {
		t.Errorf("exit code %d: %s", r.code, r.stdout)
	}
}
