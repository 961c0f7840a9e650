package proxy

import (
	"io"
	"net/http"
	"slices"
	"strconv"
	"sync"

	"bearerd/inject/proxy/h1"
)

const (
	smallPiece = 1 << 10  // bytes of a chunked body that are waited for: events are small, and streams may be many
	sizeRoom   = 10       // bytes for the size of a chunk, with its line end
	pieceRoom  = 128      // bytes around the data of a chunk, where that is the last one too
	largePiece = 64 << 10 // bytes that are read at a time when much comes
)

var large = sync.Pool{New: func() any { return new([largePiece]byte) }}

// answer gives the caller upstream's answer, of which l.said holds the head; false: it was cut short. Upstream's connection is
// kept for the next request, if it may be.
func (l *lane) answer(rt *route, upstream *pooled) (ok bool) {
	keep, age := false, ageOf(l.resp.KeepAlive) // which lies in l.said
	defer func() {
		l.watch.over(nil)
		if keep {
			rt.quick.pool.put(upstream, age)
		} else {
			_ = upstream.Close()
		}
	}()
	l.writeHead(rt)
	if l.resp.Length < 0 {
		keep, ok = l.chunked(rt, upstream)
	} else {
		keep, ok = l.sized(upstream)
	}
	keep = keep && !l.resp.Close
	return ok
}

// writeHead puts the head of the answer into l.out.
func (l *lane) writeHead(rt *route) {
	a, b := &l.resp, append((*l.out)[:0], "HTTP/1.1 "...)
	b = append(append(strconv.AppendInt(b, int64(a.Status), 10), ' '), a.Reason...)
	b = append(b, "\r\n"...)
	for _, f := range a.Fields {
		if !ownField(rt, f) {
			b = appendField(b, f)
		}
	}
	switch {
	case a.Length < 0:
		b = append(b, "Transfer-Encoding: chunked\r\n"...)
	case a.Status != 204:
		b = append(strconv.AppendInt(append(b, "Content-Length: "...), a.Length, 10), "\r\n"...)
	}
	if l.front.ending.Load() {
		b = append(b, "Connection: close\r\n"...)
	}
	*l.out = append(b, "\r\n"...)
}

// ownField reports whether a field of upstream's is not for the caller.
func ownField(rt *route, f h1.Field) bool {
	return f.Is("bearerd-reason") || f.Is("www-authenticate") && rt.source != nil
}

// sized passes on a body of known length.
func (l *lane) sized(upstream *pooled) (keep, ok bool) {
	left, here := l.resp.Length, (*l.said)[l.body:]
	keep = int64(len(here)) <= left // more is nothing that was asked for
	if !keep {
		here = here[:left]
	}
	left -= int64(len(here))
	*l.out = append(*l.out, here...)
	if _, err := l.conn.Write(*l.out); err != nil {
		return false, false
	}
	if left == 0 {
		return keep, true
	}
	buf := large.Get().(*[largePiece]byte)
	defer large.Put(buf)
	for left > 0 {
		n, err := upstream.Read(buf[:min(largePiece, left)])
		if n > 0 {
			if _, werr := l.conn.Write(buf[:n]); werr != nil {
				return false, false
			}
			left -= int64(n)
		}
		if err != nil && left > 0 {
			return false, false
		}
	}
	return true, true
}

