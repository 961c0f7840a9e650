package config

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"strings"
	"unicode/utf8"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// The parsers below recurse without a limit, and a stack that overflows ends the process. So size and nesting are checked
// before they see a file.
const (
	maxFile  = 256 << 10 // bytes
	maxDepth = 64
)

func readLimited(f *os.File) ([]byte, error) {
	return io.ReadAll(io.LimitReader(f, maxFile+1))
}

// guard refuses what the parsers cannot take. It drops a byte order mark.
func (s *source) guard() (at hcl.Range, message, remedy string) {
	s.bytes = bytes.TrimPrefix(s.bytes, []byte("\ufeff"))
	switch {
	case len(s.bytes) > maxFile:
		return at, "the file is over 256 KiB", "split it into several files in one folder"
	case !utf8.Valid(s.bytes):
		return at, "the file is not valid UTF-8", "save it as UTF-8"
	}
	if i := bytes.IndexByte(s.bytes, 0); i >= 0 {
		return s.rangeAt(i), "the file holds a NUL byte", "remove it"
	}
	depth := depthHCL
	if s.json {
		depth = depthJSON
	}
	if i := depth(s.bytes); i >= 0 {
		return s.rangeAt(i), "nested deeper than 64 levels", "flatten it"
	}
	return at, "", ""
}

// blank reports whether there is nothing but white space and comments.
func (s *source) blank() bool {
	if s.json {
		return blankJSON(s.bytes)
	}
	tokens, _ := hclsyntax.LexConfig(s.bytes, "", hcl.InitialPos)
	for _, t := range tokens {
		switch t.Type {
		case hclsyntax.TokenComment, hclsyntax.TokenNewline, hclsyntax.TokenEOF:
		default:
			return false
		}
	}
	return true
}

func blankJSON(src []byte) bool {
	for {
		src = bytes.TrimLeft(src, " \t\r\n")
		end := commentEnd(src, 0)
		if end == 0 {
			return len(src) == 0
		}
		src = src[end:]
	}
}

// rangeAt is the position of one byte.
func (s *source) rangeAt(i int) hcl.Range {
	before := s.bytes[:i]
	p := hcl.Pos{
		Line:   bytes.Count(before, []byte("\n")) + 1,
		Column: utf8.RuneCount(before[bytes.LastIndexByte(before, '\n')+1:]) + 1,
		Byte:   i,
	}
	return hcl.Range{Filename: s.path, Start: p, End: p}
}

// closers names the token that ends what a token opens.
var closers = map[hclsyntax.TokenType]hclsyntax.TokenType{
	hclsyntax.TokenOBrace:          hclsyntax.TokenCBrace,
	hclsyntax.TokenOBrack:          hclsyntax.TokenCBrack,
	hclsyntax.TokenOParen:          hclsyntax.TokenCParen,
	hclsyntax.TokenOQuote:          hclsyntax.TokenCQuote,
	hclsyntax.TokenOHeredoc:        hclsyntax.TokenCHeredoc,
	hclsyntax.TokenTemplateInterp:  hclsyntax.TokenTemplateSeqEnd,
	hclsyntax.TokenTemplateControl: hclsyntax.TokenTemplateSeqEnd,
}

// depthHCL returns where the nesting first passes the limit, or -1.
func depthHCL(src []byte) int {
	tokens, _ := hclsyntax.LexConfig(src, "", hcl.InitialPos)
	return tokenDepth(tokens)
}

// tokenDepth ignores a closing token that does not match, so that wrong ones cannot hide the nesting.
func tokenDepth(tokens hclsyntax.Tokens) int {
	var open []hclsyntax.TokenType
	for _, t := range tokens {
		if closer, ok := closers[t.Type]; ok {
			open = append(open, closer)
		} else if n := len(open); n > 0 && open[n-1] == t.Type {
			open = open[:n-1]
		}
		if len(open) > maxDepth {
			return t.Range.Start.Byte
		}
	}
	return -1
}

// depthJSON returns where the nesting first passes the limit, or -1. HCL reads each string as a template, so brackets in
// a string with "${" or "%{" count too.
func depthJSON(src []byte) int {
	depth := 0
	for i := 0; i < len(src); i++ {
		switch src[i] {
		case '{', '[':
			depth++
		case '}', ']':
			depth = max(depth-1, 0)
		case '"':
			end := stringEnd(src, i)
			if deepTemplate(src[i:end]) {
				return i
			}
			i = end - 1
		case '/':
			i = max(i, commentEnd(src, i)-1)
		}
		if depth > maxDepth {
			return i
		}
	}
	return -1
}

// stringEnd returns the index after the JSON string that starts at i, or after the line for one that is not closed.
func stringEnd(src []byte, i int) int {
	for i++; i < len(src); i++ {
		switch src[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		case '\n':
			return i
		}
	}
	return len(src)
}

// commentEnd returns the index after the comment that starts at i, or i when none does.
func commentEnd(src []byte, i int) int {
	rest, end := src[i:], -1
	switch {
	case bytes.HasPrefix(rest, []byte("//")):
		end = bytes.IndexByte(rest, '\n')
	case bytes.HasPrefix(rest, []byte("/*")):
		if end = bytes.Index(rest[2:], []byte("*/")); end >= 0 {
			end += 4
		}
	default:
		return i
	}
	if end < 0 {
		return len(src)
	}
	return i + end
}

// deepTemplate reports whether a JSON string is a template that passes the limit.
func deepTemplate(quoted []byte) bool {
	var text string
	if json.Unmarshal(quoted, &text) != nil || !strings.Contains(text, "${") && !strings.Contains(text, "%{") {
		return false // not closed or not a template: nothing will parse it
	}
	tokens, _ := hclsyntax.LexTemplate([]byte(text), "", hcl.InitialPos)
	return tokenDepth(tokens) >= 0
}
