package h1

import (
	"bytes"
	"strings"
	"testing"
)

// decoded is what Chunks made of a body.
type decoded struct {
	data     string
	trailers string
	used     int
	done     bool
	err      error
}

// decode gives a body to c in pieces of at most step bytes; 0: at once.
func decode(t testing.TB, c *Chunks, body []byte, step int) (d decoded) {
	t.Helper()
	if step <= 0 {
		step = max(len(body), 1)
	}
	var data bytes.Buffer
	for d.used < len(body) && d.err == nil && !c.Done() {
		src := body[d.used:min(len(body), d.used+step)]
		piece, n, err := c.Next(src)
		switch {
		case n < 0 || n > len(src) || len(piece) > n:
			t.Fatalf("%d bytes of %d used, for a piece of %d", n, len(src), len(piece))
		case n == 0 && err == nil && !c.Done():
			t.Fatalf("nothing was used of %q", src)
		}
		data.Write(piece)
		d.used, d.err = d.used+n, err
	}
	if d.done = c.Done(); d.done {
		d.trailers = shown(c.Trailers)
	}
	d.data = data.String()
	return d
}

func TestChunks(t *testing.T) {
	long := strings.Repeat("x", 0x1234)
	var c Chunks
	for body, want := range map[string]string{
		"0\r\n\r\n":                                         "",
		"00000000\r\n\r\n":                                  "",
		"3\r\nabc\r\n0\r\n\r\n":                             "abc",
		"1\r\na\r\n1\r\nb\r\n1\r\nc\r\n0\r\n\r\n":           "abc",
		"A\r\n0123456789\r\n0a\r\nabcdefghij\r\n0\r\n\r\n":  "0123456789abcdefghij",
		"2\r\n\r\n\r\n0\r\n\r\n":                            "\r\n",
		"00001234\r\n" + long + "\r\n0\r\n\r\n":             long,
		"1;a=b;c=\"d e\"\r\nx\r\n0;\r\n\r\n":                "x",
		"1 \t \r\nx\r\n0 \r\n\r\n":                          "x",
		"1;" + long[:maxExtension-1] + "\r\nx\r\n0\r\n\r\n": "x",
		"1\r\nx\r\n0\r\nA: b\r\nc:\td \r\nA: e\r\n\r\n":     "x[A=b][c=d][A=e]",
		"0\r\nContent-Length: 5\r\n\r\n":                    "[Content-Length=5]",
	} {
		for step := range 7 {
			c = Chunks{}
			d := decode(t, &c, []byte(body+"HTTP/1.1 200 OK"), step)
			if d.err != nil || !d.done || d.used != len(body) || d.data+d.trailers != want {
				t.Errorf("%.80q in pieces of %d: %+v; want %.80q", body, step, d, want)
			}
			if data, n, err := c.Next([]byte("0")); len(data) != 0 || n != 0 || err != nil {
				t.Errorf("behind the end: %q, %d, %v", data, n, err)
			}
		}
		for cut := range min(len(body), 200) { // a body that is cut off is never done
			c = Chunks{}
			if d := decode(t, &c, []byte(body[:cut]), 0); d.done || d.err != nil || d.used != cut {
				t.Errorf("%.80q cut off: %+v", body[:cut], d)
			}
		}
	}
}

func TestMalformedChunks(t *testing.T) {
	var c Chunks
	for _, body := range []string{
		"\r\n", "\n", " 1\r\n", "g\r\n", "-1\r\n", "+1\r\n", "0x1\r\n", ";a\r\n", "\r\n0\r\n\r\n", "000000000\r\n", "123456789\r\n", "fffffffffffffffff\r\n",
		"1\n", "1\rx", "1\r\r\n", "1 2\r\n", "1 ;a\r\n", "1\t;a\r\n", "1,a\r\n", "1\x00\r\n", "1;\x00\r\n", "1;a\n", "1;a\rb", "1;\x7f\r\n", "1;\xff\r\n",
		"1;" + strings.Repeat("x", maxExtension) + "\r\n", "1" + strings.Repeat(" ", maxExtension+1) + "\r\n",
		"1\r\nab", "1\r\na\n", "1\r\na\rb", "1\r\na0\r\n\r\n", "1\r\na\r\r\n",
		"0\r\n\n", "0\n\r\n", "0\r\nA: b\n\r\n", "0\r\nA: b\r\n\n", "0\r\n\r\r\n\r\n", "0\r\nA\r\n\r\n", "0\r\nA : b\r\n\r\n", "0\r\n A: b\r\n\r\n",
		"0\r\n" + strings.Repeat("A: b\r\n", maxFields+1) + "\r\n", "0\r\nA: " + strings.Repeat("x", maxTrailers),
	} {
		for step := range 4 {
			c = Chunks{}
			d := decode(t, &c, []byte(body), step)
			if d.err != ErrChunk || d.done {
				t.Errorf("%.60q in pieces of %d: %+v; want ErrChunk", body, step, d)
			}
			for _, more := range []string{"", "0\r\n\r\n"} {
				if _, n, err := c.Next([]byte(more)); n != 0 || err != ErrChunk || c.Done() {
					t.Errorf("%.60q goes on after its error: %d, %v", body, n, err)
				}
			}
		}
	}
}

// TestTrailersAreCopied: the reader's buffer takes other bytes while they come.
func TestTrailersAreCopied(t *testing.T) {
	var c Chunks
	buf := make([]byte, 1)
	for _, b := range []byte("0\r\nGrpc-Status: 0\r\nB: c\r\n\r\n") {
		buf[0] = b
		if _, _, err := c.Next(buf); err != nil {
			t.Fatal(err)
		}
	}
	buf[0] = '!'
	if got := shown(c.Trailers); !c.Done() || got != "[Grpc-Status=0][B=c]" {
		t.Errorf("%v, %s", c.Done(), got)
	}
}

// TestTrailerLimits: as many and as much as is taken.
func TestTrailerLimits(t *testing.T) {
	var c Chunks
	if d := decode(t, &c, []byte("0\r\n"+strings.Repeat("A: b\r\n", maxFields)+"\r\n"), 0); !d.done || len(c.Trailers) != maxFields {
		t.Errorf("%d trailers: %+v", maxFields, d)
	}
	c = Chunks{}
	fill := maxTrailers - len("A: \r\n\r\n")
	if d := decode(t, &c, []byte("0\r\nA: "+strings.Repeat("x", fill)+"\r\n\r\n"), 0); !d.done || len(c.Trailers) != 1 {
		t.Errorf("trailers of %d bytes: %v, %v", maxTrailers, d.done, d.err)
	}
}
