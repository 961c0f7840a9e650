package relay

import (
	"errors"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/iotest"
)

func TestLinesOfAnyLength(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	var want []string
	for range 300 {
		n := random.IntN(200)
		if random.IntN(10) == 0 {
			n = random.IntN(6 << 20 >> random.IntN(10))
		}
		want = append(want, strings.Repeat(string(rune('a'+random.IntN(26))), n)+"\n")
	}
	text := strings.Join(want, "") + "half"
	for name, from := range map[string]io.Reader{
		"whole":        strings.NewReader(text),
		"in halves":    iotest.HalfReader(strings.NewReader(text)),
		"in pieces":    pieces{strings.NewReader(text), random},
		"with its end": iotest.DataErrReader(strings.NewReader(text)),
	} {
		lines := newLines(from)
		for i, w := range want {
			got, err := lines.next()
			if string(got) != w || err != nil {
				t.Fatalf("%s: line %d has %d bytes, want %d: %v", name, i, len(got), len(w), err)
			}
			if cap(got) != len(got) {
				t.Fatal("what is appended to a line spoils the next one")
			}
		}
		if got, err := lines.next(); string(got) != "half" || !errors.Is(err, io.EOF) {
			t.Fatalf("%s: at the end %.80q, %v", name, got, err)
		}
		if got, err := lines.next(); len(got) > 0 || !errors.Is(err, io.EOF) {
			t.Fatalf("%s: after the end %.80q, %v", name, got, err)
		}
	}
}

// pieces reads as much at once as chance has it.
type pieces struct {
	from   io.Reader
	random *rand.Rand
}

func (p pieces) Read(b []byte) (int, error) {
	return p.from.Read(b[:1+p.random.IntN(min(len(b), 100_000))])
}

func TestALargeBufferIsGivenBack(t *testing.T) {
	big := strings.Repeat("x", 1<<20) + "\n"
	lines := newLines(pieces{strings.NewReader(big + big + "a\nb\n" + strings.Repeat(big[:1<<20], 5) + "\nc\n"), rand.New(rand.NewPCG(1, 2))})
	var sizes []int
	for err := error(nil); err == nil; _, err = lines.next() {
		sizes = append(sizes, len(lines.buf))
	}
	if len(sizes) != 7 || sizes[1] < 1<<20 || sizes[1] != sizes[2] || len(lines.buf) != lineBuffer {
		t.Errorf("the buffer had %v bytes, and has %d at the end", sizes, len(lines.buf))
	}
}

func TestAnEndlessLine(t *testing.T) {
	if testing.Short() {
		t.Skip("takes memory")
	}
	if _, err := newLines(endless{}).next(); err == nil || !strings.Contains(err.Error(), "256 MiB") {
		t.Errorf("got %v", err)
	}
}

type endless struct{}

func (endless) Read(b []byte) (int, error) { return len(b), nil }
