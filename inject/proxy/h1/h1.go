// Package h1 reads the heads and the chunks of common HTTP/1.1 messages (RFC 9112) that lie in memory. What is not
// common it refuses with ErrUncommon, in doubt too, so that its caller hands the message to net/http: it takes nothing
// that net/http would refuse or read otherwise. It does no I/O, imports no net/http, knows neither tokens nor servers, and
// allocates nothing for a common message.
package h1

import (
	"bytes"
	"errors"
	"slices"
)

var (
	// ErrIncomplete says that the head goes on: read more and ask again.
	ErrIncomplete = errors.New("the head of the message is not complete")
	// ErrUncommon says that the message, which may be valid or not, is one for net/http.
	ErrUncommon = errors.New("the message is not a common one")
)

// maxFields is how many field lines a head or a trailer section may have.
const maxFields = 64

// Field is one field line (RFC 9112 §5): its name as written and its value without the white space around it. Both lie in
// the buffer that was parsed.
type Field struct{ Name, Value []byte }

// Is reports whether the name of f is lower, which is in lower case; the case of f's own does not matter.
func (f Field) Is(lower string) bool { return equalFold(f.Name, lower) }

// equalFold reports whether b is lower but for the case of ASCII letters.
func equalFold(b []byte, lower string) bool {
	if len(b) != len(lower) {
		return false
	}
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		if c != lower[i] {
			return false
		}
	}
	return true
}

// end finds the end of the head that buf begins with: n is its length, the empty line included. After ErrIncomplete the caller
// reads more, within a limit of its own; a head with a bare LF or without a first line is ErrUncommon at once.
func end(buf []byte) (n int, err error) {
	for {
		i := bytes.IndexByte(buf[n:], '\n')
		if i < 0 {
			return 0, ErrIncomplete
		}
		i += n
		switch n = i + 1; {
		case i < 2 || buf[i-1] != '\r':
			return 0, ErrUncommon
		case buf[i-2] == '\n':
			return n, nil
		}
	}
}

// cutLine takes the first line, without its CRLF, off a section whose lines are known to end so.
func cutLine(section []byte) (line, rest []byte) {
	i := bytes.IndexByte(section, '\n')
	return section[:i-1], section[i+1:]
}

// fields gives each field line of a complete section, up to the empty line that ends it, to take, and reports whether
// all are common and taken.
func fields(section []byte, take func(Field) bool) bool {
	for count := 0; len(section) > len("\r\n"); count++ {
		f, rest, ok := cutField(section)
		if !ok || count == maxFields || !take(f) {
			return false
		}
		section = rest
	}
	return true
}

// cutField takes the first field line off. White space before the colon or at the start of the line (obs-fold), an empty
// name, and bytes that do not belong into a name or a value are not ok.
func cutField(section []byte) (f Field, rest []byte, ok bool) {
	line, rest := cutLine(section)
	name, value, ok := bytes.Cut(line, []byte{':'})
	if !ok || len(name) == 0 || !all(name, inName) || !all(value, inValue) {
		return Field{}, nil, false
	}
	return Field{Name: name, Value: trim(value)}, rest, true
}

// trim takes off optional white space (RFC 9110 §5.6.3).
func trim(b []byte) []byte {
	for len(b) > 0 && (b[0] == ' ' || b[0] == '\t') {
		b = b[1:]
	}
	for len(b) > 0 && (b[len(b)-1] == ' ' || b[len(b)-1] == '\t') {
		b = b[:len(b)-1]
	}
	return b
}

// refused are the fields, in requests and in answers, whose message is one for net/http: they change the framing or count
// for one connection only (as do those that begin with Proxy-), and net/http adds a Cache-Control to what has a Pragma.
var refused = []string{"expect", "http2-settings", "pragma", "te", "trailer", "transfer-encoding", "upgrade"}

func (f Field) refused() bool {
	const prefix = "proxy-"
	return slices.ContainsFunc(refused, f.Is) || len(f.Name) >= len(prefix) && equalFold(f.Name[:len(prefix)], prefix)
}

// length reads a Content-Length (RFC 9110 §8.6): digits alone, few enough that they cannot overflow.
func length(value []byte) (n int64, ok bool) {
	if len(value) == 0 || len(value) > 18 || !all(value, inNumber) {
		return 0, false
	}
	for _, c := range value {
		n = 10*n + int64(c-'0')
	}
	return n, true
}

// A set is where a byte may stand.
type set uint8

const (
	inName   set = 1 << iota // tchar, RFC 9110 §5.6.2
	inValue                  // visible ASCII, SP and HTAB: also in a reason phrase and in a chunk extension
	inHost                   // a subset of RFC 3986 §3.2.2
	inPath                   // what net/url leaves as it is: RFC 3986 §3.3 with [ and ]
	inQuery                  // visible ASCII without #
	inNumber                 // a digit
	inHex                    // a hexadecimal digit
)

var sets = makeSets()

func makeSets() (sets [256]set) {
	const letters, digits = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ", "0123456789"
	add := func(s set, members string) {
		for _, c := range []byte(members) {
			sets[c] |= s
		}
	}
	add(inName, letters+digits+"!#$%&'*+-.^_`|~")
	add(inHost, letters+digits+"-._:[]")
	add(inPath, letters+digits+"-._~!$&'()*+,;=:@/[]%")
	add(inNumber, digits)
	add(inHex, digits+"abcdefABCDEF")
	add(inValue, " \t")
	for c := byte('!'); c <= '~'; c++ {
		sets[c] |= inValue
		if c != '#' {
			sets[c] |= inQuery
		}
	}
	return sets
}

func all(b []byte, in set) bool {
	for _, c := range b {
		if sets[c]&in == 0 {
			return false
		}
	}
	return true
}
