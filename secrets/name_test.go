package secrets

import (
	"strings"
	"testing"
)

func TestValidName(t *testing.T) {
	for name, want := range map[string]bool{
		"a": true, "api/key": true, "A1.b_c-d/e": true, strings.Repeat("x", 128): true,
		"": false, "/a": false, "a/": false, "a//b": false, "../a": false, "a/.b": false, "-a": false, "_a": false,
		"a b": false, "a\n": false, "ä": false, strings.Repeat("x", 129): false,
	} {
		if got := ValidName(name); got != want {
			t.Errorf("%q: got %v", name, got)
		}
	}
}
