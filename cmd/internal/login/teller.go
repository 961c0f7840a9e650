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
	over bool      // guarded by mu: the line of the progress is to be written over
}

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
}

// clear wipes the line of the progress. The caller holds mu.
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
	for t.waiting(server, until); ; {
		select {
		case <-tick.C:
			t.waiting(server, until)
		case <-ctx.Done():
			t.mu.Lock()
			defer t.mu.Unlock()
			t.clear()
			return
		}
	}
}

func (t *teller) waiting(server string, until time.Time) {
	text := fmt.Sprintf("waiting for the sign-in of %s, %s left; Ctrl-C gives up", server, spell(time.Until(until)))
	if !t.terminal {
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

// Wait does work, and tells out meanwhile how long the person has.
func Wait(ctx context.Context, server string, out io.Writer, until time.Time, work func(context.Context) error) error {
	over, cancel := context.WithCancel(ctx)
	var telling sync.WaitGroup
	defer telling.Wait()
	defer cancel()
	telling.Go(func() { newTeller(out).progress(over, server, until) })
	return work(ctx)
}
