package h1

import (
	"errors"
	"strings"
	"testing"
)

func TestIs(t *testing.T) {
	for name, same := range map[string]bool{
		"mcp-session-id": true, "Mcp-Session-Id": true, "MCP-SESSION-ID": true, "mcp-session-i": false, "mcp-session-idx": false,
		"mcp_session_id": false, "": false, "mcp\rsession\rid": false,
	} {
		if got := (Field{Name: []byte(name)}).Is("mcp-session-id"); got != same {
			t.Errorf("%q: %v, want %v", name, got, same)
		}
	}
	// Only letters have a case: "@" and "`" differ by the same bit.
	if (Field{Name: []byte("@")}).Is("`") || (Field{Name: []byte("^")}).Is("~") {
		t.Error("bytes that are no letters are taken for each other")
	}
}

func TestEnd(t *testing.T) {
	for _, test := range []struct {
		head string
		n    int
		err  error
	}{
		{"A\r\n\r\n", 5, nil},
		{"A\r\nB: c\r\n\r\nrest\n", 11, nil},
		{"A\r\n\r\n\r\n\r\n", 5, nil},
		{"A\r\r\n\r\n", 6, nil}, // the lone CR is in the line, where it is refused
		{"", 0, ErrIncomplete},
		{"A", 0, ErrIncomplete},
		{"A\r", 0, ErrIncomplete},
		{"A\r\n", 0, ErrIncomplete},
		{"A\r\n\r", 0, ErrIncomplete},
		{"A\r\n\r\r\n", 0, ErrIncomplete},
		{"\r", 0, ErrIncomplete},
		{"\n", 0, ErrUncommon},
		{"\r\n", 0, ErrUncommon},
		{"\r\nA\r\n\r\n", 0, ErrUncommon},
		{"A\n", 0, ErrUncommon},
		{"A\r\n\n", 0, ErrUncommon},
		{"A\r\nB\n\r\n", 0, ErrUncommon},
	} {
		n, err := end([]byte(test.head))
		if n != test.n || err != test.err {
			t.Errorf("%q: %d, %v; want %d, %v", test.head, n, err, test.n, test.err)
		}
		if n, err := endOfBytes([]byte(test.head)); n != test.n || err != test.err {
			t.Errorf("%q byte by byte: %d, %v; want %d, %v", test.head, n, err, test.n, test.err)
		}
	}
}

// endOfBytes gives end one byte more each time.
func endOfBytes(head []byte) (n int, err error) {
	err = ErrIncomplete
	for i := 0; i <= len(head) && err == ErrIncomplete; i++ {
		n, err = end(head[:i])
	}
	return n, err
}

// TestFieldRules: the same for requests, answers and trailers.
func TestFieldRules(t *testing.T) {
	for line, ok := range map[string]bool{
		"A: b":                      true,
		"a:b":                       true,
		"A:":                        true,
		"A: \t b \t ":               true,
		"A: b\tc":                   true,
		"!#$%&'*+-.^_`|~09: x":      true,
		`A: !"#$%&'()*+,-./:;<=>?@`: true,
		"":                          false, // ends the section early
		":b":                        false,
		" A: b":                     false,
		"\tA: b":                    false,
		"A : b":                     false,
		"A\t: b":                    false,
		"A B: c":                    false,
		"A(: c":                     false,
		"Ä: c":                      false,
		"A":                         false,
		"A: b\r\n c":                false,
		"A: b\r\n\tc":               false,
		"A: b\rc":                   false,
		"A: b\r":                    false,
		"A: b\nB: c":                false,
		"A: b\x00":                  false,
		"A: b\x01c":                 false,
		"A: b\x1b":                  false,
		"A: b\x7f":                  false,
		"A: bé":                     false,
		"A: b\xff":                  false,
	} {
		t.Run(line, func(t *testing.T) {
			want, rest := error(nil), "\r\nZ: z\r\n\r\n"
			if !ok {
				want = ErrUncommon
			}
			var r Request
			if n, err := r.Parse([]byte("GET / HTTP/1.1\r\nHost: h\r\n" + line + rest)); line != "" && !errors.Is(err, want) {
				t.Errorf("request: %d, %v; want %v", n, err, want)
			}
			var a Response
			if n, err := a.Parse([]byte("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n" + line + rest)); line != "" && !errors.Is(err, want) {
				t.Errorf("answer: %d, %v; want %v", n, err, want)
			}
			if !ok {
				want = ErrChunk
			}
			var c Chunks
			if _, _, err := c.Next([]byte("0\r\n" + line + rest)); line != "" && !errors.Is(err, want) {
				t.Errorf("trailers: %v; want %v", err, want)
			}
		})
	}
}

