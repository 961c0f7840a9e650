package proxy

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
)

// maxOpening bounds in bytes what is held back of a stream's first event. A larger one passes as it is.
const maxOpening = 64 << 10

var byteOrderMark = []byte("\xef\xbb\xbf")

// opening reads an event stream. In the event endpoint, if that is the first, it exchanges the address; all else passes as it
// is, and at once but for that event. Afterwards it holds nothing.
type opening struct {
	io.Closer
	from    io.Reader
	address func(named string) (string, error)

	line  []byte // the one that has not ended yet
	event []byte // the lines from the first on that counts for an event
	out   []byte // what is read next
	begun bool   // the first line has ended
	cr    bool   // the last line ended with \r, to which a \n may belong
	over  bool   // all else passes
	err   error  // what is read after out
}

func (o *opening) Read(p []byte) (int, error) {
	for len(o.out) == 0 && !o.over {
		n, err := o.from.Read(p)
		o.take(p[:n])
		if err != nil && o.err == nil {
			o.release()
			o.err = err
		}
	}
	switch {
	case len(o.out) > 0:
		n := copy(p, o.out)
		if o.out = o.out[n:]; len(o.out) == 0 {
			o.out = nil
		}
		return n, nil
	case o.err != nil:
		return 0, o.err
	}
	return o.from.Read(p)
}

// take looks at what has come.
func (o *opening) take(chunk []byte) {
	for len(chunk) > 0 && !o.over {
		if o.cr && chunk[0] == '\n' {
			o.pass(chunk[:1])
			chunk, o.cr = chunk[1:], false
			continue
		}
		end := bytes.IndexAny(chunk, "\r\n")
		o.cr = end >= 0 && chunk[end] == '\r'
		if end < 0 {
			end = len(chunk) - 1
			o.line = append(o.line, chunk...)
		} else {
			o.line = append(o.line, chunk[:end+1]...)
			o.ended()
		}
		chunk = chunk[end+1:]
		if len(o.event)+len(o.line) > maxOpening {
			o.release()
		}
	}
	if o.err == nil {
		o.out = append(o.out, chunk...)
	}
}

// ended looks at a whole line.
func (o *opening) ended() {
	if !o.begun {
		o.begun = true
		if bytes.HasPrefix(o.line, byteOrderMark) {
			o.out, o.line = append(o.out, byteOrderMark...), o.line[len(byteOrderMark):]
		}
	}
	line := o.line
	o.line = nil
	name, _ := field(line)
	switch {
	case len(line) == 1:
		o.dispatch(line)
	case len(o.event) == 0 && name != "event" && name != "data":
		o.pass(line)
	default:
		o.event = append(o.event, line...)
	}
}

// pass adds to what is held back, if that is something, or else to what is read next.
func (o *opening) pass(b []byte) {
	if len(o.event) > 0 {
		o.event = append(o.event, b...)
	} else {
		o.out = append(o.out, b...)
	}
}

// release gives up looking.
func (o *opening) release() {
	o.over = true
	o.out = append(append(o.out, o.event...), o.line...)
	o.event, o.line = nil, nil
}

// dispatch ends an event; blank is its last line. One without data is none (HTML, server-sent events §9.2.6).
func (o *opening) dispatch(blank []byte) {
	kind, data, some := "", "", false
	for line := range eventLines(o.event) {
		switch name, value := field(line); {
		case name == "event":
			kind = strings.TrimSpace(value) // some clients are as lenient
		case name == "data" && some:
			data += "\n" + value
		case name == "data":
			data, some = value, true
		}
	}
	event := o.event
	o.event = nil
	if kind == "endpoint" && some {
		if event, o.err = o.exchange(event, data); o.err != nil {
			o.over = true
			return
		}
	}
	o.out = append(append(o.out, event...), blank...)
	o.over = some
}

// exchange is the event with another address: in its first line of data, and no other stays.
func (o *opening) exchange(event []byte, named string) ([]byte, error) {
	address, err := o.address(named)
	if err != nil {
		return nil, err
	}
	var out []byte
	done := false
	for line := range eventLines(event) {
		switch name, _ := field(line); {
		case name != "data":
			out = append(out, line...)
		case !done:
			done = true
			out = append(append(append(out, "data: "...), address...), line[len(bytes.TrimRight(line, "\r\n")):]...)
		}
	}
	return out, nil
}

// eventLines gives lines with their ends: \n, \r or \r\n.
func eventLines(b []byte) func(yield func([]byte) bool) {
	return func(yield func([]byte) bool) {
		for len(b) > 0 {
			end := bytes.IndexAny(b, "\r\n") + 1
			if end > 0 && end < len(b) && b[end-1] == '\r' && b[end] == '\n' {
				end++
			}
			if end == 0 {
				end = len(b)
			}
			if !yield(b[:end]) {
				return
			}
			b = b[end:]
		}
	}
}

