package stdio

import (
	"bytes"
	"unicode"
	"unicode/utf8"
)

// printable takes from a line what a terminal would act on, what reorders text and what cannot be seen: escape sequences of ECMA-48
// whole, control characters other than the tab, format characters such as bidi overrides and zero-width ones, U+2028 and
// U+2029. Invalid UTF-8 becomes U+FFFD.
func printable(line []byte) []byte {
	out := make([]byte, 0, len(line))
	for len(line) > 0 {
		r, width := utf8.DecodeRune(line)
		if r == '\x1b' || r >= 0x80 && r < 0xa0 {
			line = line[sequence(line):]
			continue
		}
		line = line[width:]
		if r == '\t' || !unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp) {
			out = utf8.AppendRune(out, r)
		}
	}
	return out
}

// sequence is the length of the escape sequence, or of the C1 control, that text begins with.
func sequence(text []byte) int {
	r, width := utf8.DecodeRune(text)
	if r == '\x1b' {
		if len(text) < 2 {
			return width
		}
		r, width = rune(text[1])+0x40, 2 // ESC [ is the same as U+009B, and so on
		if text[1] < 0x40 || text[1] > 0x5f {
			return escape(text)
		}
	}
	switch r {
	case 0x9b: // CSI: parameters, intermediates, one final byte
		for width < len(text) && text[width] >= 0x20 && text[width] < 0x40 {
			width++
		}
		if width < len(text) && text[width] >= 0x40 && text[width] < 0x7f {
			width++
		}
	case 0x90, 0x98, 0x9d, 0x9e, 0x9f: // DCS, SOS, OSC, PM and APC: a text up to ST, or BEL
		return width + controlString(text[width:])
	}
	return width
}

// escape is the length of an escape sequence of intermediates and one final byte, such as ESC ( B.
func escape(text []byte) int {
	width := 1
	for width < len(text) && text[width] >= 0x20 && text[width] < 0x30 {
		width++
	}
	if width < len(text) && text[width] >= 0x30 && text[width] < 0x7f {
		width++
	}
	return width
}

// controlString is the length of a control string with its end: BEL, ESC \ or U+009C. Without one it takes all.
func controlString(text []byte) int {
	end := len(text)
	for _, stop := range []string{"\a", "\x1b\\", "\u009c"} {
		if i := bytes.Index(text[:end], []byte(stop)); i >= 0 && i+len(stop) < end {
			end = i + len(stop)
		}
	}
	return end
}
