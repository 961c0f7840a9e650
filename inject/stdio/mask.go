package stdio

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"bearerd/config"
	"bearerd/secrets"
)

const (
	masked    = "[masked]"
	minSecret = len(masked) // in bytes: a shorter one would be found in ordinary words, and the text would grow
	maxEscape = 6           // bytes for each byte of a secret, at most: \u0041
)

// hidden is what must not be seen in what a child prints: its token, and what env refers to. The values of literals are in the
// configuration for all to read.
func hidden(s *config.Server, token secrets.Secret, declared map[string]secrets.Secret) []secrets.Secret {
	values := []string{token.Reveal()}
	for name, value := range declared {
		if ref, ok := s.Env[name]; ok && ref.Kind != secrets.Literal {
			values = append(values, value.Reveal())
			values = append(values, strings.FieldsFunc(value.Reveal(), func(r rune) bool { return r == '\n' || r == '\r' })...)
		}
	}
	var all []string
	for _, v := range values {
		if len(v) >= minSecret {
			all = append(all, forms(v)...)
		}
	}
	return hide(all)
}

func hide(all []string) (list []secrets.Secret) {
	slices.Sort(all)
	for _, form := range slices.Compact(all) {
		list = append(list, secrets.New(form))
	}
	return list
}

// hide says what Mask is to look for besides what the child was started with.
func (l *Launch) hide(later []secrets.Secret) {
	var all []string
	for _, secret := range later {
		if v := secret.Reveal(); len(v) >= minSecret {
			all = append(all, forms(v)...)
		}
	}
	list := hide(all)
	l.also.Store(&list)
}

// secrets are all the forms that Mask looks for.
func (l *Launch) secrets() []secrets.Secret {
	if also := l.also.Load(); also != nil && len(*also) > 0 {
		return slices.Concat(l.hidden, *also)
	}
	return l.hidden
}

// forms are the value, what printable makes of it, and the part of its base64 that is the same whatever stands before and
// behind it, such as "Bearer ", for each of the three ways in which it can meet the groups of three bytes. URL and
// JSON escapes are undone before these are looked for.
func forms(value string) []string {
	list := []string{value}
	if p := string(printable([]byte(value))); len(p) >= minSecret {
		list = append(list, p)
	}
	for _, encoding := range []*base64.Encoding{base64.StdEncoding, base64.URLEncoding} {
		for before := range 3 {
			text := encoding.EncodeToString([]byte(strings.Repeat("\x00", before) + value))
			list = append(list, text[(before*8+5)/6:(before+len(value))*8/6])
		}
	}
	return list
}

// Mask replaces the secrets that a child was given in what it prints: its token and the values that env refers to, if they are 8
// bytes or longer, also where they are URL- or JSON-escaped or part of something in base64. It returns line itself when
// there are none.
func (l *Launch) Mask(line []byte) []byte { return l.mask(line, len(line)) }

// mask also cuts the line after limit bytes, or after the secret that lies there.
func (l *Launch) mask(line []byte, limit int) []byte {
	var out []byte
	from := 0
	for _, s := range l.find(line) {
		if s.from >= limit {
			break
		}
		out = append(append(out, line[from:s.from]...), masked...)
		from = s.to
	}
	if from == 0 {
		return line[:limit]
	}
	return append(out, line[from:max(from, limit)]...)
}

// span is a part of a line.
type span struct{ from, to int }

// find gives the spans of secrets in order; those that overlap or touch are one.
func (l *Launch) find(line []byte) (list []span) {
	list = l.search(line, list, nil)
	for _, e := range []struct {
		sign   string
		decode func([]byte) ([]byte, int)
	}{{"%", fromURL}, {"+", fromForm}, {`\`, fromJSON}} {
		if bytes.Contains(line, []byte(e.sign)) {
			text, at := unescape(line, e.decode)
			list = l.search(text, list, at)
		}
	}
	if bytes.IndexFunc(line, isMark) >= 0 {
		text, at := unescape(line, withoutMarks)
		list = l.search(text, list, at)
	}
	slices.SortFunc(list, func(a, b span) int { return cmp.Compare(a.from, b.from) })
	merged := list[:0]
	for _, s := range list {
		if last := len(merged) - 1; last >= 0 && s.from <= merged[last].to {
			merged[last].to = max(merged[last].to, s.to)
		} else {
			merged = append(merged, s)
		}
	}
	return merged
}

// search adds the spans of secrets in text. at, if not nil, says where each byte of text stands in the line.
func (l *Launch) search(text []byte, list []span, at []int) []span {
	for _, secret := range l.secrets() {
		form := []byte(secret.Reveal())
		for from := 0; ; {
			i := bytes.Index(text[from:], form)
			if i < 0 {
				break
			}
			s := span{from + i, from + i + len(form)}
			from = s.from + 1
			if at != nil {
				s = span{at[s.from], at[s.to]}
			}
			list = append(list, s)
		}
	}
	return list
}

// unescape decodes all of a line. at holds where each byte of text began in it, and its end.
func unescape(line []byte, decode func([]byte) ([]byte, int)) (text []byte, at []int) {
	for i := 0; i < len(line); {
		decoded, width := decode(line[i:])
		for range decoded {
			at = append(at, i)
		}
		text = append(text, decoded...)
		i += width
	}
	return text, append(at, len(line))
}

// fromURL, fromForm and fromJSON decode what a text begins with, and say how long it is. They take what is wrong as it is.
func fromURL(text []byte) ([]byte, int) {
	if text[0] == '%' && len(text) > 2 {
		if b, err := strconv.ParseUint(string(text[1:3]), 16, 8); err == nil {
			return []byte{byte(b)}, 3
		}
	}
	return text[:1], 1
}

// withoutMarks takes away what changes how the character before it looks: nobody sees a variation selector within a token.
func withoutMarks(text []byte) ([]byte, int) {
	r, width := utf8.DecodeRune(text)
	if isMark(r) {
		return nil, width
	}
	return text[:width], width
}

func isMark(r rune) bool { return r >= utf8.RuneSelf && unicode.In(r, unicode.Mn, unicode.Me) }

func fromForm(text []byte) ([]byte, int) {
	if text[0] == '+' {
		return []byte(" "), 1
	}
	return fromURL(text)
}

func fromJSON(text []byte) ([]byte, int) {
	if text[0] != '\\' || len(text) < 2 {
		return text[:1], 1
	}
	if i := strings.IndexByte(`"\/bfnrt`, text[1]); i >= 0 {
		return []byte("\"\\/\b\f\n\r\t"[i : i+1]), 2
	}
	r, ok := unit(text)
	if !ok {
		return text[:1], 1
	}
	if low, ok := unit(text[6:]); ok && utf16.IsSurrogate(r) {
		return utf8.AppendRune(nil, utf16.DecodeRune(r, low)), 12
	}
	return utf8.AppendRune(nil, r), 6
}

// unit reads \uXXXX.
func unit(text []byte) (rune, bool) {
	if len(text) < 6 || text[0] != '\\' || text[1] != 'u' {
		return 0, false
	}
	n, err := strconv.ParseUint(string(text[2:6]), 16, 16)
	return rune(n), err == nil
}
