package h1

import (
	"bytes"
	"slices"
)

// Request is the head of a common request. All but Method lies in the buffer that was parsed.
type Request struct {
	Method string // POST, GET or DELETE
	Path   []byte // of the target, as written; it begins with "/"
	Query  []byte // of the target, as written, without "?"
	Host   []byte
	Length int64 // of the body, in bytes; 0: none. It may be above 0 with POST alone

	// Fields are all others in their order, without Host, Content-Length, "Connection: keep-alive" and Keep-Alive.
	Fields []Field
}

// Parse reads the head that buf begins with; n is its length, the empty line included. It reuses r.Fields. After
// ErrIncomplete or ErrUncommon r says nothing.
func (r *Request) Parse(buf []byte) (n int, err error) {
	*r = Request{Length: -1, Fields: r.Fields[:0]}
	if n, err = end(buf); err != nil {
		return 0, err
	}
	line, rest := cutLine(buf[:n])
	if !r.start(line) || !fields(rest, r.take) || r.Host == nil || !r.framed() {
		return 0, ErrUncommon
	}
	return n, nil
}

// start reads the request line (RFC 9112 §3).
func (r *Request) start(line []byte) bool {
	method, rest, _ := bytes.Cut(line, []byte{' '})
	switch string(method) {
	case "POST":
		r.Method = "POST"
	case "GET":
		r.Method = "GET"
	case "DELETE":
		r.Method = "DELETE"
	default:
		return false
	}
	target, version, _ := bytes.Cut(rest, []byte{' '})
	return string(version) == "HTTP/1.1" && r.target(target)
}

// target reads the origin form (RFC 9112 §3.2.1). A path that net/url would write otherwise, and a "?" with nothing behind
// it, are not taken.
func (r *Request) target(target []byte) bool {
	path, query, asked := bytes.Cut(target, []byte{'?'})
	if len(path) == 0 || path[0] != '/' || !all(path, inPath) || !escaped(path) {
		return false
	}
	r.Path, r.Query = path, query
	return all(query, inQuery) && asked == (len(query) > 0)
}

// escaped reports whether two hexadecimal digits follow each "%".
func escaped(path []byte) bool {
	for {
		i := bytes.IndexByte(path, '%')
		if i < 0 {
			return true
		}
		if path = path[i+1:]; len(path) < 2 || !all(path[:2], inHex) {
			return false
		}
	}
}

func (r *Request) take(f Field) (ok bool) {
	switch {
	case f.Is("host"):
		ok = r.Host == nil && len(f.Value) > 0 && all(f.Value, inHost)
		r.Host = f.Value
		return ok
	case f.Is("content-length"):
		if r.Length >= 0 {
			return false
		}
		r.Length, ok = length(f.Value)
		return ok
	case f.Is("connection"):
		return equalFold(f.Value, "keep-alive")
	case f.Is("keep-alive"):
		return true
	case f.refused(), slices.ContainsFunc(once, f.Is) && (len(f.Value) == 0 || r.has(f.Name)):
		return false
	}
	r.Fields = append(r.Fields, f)
	return true
}

// once are the fields of which net/http takes the first alone, and none that is empty.
var once = []string{"authorization", "user-agent"}

func (r *Request) has(name []byte) bool {
	return slices.ContainsFunc(r.Fields, func(f Field) bool { return bytes.EqualFold(f.Name, name) })
}

// framed reports whether it is clear where the body ends (RFC 9112 §6.3): a POST says its length, the others have none.
func (r *Request) framed() bool {
	if r.Method == "POST" {
		return r.Length >= 0
	}
	none := r.Length <= 0
	r.Length = 0
	return none
}
