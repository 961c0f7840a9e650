package stdio

import "testing"

func TestPrintable(t *testing.T) {
	for line, want := range map[string]string{
		"plain\ttext äöü 漢字 🙂":                        "plain\ttext äöü 漢字 🙂",
		"\x1b[1;31mred\x1b[0m \x1b[?25lgone\x1b[K":    "red gone",
		"\x1b]0;title\aa\x1b]8;;http://x\x1b\\link":   "alink",
		"\x1bPdcs\x1b\\a\x1b_apc\u009cb\x1b^pm\ac":    "abc",
		"\u009b31mred\u009d0;t\u009c!\u0085":          "red!",
		"\x1b(Ba\x1bcb\x1b7c\x1b":                     "abc",
		"\x1b[\x1b[31mx":                              "x",
		"\x1b]open":                                   "",
		"\x1b[12":                                     "",
		"a\x00b\x07c\x08d\re\x7ff":                    "abcdef",
		"a\u202eb\u2066c\u200bd\u2028e\u2029f\ufeffg": "abcdefg",
		"\xff\xc3(":                                   "\ufffd\ufffd(",
		"\x1bä":                                       "ä",
	} {
		if got := string(printable([]byte(line))); got != want {
			t.Errorf("%q: got %q, want %q", line, got, want)
		}
	}
}

// What it lets through holds nothing more to take away, and it reads to the end of anything.
func FuzzPrintable(f *testing.F) {
	f.Add([]byte("\x1b[31mred\x1b]0;x\a\u009b1m\xff"))
	f.Fuzz(func(t *testing.T, line []byte) {
		once := printable(line)
		if twice := printable(once); string(twice) != string(once) {
			t.Errorf("%q became %q, then %q", line, once, twice)
		}
	})
}
