package bridge

import (
	"bufio"
	"bytes"
	"io"
	"strconv"
	"strings"
	"time"

	"golang.org/x/net/http/httpguts"
)

// events reads a stream of server-sent events (WHATWG HTML §9.2).
type events struct {
	r     *bufio.Reader
	begun bool   // a byte order mark may not follow any more
	cr    bool   // the last line ended with CR: an LF that follows belongs to it
	line  []byte // the one being read
	last  string // the id of the last event that came whole
	retry time.Duration
	asked bool // the server has said retry
}

type event struct {
	name string // "": message
	data []byte // its lines, joined by a space: JSON has none inside strings; never empty
}

func newEvents(r io.Reader) *events { return &events{r: bufio.NewReaderSize(r, 16<<10)} }

// next gives the next event that holds data. One that the stream ends in is none.
func (e *events) next() (event, error) {
	var ev event
	id := e.last
	for {
		line, err := e.readLine()
		if err != nil {
			return event{}, err
		}
		if len(line) == 0 {
			e.last = id
			if len(ev.data) > 0 {
				return ev, nil
			}
			ev = event{}
			continue
		}
		field, value, _ := bytes.Cut(line, []byte(":"))
		value = bytes.TrimPrefix(value, []byte(" "))
		switch string(field) {
		case "event":
			ev.name = string(value)
		case "data":
			if ev.data == nil && len(value) > 64<<10 {
				ev.data, e.line = value, nil // not copied
				continue
			}
			if ev.data == nil {
				ev.data = make([]byte, 0, len(value)+1) // and a newline
			} else {
				ev.data = append(ev.data, ' ')
			}
			if len(ev.data)+len(value) > limit {
				return event{}, errTooLong
			}
			ev.data = append(ev.data, value...)
		case "id":
			if bytes.IndexByte(value, 0) < 0 {
				id = eventID(value)
			}
		case "retry":
			e.setRetry(string(value))
		}
	}
}

// eventID is an id that Last-Event-ID can hold; another one counts as none.
func eventID(value []byte) string {
	const most = 4 << 10
	if id := string(value[:min(len(value), most+1)]); len(id) <= most && httpguts.ValidHeaderFieldValue(id) {
		return id
	}
	return ""
}

func (e *events) setRetry(value string) {
	ms, err := strconv.ParseUint(value, 10, 32)
	if err == nil && !strings.HasPrefix(value, "+") {
		e.retry, e.asked = min(time.Duration(ms)*time.Millisecond, lastPause), true
	}
}

// readLine gives a line without its end. It is valid until the next call.
func (e *events) readLine() ([]byte, error) {
	if cap(e.line) > 1<<20 {
		e.line = nil // what one large event needed is not kept
	}
	e.line = e.line[:0]
	for {
		if _, err := e.r.Peek(1); err != nil {
			return nil, err
		}
		part, _ := e.r.Peek(e.r.Buffered())
		if e.cr && part[0] == '\n' {
			e.cr = false
			_, _ = e.r.Discard(1)
			continue
		}
		e.cr = false
		end := lineEnd(part)
		if end < 0 {
			e.line = append(e.line, part...)
			_, _ = e.r.Discard(len(part))
			if len(e.line) > limit {
				return nil, errTooLong
			}
			continue
		}
		e.line = append(e.line, part[:end]...)
		e.cr = part[end] == '\r'
		_, _ = e.r.Discard(end + 1)
		if !e.begun {
			e.begun = true
			return bytes.TrimPrefix(e.line, []byte("\ufeff")), nil
		}
		return e.line, nil
	}
}

func lineEnd(part []byte) int {
	lf := bytes.IndexByte(part, '\n')
	if lf >= 0 {
		part = part[:lf]
	}
	if cr := bytes.IndexByte(part, '\r'); cr >= 0 {
		return cr
	}
	return lf
}