// chunked passes on a body of unknown length, each piece as it comes. Its end is upstream's own: it is never made up.
func (l *lane) chunked(rt *route, upstream *pooled) (keep, ok bool) {
	body := &chunkReader{rest: (*l.said)[l.body:], upstream: upstream, ready: l.wait}
	from := io.Reader(body)
	if l.namesEndpoint() {
		from = &opening{Closer: upstream, from: body, address: func(named string) (string, error) { return rt.localAddress(rt.target, named) }}
	}
	for room := smallPiece; ; {
		n, err := l.readPiece(from, room)
		if err != nil && err != io.EOF {
			_ = l.flush() // what has come so far is the caller's
			return false, false
		}
		last := err == io.EOF || from == body && body.Done()
		if last {
			*l.out = appendTrailers(append(*l.out, "0\r\n"...), rt, body.Trailers)
		}
		if l.flush() != nil {
			return false, false
		}
		if last {
			return !body.excess, true
		}
		if room = smallPiece; n >= smallPiece && (len(body.rest) > 0 || upstream.hasMore()) { // else it may be silent for long
			room = largePiece
		} else if cap(*l.out) > 2*fastHead {
			*l.out = make([]byte, 0, fastHead)
		}
	}
}

// wait prepares for a wait of any length for upstream.
func (l *lane) wait() error {
	l.thin()
	return l.flush()
}

// flush writes what is in l.out.
func (l *lane) flush() error {
	if len(*l.out) == 0 {
		return nil
	}
	_, err := l.conn.Write(*l.out)
	*l.out = (*l.out)[:0]
	return err
}

// readPiece adds to l.out the next piece of a body, of at most room bytes, as a chunk.
func (l *lane) readPiece(from io.Reader, room int) (n int, err error) {
	*l.out = slices.Grow(*l.out, room+pieceRoom)
	start := len(*l.out)
	data := (*l.out)[start+sizeRoom : start+sizeRoom+room]
	// Reading may write out what is before data, see wait: then the chunk begins at 0, and data is moved further to the left.
	if n, err = from.Read(data); n == 0 {
		return n, err
	}
	b := append(strconv.AppendInt(*l.out, int64(n), 16), "\r\n"...)
	*l.out = append(append(b, data[:n]...), "\r\n"...) // never to the right: a size takes less than sizeRoom
	return n, err
}

// namesEndpoint is the function of that name for an answer of this path.
func (l *lane) namesEndpoint() bool {
	if l.req.Method != http.MethodGet || l.resp.Status != http.StatusOK {
		return false
	}
	resp := &http.Response{StatusCode: l.resp.Status, Header: http.Header{}}
	for _, f := range l.resp.Fields {
		if f.Is("content-type") || f.Is("content-encoding") {
			resp.Header.Add(string(f.Name), string(f.Value))
		}
	}
	return namesEndpoint(l.req.Method, resp)
}

// appendTrailers ends a chunked body.
func appendTrailers(b []byte, rt *route, trailers []h1.Field) []byte {
	for _, f := range trailers {
		if rt.passesBehind(string(f.Name)) {
			b = appendField(b, f)
		}
	}
	return append(b, "\r\n"...)
}

// chunkReader reads a chunked body: what came with the head, then the rest from upstream.
type chunkReader struct {
	h1.Chunks
	rest     []byte
	upstream io.Reader
	ready    func() error // called before upstream is waited for
	excess   bool         // upstream has sent more than the body
}

func (r *chunkReader) Read(p []byte) (int, error) {
	for !r.Done() {
		n := copy(p, r.rest)
		r.rest = r.rest[n:]
		if n == 0 {
			err := r.ready()
			if err != nil {
				return 0, err
			}
			if n, err = r.upstream.Read(p); n == 0 {
				if err == io.EOF {
					err = io.ErrUnexpectedEOF
				}
				return 0, err
			}
		}
		if n, err := r.decode(p[:n]); n > 0 || err != nil {
			return n, err
		}
	}
	return 0, io.EOF
}

// decode leaves in p what of it is data, and gives its length.
func (r *chunkReader) decode(p []byte) (size int, err error) {
	for at := 0; at < len(p) && !r.Done(); {
		piece, n, err := r.Next(p[at:])
		if err != nil {
			return size, err
		}
		size += copy(p[size:], piece)
		if at += n; r.Done() {
			r.excess = at < len(p) || len(r.rest) > 0
		}
	}
	return size, nil
}
