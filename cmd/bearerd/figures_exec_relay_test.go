package main_test

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// figuresChild is a server over stdio, and how it is started alone.
type figuresChild struct {
	name    string
	command []string
	env     string
	big     string // a call with a result of 1 MiB
}

func figuresChildren(t *testing.T) []figuresChild {
	return []figuresChild{
		{"small Go server", []string{os.Args[0]}, figuresPeer + "=stdio", bigCall},
		{"server-everything", everythingCommand(t), "A=B", bigEcho(1 << 20)},
	}
}

func (c figuresChild) alone(t *testing.T) *pipe {
	cmd := exec.Command(c.command[0], c.command[1:]...)
	cmd.Env = append(os.Environ(), c.env)
	return startPipe(t, cmd)
}

// lines are those of its block.
func (c figuresChild) lines() string {
	name, value, _ := strings.Cut(c.env, "=")
	return attribute("command", c.command[0]) + "\n" + attribute("args", append([]string{}, c.command[1:]...)) + "\n" +
		attribute("env", map[string]string{name: value})
}

// TestFiguresRelay: what exec adds to a call, and what it holds. Aims: tens of microseconds, 13 MB.
func TestFiguresRelay(t *testing.T) {
	needFigures(t)
	for _, child := range figuresChildren(t) {
		t.Run(child.name, func(t *testing.T) {
			h := figuresHome(t, time.Hour, "info", child.lines())
			alone, relayed := child.alone(t), h.pipe(&h.said)
			alone.begin()
			relayed.begin()
			time.Sleep(5 * time.Second)
			idle, _ := memory(t, relayed.cmd.Process.Pid)
			for _, call := range []struct {
				name, params  string
				rounds, calls int
			}{{"a small call", smallCall, 15, 400}, {"a result of 1 MiB", child.big, 7, 30}} {
				var r rivals
				r.add("alone", func() time.Duration { return alone.ask("tools/call", call.params) })
				r.add("exec", func() time.Duration { return relayed.ask("tools/call", call.params) })
				r.compare(1, 50) // warm
				r.log(t, child.name+", "+call.name, call.rounds, call.calls)
			}
			time.Sleep(5 * time.Second)
			after, peak := memory(t, relayed.cmd.Process.Pid)
			t.Logf("exec holds %.1f MB after the handshake and 5 s, %.1f MB 5 s after the calls, %.1f MB at most", idle, after, peak)
		})
	}
}

// switching watches the answers of a client that asks every millisecond.
type switching struct {
	mu      sync.Mutex // guards what follows
	starts  []time.Time
	answers []time.Time
	failed  int
}

// Write notes when exec starts a process.
func (s *switching) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for range bytes.Count(p, []byte(`"msg":"started"`)) {
		s.starts = append(s.starts, time.Now())
	}
	return len(p), nil
}

func (s *switching) answered(line []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answers = append(s.answers, time.Now())
	if bytes.Contains(line, []byte(`"error":{`)) {
		s.failed++
	}
}

func (s *switching) count() (starts int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.starts)
}

// takeover is how long after its start a process takes over at the latest, on a machine that is not busy.
const takeover = 1500 * time.Millisecond

// gaps are the longest times between two answers: around each switch, and otherwise.
func (s *switching) gaps() (around []time.Duration, otherwise time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	around = make([]time.Duration, len(s.starts))
	for i := 1; i < len(s.answers); i++ {
		gap, at, near := s.answers[i].Sub(s.answers[i-1]), s.answers[i], false
		for n, start := range s.starts {
			if at.After(start) && s.answers[i-1].Before(start.Add(takeover)) {
				around[n], near = max(around[n], gap), true
			}
		}
		if !near {
			otherwise = max(otherwise, gap)
		}
	}
	return around[1:], otherwise // the first is the start of all
}

// every asks each millisecond, whatever is answered, until the end.
func (s *switching) every(p *pipe, end <-chan struct{}) {
	reading := make(chan struct{})
	go func() {
		defer close(reading)
		for {
			line, err := p.out.ReadSlice('\n')
			if err != nil {
				return
			}
			if bytes.Contains(line, []byte(`"id":`)) {
				s.answered(line)
			}
		}
	}()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for n := 1000; ; n++ {
		select {
		case <-tick.C:
			_, _ = fmt.Fprintf(p.in, `{"jsonrpc":"2.0","id":%d,"method":"tools/call","params":%s}`+"\n", n, smallCall)
			continue
		case <-end:
		}
		break
	}
	_ = p.in.Close()
	<-reading
}

// TestFiguresSwitch: how long a client that asks every millisecond is without an answer when the process is exchanged.
func TestFiguresSwitch(t *testing.T) {
	needFigures(t)
	lives := []time.Duration{4 * time.Second, 30 * time.Second}
	switches := 10
	if n, err := strconv.Atoi(os.Getenv("BEARERD_FIGURES_SWITCHES")); err == nil {
		switches = n
	}
	for _, child := range figuresChildren(t) {
		for _, life := range lives {
			t.Run(fmt.Sprintf("%s %s", child.name, life), func(t *testing.T) {
				s := &switching{}
				h := figuresHome(t, life, "debug", child.lines(), `on_rotate = "replay"`)
				p := h.pipe(io.MultiWriter(&h.said, s))
				p.begin()
				end := make(chan struct{})
				go func() {
					defer close(end)
					deadline := time.Now().Add(time.Duration(switches+4) * life)
					for s.count() <= switches && time.Now().Before(deadline) {
						time.Sleep(100 * time.Millisecond)
					}
					time.Sleep(takeover)
				}()
				s.every(p, end)
				p.ended()
				around, otherwise := s.gaps()
				if len(around) == 0 {
					t.Fatal("the process was never exchanged")
				}
				middle := median(around)
				t.Logf("%-20s tokens of %-4s %d switches, %d answers, %d failed; the longest time without an answer: "+
					"median %.1f ms, at most %.1f ms at a switch; %.1f ms otherwise", child.name, life, len(around), len(s.answers), s.failed,
					milliseconds(middle), milliseconds(around[len(around)-1]), milliseconds(otherwise))
			})
		}
	}
}
