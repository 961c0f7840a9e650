package jsonrpc

import "bytes"

// object walks over the members of a JSON object.
type object struct {
	line  []byte
	at    int    // the brace or comma before the next member; after the last one the closing brace; the place of the fault
	fault string // what stands there that must not; "": none so far
}

// next gives the next member: its name as it is written, quotes included, and its value. It says false at the end and at
// a fault.
func (o *object) next() (name, value []byte, more bool) {
	before := peek(o.line, o.at)
	if before == '}' {
		return nil, nil, false
	}
	if before != '{' && before != ',' {
		return o.fail(o.at, "not an object")
	}
	start := space(o.line, o.at+1)
	if before == '{' && peek(o.line, start) == '}' {
		o.at = start
		return nil, nil, false
	}
	if peek(o.line, start) != '"' {
		return o.fail(start, "not the name of a member")
	}
	end := skipString(o.line, start)
	if end < 0 {
		return o.fail(start, "a name that does not end")
	}
	name = o.line[start:end]
	if start = space(o.line, end); peek(o.line, start) != ':' {
		return o.fail(start, "not the colon after a name")
	}
	start = space(o.line, start+1)
	if end = skip(o.line, start); end < 0 {
		return o.fail(start, "not a value, or one that does not end")
	}
	value = o.line[start:end]
	o.at = space(o.line, end)
	if c := peek(o.line, o.at); c != ',' && c != '}' {
		return o.fail(o.at, "neither a comma nor the end of the object")
	}
	return name, value, true
}

func (o *object) fail(at int, fault string) (name, value []byte, more bool) {
	o.at, o.fault = at, fault
	return nil, nil, false
}

// peek is the byte at line[at], 0 behind the end.
func peek(line []byte, at int) byte {
	if at < len(line) {
		return line[at]
	}
	return 0
}

// space is where the white space at line[at] ends.
func space(line []byte, at int) int {
	for at < len(line) && (line[at] == ' ' || line[at] == '\t' || line[at] == '\r' || line[at] == '\n') {
		at++
	}
	return at
}

// skip is where the value at line[at] ends; -1: there is none, or it does not end.
func skip(line []byte, at int) int {
	switch peek(line, at) {
	case '"':
		return skipString(line, at)
	case '{', '[':
		return skipNested(line, at)
	}
	end := at
	for end < len(line) && class[line[end]] == scalar {
		end++
	}
	if end == at {
		return -1
	}
	return end
}

const (
	other  = iota
	scalar // may stand in a number, true, false or null
	quote
	opens
	closes
)

var class = func() (table [256]byte) {
	for _, c := range []byte("+-.0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz") {
		table[c] = scalar
	}
	table['"'] = quote
	table['{'], table['['] = opens, opens
	table['}'], table[']'] = closes, closes
	return table
}()

// skipNested is where the object or array at line[at] ends. It counts brackets, whichever they are.
func skipNested(line []byte, at int) int {
	depth := 0
	for at < len(line) {
		switch class[line[at]] {
		case quote:
			if at = skipString(line, at); at < 0 {
				return -1
			}
			continue
		case opens:
			depth++
		case closes:
			if depth--; depth == 0 {
				return at + 1
			}
		}
		at++
	}
	return -1
}

// skipString is where the string at line[at], a quote, ends.
func skipString(line []byte, at int) int {
	for at++; at < len(line); {
		for near := min(at+16, len(line)); at < near; at++ { // for so few bytes a call of IndexByte is too dear
			switch line[at] {
			case '"':
				return at + 1
			case '\\':
				at++
			}
		}
		if at >= len(line) {
			break
		}
		n := bytes.IndexByte(line[at:], '"')
		if n < 0 {
			break
		}
		escapes := 0
		for escapes < n && line[at+n-escapes-1] == '\\' {
			escapes++
		}
		if at += n + 1; escapes%2 == 0 {
			return at
		}
	}
	return -1
}
