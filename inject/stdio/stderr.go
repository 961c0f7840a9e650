package stdio

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"
	"unicode/utf8"
)

const (
	lineMax   = 8 << 10  // bytes of a line of stderr that are passed on
	lineSlack = 32 << 10 // for escape sequences among them
	linesMax  = 200      // a second
	readSize  = 16 << 10
)

// stderr passes on what a child prints there.
type stderr struct {
	from   *os.File
	to     io.Writer
	name   string
	launch *Launch
	done   chan struct{} // closed at the end of from
	window int           // bytes of a line that are kept: enough for lineMax and the longest secret across that border

	mu      sync.Mutex // guards what follows, and the order of lines
	since   time.Time  // when the second began that these are counted in
	passed  int
	dropped int
}

// readStderr reads until the end of from, or until that is closed. The caller waits for done.
func readStderr(from *os.File, name string, l *Launch, to io.Writer) *stderr {
	e := newStderr(from, name, l, to)
	go e.read()
	return e
}

func newStderr(from *os.File, name string, l *Launch, to io.Writer) *stderr {
	return &stderr{
		from: from, to: to, name: name, launch: l, done: make(chan struct{}), window: lineMax + lineSlack + l.longest(),
	}
}

// longest is the most bytes that a secret can take.
func (l *Launch) longest() (n int) {
	for _, form := range l.secrets() {
		n = max(n, len(form.Reveal())*maxEscape)
	}
	return n
}

// read reads on whatever is dropped, so that the child is not held up. Of a line it keeps no more than the window.
func (e *stderr) read() {
	defer close(e.done)
	defer func() { _ = e.from.Close() }()
	in := bufio.NewReaderSize(e.from, readSize)
	var line []byte
	lost := 0
	var deadline time.Time
	for {
		if due := e.due(); due != deadline {
			deadline = due
			_ = e.from.SetReadDeadline(due)
		}
		piece, err := in.ReadSlice('\n')
		if err == nil {
			piece = piece[:len(piece)-1]
		}
		kept := min(len(piece), e.window-len(line))
		line, lost = append(line, piece[:kept]...), lost+len(piece)-kept
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case errors.Is(err, os.ErrDeadlineExceeded):
			e.report(false)
			continue
		case err == nil || len(line) > 0:
			e.pass(line, lost)
			line, lost = line[:0], 0
		}
		if err != nil {
			e.report(true)
			return
		}
	}
}

// pass passes a line on, unless it is one too many. lost bytes of its end were not kept.
func (e *stderr) pass(line []byte, lost int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.admit() {
		_, _ = fmt.Fprintf(e.to, "[%s] %s\n", e.name, e.clean(line, lost)) // one Write; nobody is left to tell of its error
	}
}

// stray passes on a line that was not read here.
func (e *stderr) stray(line []byte) {
	kept := min(len(line), e.window)
	e.pass(line[:kept], len(line)-kept)
}

// clean makes a line printable, masks it and cuts it, in this order: a secret may be split by control characters, or lie
// across the cut. At the end of a line that was not kept whole, a part of one may stand: so much is left out.
func (e *stderr) clean(line []byte, lost int) []byte {
	text := printable(line)
	limit := len(text)
	if lost > 0 {
		limit = max(0, limit-e.launch.longest())
	}
	limit = min(limit, lineMax)
	for limit < len(text) && limit > 0 && !utf8.RuneStart(text[limit]) {
		limit--
	}
	shown := e.launch.mask(text, limit)
	if cut := len(text) - limit + lost; cut > 0 {
		shown = fmt.Appendf(shown[:len(shown):len(shown)], " … %d bytes were cut", cut)
	}
	return shown
}

// admit counts a line and says whether it is passed on. The caller holds the lock.
func (e *stderr) admit() bool {
	e.tell(false)
	if e.passed >= linesMax {
		e.dropped++
		return false
	}
	e.passed++
	return true
}

// tell says what was dropped, once the second is over, and begins another. The caller holds the lock.
func (e *stderr) tell(last bool) {
	now := time.Now()
	if now.Sub(e.since) < time.Second && !last {
		return
	}
	if e.dropped > 0 {
		_, _ = fmt.Fprintf(e.to, "[%s] … %d lines of its stderr were dropped: more than %d a second\n", e.name, e.dropped, linesMax)
	}
	e.since, e.passed, e.dropped = now, 0, 0
}

// report is tell for a time at which no line comes.
func (e *stderr) report(last bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.tell(last)
}

// due is when there will be something to tell, zero if nothing was dropped.
func (e *stderr) due() time.Time {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.dropped == 0 {
		return time.Time{}
	}
	return e.since.Add(time.Second)
}