func TestNumberOfFields(t *testing.T) {
	for count, want := range map[int]error{maxFields - 1: nil, maxFields: ErrUncommon} {
		lines := strings.Repeat("A: b\r\n", count)
		var r Request
		if _, err := r.Parse([]byte("GET / HTTP/1.1\r\nHost: h\r\n" + lines + "\r\n")); err != want {
			t.Errorf("request with Host and %d more: %v, want %v", count, err, want)
		}
		var a Response
		if _, err := a.Parse([]byte("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n" + lines + "\r\n")); err != want {
			t.Errorf("answer with its length and %d more: %v, want %v", count, err, want)
		}
	}
}

// TestCommonCostsNothing: what is common makes no garbage.
func TestCommonCostsNothing(t *testing.T) {
	request, answer, chunks := []byte(typicalRequest), []byte(typicalAnswer), []byte(typicalChunks)
	var r Request
	var a Response
	var c Chunks
	if n := testing.AllocsPerRun(100, func() { mustParse(t, len(request))(r.Parse(request)) }); n != 0 {
		t.Errorf("a request makes %v allocations", n)
	}
	if n := testing.AllocsPerRun(100, func() { mustParse(t, len(answer))(a.Parse(answer)) }); n != 0 {
		t.Errorf("an answer makes %v allocations", n)
	}
	if n := testing.AllocsPerRun(100, func() {
		c = Chunks{}
		for rest := chunks; !c.Done(); {
			_, used, err := c.Next(rest)
			if rest = rest[used:]; err != nil || used == 0 {
				t.Fatal(used, err)
			}
		}
	}); n != 0 {
		t.Errorf("a chunked body makes %v allocations", n)
	}
}

func mustParse(t testing.TB, want int) func(n int, err error) {
	return func(n int, err error) {
		if n != want || err != nil {
			t.Fatalf("%d, %v; want %d", n, err, want)
		}
	}
}

const (
	typicalRequest = "POST /tickets HTTP/1.1\r\nHost: 127.0.0.1:7411\r\nConnection: keep-alive\r\n" +
		"Authorization: Bearer k1.0123456789abcdef0123456789abcdef\r\nContent-Type: application/json\r\n" +
		"Accept: application/json, text/event-stream\r\nMcp-Session-Id: 1868a90c-b9b2-4a3e-9f6b-3a1a5d0f6c11\r\n" +
		"Mcp-Protocol-Version: 2025-11-25\r\nAccept-Language: *\r\nSec-Fetch-Mode: cors\r\nUser-Agent: node\r\n" +
		"Accept-Encoding: gzip, deflate\r\nContent-Length: 108\r\n\r\n"
	typicalAnswer = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-cache\r\nConnection: keep-alive\r\n" +
		"Mcp-Session-Id: 1868a90c-b9b2-4a3e-9f6b-3a1a5d0f6c11\r\nDate: Sun, 22 Nov 2026 16:00:00 GMT\r\n" +
		"Keep-Alive: timeout=5\r\nTransfer-Encoding: chunked\r\n\r\n"
	typicalChunks = "1c\r\nevent: message\ndata: {\"a\":1}\r\n2\r\n\n\n\r\n0\r\n\r\n"
)

func BenchmarkRequest(b *testing.B) {
	head := []byte(typicalRequest)
	var r Request
	b.ReportAllocs()
	for b.Loop() {
		mustParse(b, len(head))(r.Parse(head))
	}
}

func BenchmarkResponse(b *testing.B) {
	head := []byte(typicalAnswer)
	var r Response
	b.ReportAllocs()
	for b.Loop() {
		mustParse(b, len(head))(r.Parse(head))
	}
}

func BenchmarkChunks(b *testing.B) {
	body := []byte(typicalChunks)
	var c Chunks
	b.ReportAllocs()
	for b.Loop() {
		c = Chunks{}
		for rest := body; !c.Done(); {
			_, n, err := c.Next(rest)
			if rest = rest[n:]; err != nil || n == 0 {
				b.Fatal(n, err)
			}
		}
	}
}
