package relay

import (
	"bufio"
	"errors"
	"fmt"
	"io"
)

const (
	lineLimit   = 256 << 20 // bytes of one line: an endless one must not take all memory
	lineBuffer  = 64 << 10
	keepsBuffer = 1 << 20 // a buffer that has grown over this is given back
)

// lines reads whole lines of any length.
type lines struct {
	from *bufio.Reader
	long []byte
}

func newLines(r io.Reader) *lines { return &lines{from: bufio.NewReaderSize(r, lineBuffer)} }

// next is the next line with its end; it is valid until the next call. With an error comes what is left of a line that its
// writer did not finish.
func (l *lines) next() ([]byte, error) {
	if cap(l.long) > keepsBuffer {
		l.long = nil
	}
	l.long = l.long[:0]
	for {
		part, err := l.from.ReadSlice('\n')
		switch {
		case err == nil && len(l.long) == 0:
			return part, nil
		case err == nil:
			l.long = append(l.long, part...)
			return l.long, nil
		case !errors.Is(err, bufio.ErrBufferFull):
			return append(l.long, part...), err
		case len(l.long) > lineLimit:
			return nil, fmt.Errorf("a line is longer than %d MiB", lineLimit>>20)
		}
		l.long = append(l.long, part...)
	}
}
