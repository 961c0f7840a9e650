package config

import (
	"bytes"
	"regexp"
	"strings"
	"unicode"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// snippetWidth is how many characters of a line are shown. Of a very long line snippetReach bytes on both sides of the
// subject are looked at, so that many findings on one line stay cheap.
const (
	snippetWidth = 120
	snippetReach = 2 * snippetWidth
)

// snippet is the line that at begins on. Only names that we know, punctuation and, when it is no secret, the text of at
// itself are shown; the rest is "…". A line of a file that does not parse shows no more than the name it begins with.
func snippet(at place) string {
	src := at.src.bytes
	from := min(max(at.rng.Start.Byte, 0), len(src))
	to := min(from+max(at.show, 0), len(src))
	first, last := max(from-snippetReach, 0), min(from+snippetReach, len(src))
	begin := first + bytes.LastIndexByte(src[first:from], '\n') + 1
	end := last
	if i := bytes.IndexByte(src[begin:last], '\n'); i >= 0 {
		end = begin + i
	}
	hidden := at.src.mask()
	var out strings.Builder
	subject := 0
	for i := begin; i < end; i++ {
		if i == from {
			subject = len([]rune(out.String()))
		}
		shown := !at.src.broken && i >= from && i < to
		if shown || !hidden[i] {
			out.WriteByte(src[i])
		} else if i == begin || !hidden[i-1] || at.show > 0 && i == to {
			out.WriteRune('…')
		}
	}
	return window(out.String(), subject)
}

// window cuts a long line to the part about the subject.
func window(line string, subject int) string {
	line = strings.Map(func(r rune) rune {
		if r == '\t' || !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, line)
	r := []rune(line)
	if len(r) <= snippetWidth {
		return strings.TrimSpace(line)
	}
	from := max(0, min(subject-snippetWidth/3, len(r)-snippetWidth))
	return strings.TrimSpace(string(r[from : from+snippetWidth]))
}

// mask tells of each byte whether it must not be shown.
func (s *source) mask() []bool {
	if s.hidden != nil {
		return s.hidden
	}
	s.hidden = make([]bool, len(s.bytes))
	for i := range s.hidden {
		s.hidden[i] = true
	}
	switch {
	case s.broken:
		s.revealFirstNames()
	case s.json:
		s.revealJSON()
	default:
		s.revealHCL()
	}
	return s.hidden
}

func (s *source) reveal(from, to int) {
	for i := from; i < to; i++ {
		s.hidden[i] = false
	}
}

var firstName = regexp.MustCompile(`(?m)^[ \t]*"?([A-Za-z_]+)\b`)

func (s *source) revealFirstNames() {
	for _, m := range firstName.FindAllSubmatchIndex(s.bytes, -1) {
		if knownNames[string(s.bytes[m[2]:m[3]])] {
			s.reveal(m[0], m[3])
		}
	}
}

func (s *source) revealHCL() {
	tokens, _ := hclsyntax.LexConfig(s.bytes, "", hcl.InitialPos)
	last := 0
	for _, t := range tokens {
		from, to := t.Range.Start.Byte, t.Range.End.Byte
		s.reveal(last, from) // white space
		last = to
		switch t.Type {
		case hclsyntax.TokenIdent:
			if knownNames[string(t.Bytes)] {
				s.reveal(from, to)
			}
		case hclsyntax.TokenOBrace, hclsyntax.TokenCBrace, hclsyntax.TokenOBrack, hclsyntax.TokenCBrack,
			hclsyntax.TokenOParen, hclsyntax.TokenCParen, hclsyntax.TokenOQuote, hclsyntax.TokenCQuote,
			hclsyntax.TokenEqual, hclsyntax.TokenComma, hclsyntax.TokenColon, hclsyntax.TokenNewline:
			s.reveal(from, to)
		}
	}
}

func (s *source) revealJSON() {
	for i := 0; i < len(s.bytes); i++ {
		c := s.bytes[i]
		switch {
		case c == '"':
			end := stringEnd(s.bytes, i)
			s.hidden[i], s.hidden[end-1] = false, false
			if key := s.bytes[i+1 : max(end-1, i+1)]; s.isKey(end) && knownNames[string(key)] {
				s.reveal(i, end)
			}
			i = end - 1
		case strings.IndexByte("{}[]:, \t\r\n", c) >= 0:
			s.hidden[i] = false
		}
	}
}

// isKey reports whether a colon follows at i.
func (s *source) isKey(i int) bool {
	return bytes.HasPrefix(bytes.TrimLeft(s.bytes[i:], " \t\r\n"), []byte(":"))
}
