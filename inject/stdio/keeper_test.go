//go:build unix

package stdio

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"bearerd/engine"
	"bearerd/secrets"
)

func init() { children["mcp"] = mcp }

const mcpVar = "MCP" // words that say how the server behaves

// mcp is a server that does what the name of a tool says.
func mcp() int {
	behaviour := os.Getenv(mcpVar)
	if strings.Contains(behaviour, "stubborn") {
		caught(syscall.SIGTERM)
	}
	for in := bufio.NewReader(os.Stdin); ; {
		line, err := in.ReadString('\n')
		if err != nil {
			if strings.Contains(behaviour, "stubborn") {
				time.Sleep(time.Hour)
			}
			return 0
		}
		var m struct {
			ID     json.RawMessage
			Method string
			Params struct{ Name string }
		}
		_ = json.Unmarshal([]byte(line), &m)
		switch word, argument, _ := strings.Cut(m.Params.Name, " "); {
		case m.Method == "initialize" && strings.Contains(behaviour, "mute"), word == "hang":
		case m.Method == "initialize":
			fmt.Printf(`{"jsonrpc":"2.0","id":%s,"result":{"protocolVersion":"2025-11-25","capabilities":{%s}}}`+"\n", m.ID, os.Getenv("CAPABILITIES"))
		case word == "exit":
			code, _ := strconv.Atoi(argument)
			return code
		case word == "close":
			_ = os.Stdout.Close()
		case word == "deaf":
			fmt.Printf(`{"jsonrpc":"2.0","id":%s,"result":"deaf"}`+"\n", m.ID)
			time.Sleep(time.Hour)
		case word == "endless":
			for block := []byte(strings.Repeat("x", 1<<20)); err == nil; {
				_, err = os.Stdout.Write(block)
			}
		case word == "print":
			fmt.Fprintln(os.Stderr, argument)
		case m.ID != nil:
			fmt.Printf(`{"jsonrpc":"2.0","id":%s,"result":%d}`+"\n", m.ID, os.Getpid())
		}
	}
}

// keeping is a Keeper with a client that the test plays.
type keeping struct {
	t     *testing.T
	k     *Keeper
	in    *os.File
	lines chan string
	stop  context.CancelFunc
	said  *log
	code  int
	err   error
	ended chan struct{}

	mu       sync.Mutex
	troubles []Trouble
}

type log struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// spawning is what the nth process, from 0, is started with.
type spawning struct {
	behaviour, capabilities string
	restart, onRotate, busy string
	token                   *engine.Token
	grace                   time.Duration // 0: half a second
	err                     error
}

func (p spawning) spawned(t *testing.T) (*Spawned, error) {
	if p.err != nil {
		return nil, p.err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	s := server(self)
	s.Restart, s.OnRotate, s.OnRotateBusy = p.restart, p.onRotate, p.busy
	s.StopGrace = cmp.Or(p.grace, 500*time.Millisecond)
	s.KillGrace = s.StopGrace
	s.OnRotate = cmp.Or(s.OnRotate, "replay")
	env := does("mcp")
	env[mcpVar], env["CAPABILITIES"] = secrets.New(p.behaviour), secrets.New(p.capabilities)
	l, err := ByEnv(s, token, env, nil)
	return &Spawned{Server: s, Launch: l, Token: p.token}, err
}

// keep runs a keeper until the end of the test. The last of what it spawns is what every later process is.
func keep(t *testing.T, spawns ...spawning) *keeping {
	t.Helper()
	inR, inW := pipe(t)
	outR, outW := pipe(t)
	ctx, stop := context.WithCancel(context.Background())
	c := &keeping{t: t, in: inW, lines: make(chan string, 1000), stop: stop, said: &log{}, ended: make(chan struct{})}
	n := 0
	c.k = NewKeeper("search", func(context.Context) (*Spawned, error) {
		p := spawns[min(n, len(spawns)-1)]
		n++
		return p.spawned(t)
	}, slog.New(slog.NewTextHandler(c.said, nil)))
	c.k.In, c.k.Out, c.k.Err = inR, outW, c.said
	c.k.Note = func(trouble Trouble) {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.troubles = append(c.troubles, trouble)
	}
	go func() {
		defer close(c.ended)
		c.code, c.err = c.k.Run(ctx)
	}()
	go func() {
		for out := bufio.NewReader(outR); ; {
			line, err := out.ReadString('\n')
			if err != nil {
				return
			}
			c.lines <- line
		}
	}()
	t.Cleanup(func() {
		stop()
		<-c.ended
	})
	return c
}

func (c *keeping) say(format string, args ...any) {
	c.t.Helper()
	if _, err := fmt.Fprintf(c.in, format+"\n", args...); err != nil {
		c.t.Fatal(err)
	}
}

func (c *keeping) call(id int, what string) {
	c.t.Helper()
	c.say(`{"jsonrpc":"2.0","id":%d,"method":"tools/call","params":{"name":%q}}`, id, what)
}

const mostPatience = 30 * time.Second

// hears expects a line that holds all the words.
func (c *keeping) hears(words ...string) (line string) {
	c.t.Helper()
	select {
	case line = <-c.lines:
	case <-time.After(mostPatience):
		c.t.Fatalf("nothing came, want %q; it said\n%s", words, c.said)
	}
	for _, word := range words {
		if !strings.Contains(line, word) {
			c.t.Fatalf("got %q, which lacks %q; it said\n%s", line, word, c.said)
		}
	}
	return line
}

func (c *keeping) open() {
	c.t.Helper()
	c.say(`{"jsonrpc":"2.0","id":"i","method":"initialize","params":{}}`)
	c.hears(`"i"`)
	c.say(`{"jsonrpc":"2.0","method":"notifications/initialized"}`)
}

// ends expects the end with this code, within the time, and an error that holds these words; none: no error.
func (c *keeping) ends(code int, within time.Duration, words ...string) {
	c.t.Helper()
	begun := time.Now()
	select {
	case <-c.ended:
	case <-time.After(mostPatience):
		c.t.Fatalf("it does not end; it said\n%s", c.said)
	}
	if took := time.Since(begun); took > within {
		c.t.Errorf("it took %v, want at most %v", took, within)
	}
	if c.code != code || (c.err == nil) != (len(words) == 0) {
		c.t.Errorf("exit code %d, want %d, error %v", c.code, code, c.err)
	}
	for _, word := range words {
		if c.err != nil && !strings.Contains(c.err.Error(), word) {
			c.t.Errorf("the error is %q, and lacks %q", c.err, word)
		}
	}
}

func lives(d time.Duration) *engine.Token { return &engine.Token{Expires: time.Now().Add(d)} }
