package vault

import (
	"strings"
	"testing"
)

func TestKeysSurviveTheirEncoding(t *testing.T) {
	seen := map[string]string{}
	for key, want := range map[string]string{
		"grant/search":   "grant/search",
		"a.b/_-":         "a.b/_-",
		"a b":            "a=20b",
		"..":             ".=2E",
		".":              "=2E",
		"a..b":           "a.=2Eb",
		"a//b/":          "a/=/b/=",
		"=":              "=3D",
		"ü":              "=C3=BC",
		"x?y#z%2F+*{{}}": "x=3Fy=23z=252F=2B=2A=7B=7B=7D=7D",
	} {
		got := encode(key)
		if got != want || strings.Contains(got, "..") {
			t.Errorf("encode(%q) = %q, want %q", key, got, want)
		}
		if other, ok := seen[got]; ok {
			t.Errorf("%q and %q are both %q", key, other, got)
		}
		seen[got] = key
		parts := strings.Split(got, "/")
		for i, part := range parts {
			var err error
			if parts[i], err = decodePart(part); err != nil {
				t.Errorf("decodePart(%q): %v", part, err)
			}
		}
		if back := strings.Join(parts, "/"); back != key {
			t.Errorf("%q comes back as %q", key, back)
		}
	}
	for _, foreign := range []string{"a b", "=2", "=zz", "=41", "a=", "=2e", ".."} {
		if part, err := decodePart(foreign); err == nil {
			t.Errorf("decodePart(%q) = %q, want an error", foreign, part)
		}
	}
}
