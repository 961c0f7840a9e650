package config

import (
	"bytes"
	"io"
	"os"
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
	refuse := refuseHCL
	if s.json {
		refuse = refuseJSON
	}
	if r := refuse(s.bytes); r != nil {
		return s.rangeAt(r.at), r.message, r.remedy
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
