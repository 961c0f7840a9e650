package jsonrpc

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Field gives the raw JSON of a member of the object raw, nil when it is not there; a path goes inwards:
// Field(params, "_meta", "progressToken"). The last of several members with one name holds.
func Field(raw []byte, path ...string) []byte {
	for _, want := range path {
		members := object{line: raw, at: space(raw, 0)}
		var found []byte
		for {
			name, value, more := members.next()
			if !more {
				break
			}
			if name = plain(name); string(name[1:len(name)-1]) == want {
				found = value
			}
		}
		if members.fault != "" || found == nil {
			return nil
		}
		raw = found
	}
	return raw
}

// Text is the string that raw holds, "" when it holds none.
func Text(raw []byte) string {
	raw = bytes.TrimSpace(raw)
	if peek(raw, 0) != '"' || skipString(raw, 0) != len(raw) {
		return ""
	}
	if bytes.IndexByte(raw, '\\') < 0 && utf8.Valid(raw) {
		return string(raw[1 : len(raw)-1])
	}
	var text string
	if json.Unmarshal(raw, &text) != nil {
		return ""
	}
	return text
}

// plain is a member's name, in its quotes, without escapes: "\u0069d" is "id" to every other reader.
func plain(name []byte) []byte {
	if bytes.IndexByte(name, '\\') < 0 {
		return name
	}
	return []byte(`"` + Text(name) + `"`)
}

// Key is an id in a form that is equal for equal ids: 1 and 1.0, "a\/b" and "a/b"; a number and a string never are. It is
// "" for none and for null.
func Key(id []byte) string {
	id = unlessNull(bytes.TrimSpace(id))
	switch {
	case peek(id, 0) == '"':
		return `"` + Text(id)
	case numeric(id):
		return canonical(string(id))
	}
	return string(id)
}

// numeric reports whether raw looks like a number, as far as its characters go.
func numeric(raw []byte) bool {
	for _, c := range raw {
		if (c < '0' || c > '9') && c != '-' && c != '+' && c != '.' && c != 'e' && c != 'E' {
			return false
		}
	}
	return len(raw) > 0 && (raw[0] == '-' || raw[0] >= '0' && raw[0] <= '9')
}

// canonical writes equal numbers equally and different ones differently: integers of up to 20 digits plainly, others as
// their digits and an exponent. It computes nothing in floating point, which would confuse large integers.
func canonical(number string) string {
	if len(number) <= 20 && number[0] != '-' && !strings.ContainsAny(number, ".eE") {
		return number
	}
	digits, sign := strings.CutPrefix(number, "-")
	exponent := 0
	if e := strings.IndexAny(digits, "eE"); e >= 0 {
		var err error
		if exponent, err = strconv.Atoi(digits[e+1:]); err != nil || exponent > 1<<30 || exponent < -1<<30 {
			return number // too large to be anybody's id
		}
		digits = digits[:e]
	}
	whole, fraction, _ := strings.Cut(digits, ".")
	digits = strings.TrimLeft(whole+fraction, "0")
	exponent -= len(fraction)
	if digits == "" {
		return "0"
	}
	short := strings.TrimRight(digits, "0")
	exponent += len(digits) - len(short)
	if exponent >= 0 && len(short)+exponent <= 20 {
		short += strings.Repeat("0", exponent)
	} else {
		short += "e" + strconv.Itoa(exponent)
	}
	if sign {
		return "-" + short
	}
	return short
}
