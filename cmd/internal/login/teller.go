package login

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/term"
)

// How often a person is told that the wait goes on: on a terminal the line is written over, in a log each one stays.
const (
	everyOnTerminal = 15 * time.Second
	everyInLog      = time.Minute
)

// teller writes for a person; several goroutines may use it.
type teller struct {
	terminal bool

	mu   sync.Mutex
	out  io.Writer // guarded by mu
	over bool      // guarded by mu: the last line, progress or prompt, is to be written over
	asks bool      // guarded by mu: the person types, and the prompt is the last line
}

// prompt stands before what a person pastes.
const prompt = "address: "

func newTeller(out io.Writer) *teller {
	if out == nil {
		out = io.Discard
	}
	f, ok := out.(*os.File)
	return &teller{out: out, terminal: ok && term.IsTerminal(int(f.Fd()))}
}

func (t *teller) line(format string, args ...any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.clear()
	_, _ = fmt.Fprintf(t.out, format+"\n", args...)
	t.prompt()
}

// prompts lets a person type from now on: on a terminal each line leaves room for it, and none is written over.
func (t *teller) prompts() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.clear()
	t.asks = t.terminal
	t.prompt()
}

// prompt ends what was told, if the person types. The caller holds mu.
func (t *teller) prompt() {
	if t.asks {
		_, _ = io.WriteString(t.out, prompt)
		t.over = true
	}
}

// clear wipes the line of the progress, or of the prompt. The caller holds mu.
func (t *teller) clear() {
	if t.over {
		_, _ = io.WriteString(t.out, "\r\x1b[K")
		t.over = false
	}
}

// progress says from time to time how long the wait can go on, until ctx ends.
func (t *teller) progress(ctx context.Context, server string, until time.Time) {
	every := everyInLog
	if t.terminal {
		every = everyOnTerminal
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	t.waiting(server, until)
	for told := time.Now(); ; {
		select {
		case <-tick.C:
			if t.stays() && time.Since(told) < everyInLog {
				continue
			}
			told = time.Now()
			t.waiting(server, until)
		case <-ctx.Done():
			t.mu.Lock()
			defer t.mu.Unlock()
			t.clear()
			return
		}
	}
}

// stays reports whether each line of the progress stays.
func (t *teller) stays() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return !t.terminal || t.asks
}

func (t *teller) waiting(server string, until time.Time) {
	text := fmt.Sprintf("waiting for the sign-in of %s, %s left; Ctrl-C gives up", server, spell(time.Until(until)))
	if t.stays() {
		t.line("%s", text)
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.clear()
	_, _ = io.WriteString(t.out, text)
	t.over = true
}

// spell writes a time in whole seconds, without those that are none: 5m, 4m30s.
func spell(d time.Duration) string {
	text := max(d, 0).Round(time.Second).String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	return text
}

// Ask does work that asks the network before a person can do anything, for as long as a sign-in may take, and tells out so if
// it takes long.
func Ask(ctx context.Context, server string, out io.Writer, work func(context.Context) error) error {
	over, cancel := context.WithTimeout(ctx, patience)
	var telling sync.WaitGroup
	defer telling.Wait()
	defer cancel()
	telling.Go(func() {
		if pause(over, silence, nil); over.Err() == nil {
			newTeller(out).line("Asking who gives tokens for %s …", server)
		}
	})
	return work(over)
}

// Wait does work, and tells out meanwhile how long the person has.
func Wait(ctx context.Context, server string, out io.Writer, until time.Time, work func(context.Context) error) error {
	over, cancel := context.WithCancel(ctx)
	var telling sync.WaitGroup
	defer telling.Wait()
	defer cancel()
	telling.Go(func() { newTeller(out).progress(over, server, until) })
	return work(ctx)
}
