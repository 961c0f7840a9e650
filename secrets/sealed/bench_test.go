package sealed

import (
	"strings"
	"testing"
)

// The figures to hold: Get well under 1 ms, Open under 2 ms.

func BenchmarkOpen(b *testing.B) {
	dir := folder(b)
	set(b, open(b, dir), "grant/search", "token")
	for b.Loop() {
		if _, err := Open(dir, nil, nil); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkGet(b *testing.B) {
	s := open(b, folder(b))
	set(b, s, "grant/search", strings.Repeat("t", 2000))
	for b.Loop() {
		if _, _, err := s.Get(b.Context(), "grant/search"); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkPut(b *testing.B) {
	s := open(b, folder(b))
	value := []byte(strings.Repeat("t", 2000))
	rev := set(b, s, "grant/search", "token")
	for b.Loop() {
		var err error
		if rev, err = s.Put(b.Context(), "grant/search", value, rev); err != nil {
			b.Fatal(err)
		}
	}
}