// field reads a line of an event stream. A comment has no name.
func field(line []byte) (name, value string) {
	name, value, _ = strings.Cut(string(bytes.TrimRight(line, "\r\n")), ":")
	return name, strings.TrimPrefix(value, " ")
}

// namesEndpoint reports whether an answer may name the address for messages, as the older HTTP+SSE transport does. What is compressed is
// left as it is.
func namesEndpoint(method string, resp *http.Response) bool {
	kind, _, _ := strings.Cut(resp.Header.Get("Content-Type"), ";")
	coding := resp.Header.Get("Content-Encoding")
	return method == http.MethodGet && resp.StatusCode == http.StatusOK &&
		strings.EqualFold(strings.TrimSpace(kind), "text/event-stream") && (coding == "" || strings.EqualFold(coding, "identity"))
}

// localize has what upstream's answer from an address says of its own places hold for the local ones.
func (rt *route) localize(method string, from *url.URL, resp *http.Response) {
	rt.confineCookies(resp.Header, from.EscapedPath())
	if namesEndpoint(method, resp) {
		rt.open(resp, from)
	}
}

// open has messages that belong to an event stream from upstream's address base come back through the proxy.
func (rt *route) open(resp *http.Response, base *url.URL) {
	resp.Body = &opening{Closer: resp.Body, from: resp.Body, address: func(named string) (string, error) {
		return rt.localAddress(base, named)
	}}
	resp.ContentLength = -1
	delete(resp.Header, "Content-Length")
}

var errEndpoint = errors.New("no address for messages")

// localAddress is where callers reach what upstream names at base. It has no host: they may know this proxy by another name.
func (rt *route) localAddress(base *url.URL, named string) (string, error) {
	u, err := parseReference(named)
	if err == nil {
		u = base.ResolveReference(u)
	}
	if err != nil || !sameOrigin(u, rt.target) {
		what := "that is not of its own origin"
		if err != nil {
			what = "that cannot be read"
		}
		what = "named an address for messages " + what + ": nothing is sent there, and the stream was ended"
		rt.warn("upstream "+what, nil)
		rt.note("it " + what)
		return "", errEndpoint
	}
	path := u.EscapedPath()
	if path == "" {
		path = "/"
	}
	address := strings.TrimSuffix(rt.path, "/") + marker + rt.mark(path) + path
	if query := withoutToken(u.RawQuery); query != "" { // upstream may repeat its own
		address += "?" + query
	}
	return address, nil
}

// parseReference reads an address as browsers do: white space around it and line ends count for nothing, and %2e is a dot, so
// that no client finds a way up in it later.
func parseReference(s string) (*url.URL, error) {
	s = strings.NewReplacer("\t", "", "\n", "", "\r", "").Replace(strings.Trim(s, " "))
	s, _, _ = strings.Cut(s, "#")
	path, query, found := strings.Cut(s, "?")
	path = strings.NewReplacer("%2e", ".", "%2E", ".", `\`, "/").Replace(path)
	if found {
		path += "?" + query
	}
	u, err := url.Parse(path)
	if err == nil && u.Opaque != "" {
		err = fmt.Errorf("%q is no path", u.Scheme)
	}
	return u, err
}

// mark is that of a path at the origin that the server has now.
func (rt *route) mark(path string) string {
	return rt.guard.keys.mark(rt.name, origin(rt.target), path)
}

// marker stands before the mark in the address for messages.
const marker = "/~"

// message tells the mark and upstream's path in the address for messages that path is, if it is one of this server's.
func (rt *route) message(path string) (mark, upstream string, ok bool) {
	rest, ok := strings.CutPrefix(path, strings.TrimSuffix(rt.path, "/"))
	if !ok || path == rt.path {
		return "", "", false
	}
	if rest, ok = strings.CutPrefix(rest, marker); !ok {
		return "", "", false
	}
	mark, _, ok = strings.Cut(rest, "/")
	return mark, rest[len(mark):], ok
}

// to is the address at upstream that a request is for.
func (rt *route) to(r *http.Request) *url.URL {
	u, query := *rt.target, withoutToken(r.URL.RawQuery)
	if _, path, ok := rt.message(r.URL.EscapedPath()); ok {
		u.Path, _ = url.PathUnescape(path) // net/http has parsed it
		u.RawPath, u.RawQuery = path, query
		return &u
	}
	u.RawQuery = joinQuery(u.RawQuery, query)
	return &u
}

// find is the route of a path: its own, or an address for messages that this bearerd has named. Nil: there is none.
func (t table) find(path string) *route {
	if rt := t[path]; rt != nil || !strings.Contains(path, marker) {
		return rt
	}
	for _, rt := range t {
		if mark, upstream, ok := rt.message(path); ok && equal(mark, rt.mark(upstream)) == 1 {
			return rt
		}
	}
	return nil
}
