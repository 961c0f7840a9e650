package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"bearerd/cmd/internal/doctor"
)

func doctorCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "doctor [NAME]",
		Short: "Look at everything a server needs, step by step, and say what is wrong and what to do",
		Args:  cobra.MaximumNArgs(1),
	}
	asJSON := cmd.Flags().Bool("json", false, "print the steps as JSON")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		path, err := configPath(cmd)
		if err != nil && !errors.Is(err, errNoConfig) {
			return err
		}
		name := ""
		if len(args) == 1 {
			name = args[0]
		}
		p := newStepPrinter(cmd.OutOrStdout(), *asJSON)
		d := &doctor.Doctor{Path: path, Version: version(), Begun: p.begun, Ended: p.ended}
		if err := d.Look(cmd.Context(), name); errors.Is(err, doctor.ErrUnknown) {
			p.stop()
			return usage{err}
		} else if err != nil {
			p.stop()
			if p.json {
				_ = p.summary(false) // what there is
			}
			return errors.New("interrupted")
		}
		p.stop()
		if err := p.summary(p.failed == 0); err != nil {
			return err
		}
		if p.failed > 0 {
			return exitCode(exitError)
		}
		return nil
	}
	return cmd
}

// stepPrinter shows the steps of the doctor as they end and, on a terminal, what takes longer.
type stepPrinter struct {
	out      io.Writer
	json     bool
	terminal bool
	colour   bool
	steps    []doctor.Step
	failed   int
	warned   int
	skipped  int

	mu      sync.Mutex // guards what follows, and out
	now     string     // the step under way; "": none
	since   time.Time
	waiting bool // a line about it is on the terminal
	done    chan struct{}
	ticking sync.WaitGroup
}

func newStepPrinter(out io.Writer, asJSON bool) *stepPrinter {
	f, ok := out.(*os.File)
	p := &stepPrinter{out: out, json: asJSON, terminal: ok && term.IsTerminal(int(f.Fd())), done: make(chan struct{}), steps: []doctor.Step{}}
	moves := p.terminal && os.Getenv("TERM") != "dumb" // it knows escape sequences
	p.colour = moves && os.Getenv("NO_COLOR") == ""
	if moves && !p.json {
		p.ticking.Go(p.tick)
	}
	return p
}

// tick shows what takes longer than a second.
func (p *stepPrinter) tick() {
	t := time.NewTicker(time.Second / 4)
	defer t.Stop()
	for {
		select {
		case <-p.done:
			return
		case <-t.C:
		}
		p.mu.Lock()
		if took := time.Since(p.since); p.now != "" && took > time.Second {
			_, _ = fmt.Fprint(p.out, "\r\x1b[K", cut(fmt.Sprintf("… %s  (%d s)", p.now, int(took.Seconds())), p.width()-1))
			p.waiting = true
		}
		p.mu.Unlock()
	}
}

// width is that of the terminal, in columns.
func (p *stepPrinter) width() int {
	if f, ok := p.out.(*os.File); ok {
		if w, _, err := term.GetSize(int(f.Fd())); err == nil && w > 0 {
			return w
		}
	}
	return 80
}

// cut has a line not wrap, as only the last row of it could be cleared.
func cut(line string, width int) string {
	if runes := []rune(line); len(runes) > width {
		return string(runes[:max(0, width)])
	}
	return line
}

// stop ends the showing of progress.
func (p *stepPrinter) stop() {
	close(p.done)
	p.ticking.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.clear()
}

// clear takes the line about the step under way from the terminal. mu is held.
func (p *stepPrinter) clear() {
	if p.waiting {
		_, _ = fmt.Fprint(p.out, "\r\x1b[K")
	}
	p.now, p.waiting = "", false
}

func (p *stepPrinter) begun(name, server string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.now, p.since = strings.TrimSpace(name+"  "+server), time.Now()
}

// marks show how a step went, with the ANSI colour of each.
var marks = map[doctor.Result]struct{ mark, colour string }{
	doctor.OK: {"✓", "32"}, doctor.Warned: {"!", "33"}, doctor.Failed: {"✗", "31"}, doctor.Skipped: {"–", "2"},
}

func (p *stepPrinter) ended(s doctor.Step) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.clear()
	p.steps = append(p.steps, s)
	switch s.Result {
	case doctor.Failed:
		p.failed++
	case doctor.Warned:
		p.warned++
	case doctor.Skipped:
		p.skipped++
	}
	if p.json {
		return
	}
	mark := marks[s.Result].mark
	if p.colour {
		mark = "\x1b[" + marks[s.Result].colour + "m" + mark + "\x1b[0m"
	}
	words := []string{mark + " " + s.Name}
	for _, word := range []string{s.Server, s.Detail, took(s.Took)} {
		if word != "" {
			words = append(words, word)
		}
	}
	_, _ = fmt.Fprintln(p.out, strings.Join(words, "  "))
	if s.Remedy != "" && s.Result != doctor.OK {
		_, _ = fmt.Fprintf(p.out, "    %s\n", s.Remedy)
	}
}

// took is how long a step took, where that is worth a word.
func took(d time.Duration) string {
	switch {
	case d < time.Millisecond:
		return ""
	case d < time.Second:
		return fmt.Sprintf("(%d ms)", d.Milliseconds())
	}
	return fmt.Sprintf("(%.1f s)", d.Seconds())
}

// summary is the last line, or all of the JSON.
func (p *stepPrinter) summary(ok bool) error {
	if p.json {
		e := json.NewEncoder(p.out)
		e.SetIndent("", "  ")
		e.SetEscapeHTML(false)
		return e.Encode(map[string]any{"ok": ok, "steps": p.steps})
	}
	text := "All is well"
	switch {
	case p.failed > 0:
		text = count(p.failed, "problem")
	case p.skipped > 0:
		text = "No problem is found"
	case p.warned > 0:
		text = "It works"
	}
	if p.warned > 0 {
		text += ", " + count(p.warned, "warning")
	}
	if p.skipped > 0 {
		text += "; " + count(p.skipped, "step") + " could not be looked at"
	}
	_, err := fmt.Fprintln(p.out, text)
	return err
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
