package relay

import (
	"bytes"
	"fmt"
	"io"
)

const (
	lineLimit  = 256 << 20 // bytes of one line: an endless one must not take all memory
	lineBuffer = 64 << 10
	mostBuffer = 4 << 20 // a buffer that has grown over this is given back at once, a smaller one when lines are short again
)

// lines reads whole lines of any length.
type lines struct {
	from       io.Reader
	buf        []byte
	start, end int   // of what was read into buf and has not been given out
	seen       int   // how much of that has no end of line
	last       int   // how long the last line was
	err        error // of the last read
}

func newLines(r io.Reader) *lines { return &lines{from: r, buf: make([]byte, lineBuffer)} }

// next is the next line with its end; it is valid until the next call. With an error comes what is left of a line that its
// writer did not finish.
func (l *lines) next() ([]byte, error) {
	for {
		if at := bytes.IndexByte(l.buf[l.start+l.seen:l.end], '\n'); at >= 0 {
			return l.take(l.seen + at + 1), nil
		}
		l.seen = l.end - l.start
		switch {
		case l.err != nil:
			return l.take(l.seen), l.err
		case l.seen >= lineLimit:
			return nil, fmt.Errorf("a line is longer than %d MiB", lineLimit>>20)
		}
		l.makeRoom()
		n, err := l.from.Read(l.buf[l.end:])
		l.end, l.err = l.end+n, err
	}
}

func (l *lines) take(n int) []byte {
	line := l.buf[l.start : l.start+n : l.start+n]
	l.start, l.seen, l.last = l.start+n, 0, n
	return line
}

// makeRoom sees to it that more can be read.
func (l *lines) makeRoom() {
	switch {
	case l.seen == 0:
		l.start, l.end = 0, 0
		if len(l.buf) > mostBuffer || len(l.buf) > lineBuffer && l.last < lineBuffer {
			l.buf = make([]byte, lineBuffer)
		}
	case l.end < len(l.buf):
	case l.start > 0:
		l.end = copy(l.buf, l.buf[l.start:l.end])
		l.start = 0
	default:
		l.buf = append(l.buf, make([]byte, len(l.buf))...)
	}
}
