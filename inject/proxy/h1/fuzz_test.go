package h1

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// What is common here is read by net/http in the same way. The other direction does not hold, and need not.

// reading is a reader for net/http that tells how much of data was used.
type reading struct {
	*bufio.Reader
	from *bytes.Reader
	size int
}

func readingOf(data []byte) *reading {
	from := bytes.NewReader(data)
	return &reading{Reader: bufio.NewReaderSize(from, 1<<16), from: from, size: len(data)}
}

func (r *reading) used() int { return r.size - r.from.Len() - r.Buffered() }

// headerOf is how net/http holds fields.
func headerOf(fields []Field) http.Header {
	h := http.Header{}
	for _, f := range fields {
		h.Add(string(f.Name), string(f.Value))
	}
	return h
}

func without(h http.Header, names ...string) http.Header {
	for _, name := range names {
		h.Del(name)
	}
	return h
}

// checkArrival has the first cut bytes of data come before the rest: they must not be taken for what the whole is not.
func checkArrival(t *testing.T, data []byte, cut uint, n int, err error, parse func([]byte) (int, error)) {
	t.Helper()
	start := data[:cut%uint(len(data)+1)]
	got, early := parse(start)
	switch {
	case early == ErrIncomplete && got == 0 && (err != nil || len(start) < n):
	case early == err && got == n && (err != nil || len(start) >= n):
	default:
		t.Errorf("%q gives %d, %v, but its first %d bytes give %d, %v", data, n, err, len(start), got, early)
	}
	at, once := end(data)
	if got, whole := endOfBytes(data); got != at || whole != once {
		t.Errorf("%q ends at %d, %v, but byte by byte at %d, %v", data, at, once, got, whole)
	}
}

func FuzzRequest(f *testing.F) {
	for _, seed := range []string{
		typicalRequest, typicalRequest + "{}", "GET / HTTP/1.1\r\nHost: h\r\n\r\n",
		"DELETE /a%2fb?c=d&e HTTP/1.1\r\nhost: [::1]:80\r\nContent-Length: 0\r\nA:b\r\na: c \r\n\r\n",
		"POST /a;b,c@d//../%7e HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nConnection: keep-alive\r\nKeep-Alive: 1\r\n\r\nabcGET",
		"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "GET / HTTP/1.1\nHost: h\n\n",
		"GET /\"{ HTTP/1.1\r\nHost: h\r\nA: b\r\n c\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1, 1\r\nExpect: 100-continue\r\nPragma: no-cache\r\n\r\n",
	} {
		f.Add([]byte(seed), uint(len(seed)/2))
	}
	var r Request
	f.Fuzz(func(t *testing.T, data []byte, cut uint) {
		n, err := r.Parse(data)
		if err == nil {
			checkRequest(t, data, n, &r)
		}
		checkArrival(t, data, cut, n, err, new(Request).Parse)
	})
}

func checkRequest(t *testing.T, data []byte, n int, r *Request) {
	in := readingOf(data)
	want, err := http.ReadRequest(in.Reader)
	if err != nil {
		t.Fatalf("%q: net/http refuses it: %v", data, err)
	}
	target := string(r.Path)
	if len(r.Query) > 0 {
		target += "?" + string(r.Query)
	}
	if r.Method != want.Method || target != want.RequestURI || target != want.URL.RequestURI() || string(r.Path) != want.URL.EscapedPath() ||
		string(r.Query) != want.URL.RawQuery || want.URL.Host != "" {
		t.Errorf("%q: %s %s ? %s; net/http has %s %s, %+v", data, r.Method, r.Path, r.Query, want.Method, want.RequestURI, want.URL)
	}
	if n != in.used() || r.Length != want.ContentLength || string(r.Host) != want.Host || want.TransferEncoding != nil || want.Trailer != nil || want.Close {
		t.Errorf("%q: %d bytes, length %d, host %q; net/http has %d, %+v", data, n, r.Length, r.Host, in.used(), want)
	}
	if got, want := headerOf(r.Fields), without(want.Header, "Host", "Content-Length", "Connection", "Keep-Alive"); !reflect.DeepEqual(got, want) {
		t.Errorf("%q: %v; net/http has %v", data, got, want)
	}
}

func FuzzResponse(f *testing.F) {
	for _, seed := range []string{
		typicalAnswer, typicalAnswer + typicalChunks, "HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n", "HTTP/1.1 204 No Content\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\nA:b\r\na: c \r\n\r\nabc", "HTTP/1.1 200 \r\ntransfer-encoding: Chunked\r\n\r\n",
		"HTTP/1.1 304 Not Modified\r\n\r\n", "HTTP/1.0 200 OK\r\n\r\n", "HTTP/1.1 200\r\nContent-Length: 1\r\n\r\n", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\nTrailer: a\r\nPragma: no-cache\r\n\r\n", "HTTP/1.1 200 OK\nContent-Length: 0\n\n",
	} {
		f.Add([]byte(seed), uint(len(seed)/2))
	}
	var r Response
	f.Fuzz(func(t *testing.T, data []byte, cut uint) {
		n, err := r.Parse(data)
		if err == nil {
			checkResponse(t, data, n, &r)
		}
		checkArrival(t, data, cut, n, err, new(Response).Parse)
	})
}

func checkResponse(t *testing.T, data []byte, n int, r *Response) {
	in := readingOf(data)
	want, err := http.ReadResponse(in.Reader, &http.Request{Method: http.MethodPost})
	if err != nil {
		t.Fatalf("%q: net/http refuses it: %v", data, err)
	}
	if n != in.used() || r.Status != want.StatusCode || want.Status[:4]+string(r.Reason) != want.Status || r.Length != want.ContentLength ||
		r.Close != want.Close || want.Trailer != nil || (r.Length == Chunked) != slices.Equal(want.TransferEncoding, []string{"chunked"}) {
		t.Errorf("%q: %d bytes, %s; net/http has %d, %+v", data, n, r.read(), in.used(), want)
	}
	if got, want := headerOf(r.Fields), without(want.Header, "Content-Length", "Connection", "Keep-Alive"); !reflect.DeepEqual(got, want) {
		t.Errorf("%q: %v; net/http has %v", data, got, want)
	}
}

func FuzzChunks(f *testing.F) {
	for _, seed := range []string{
		typicalChunks, typicalChunks + "HTTP/1.1 200 OK\r\n", "0\r\n\r\n", "3\r\nabc\r\n0\r\nA: b\r\na:c \r\n\r\n", "1;a=b\r\nx\r\n00 \r\n\r\n", "A\r\n0123456789\r\n0\r\n",
		"2\r\n\r\n\r\n0\r\n\r\n", "1\nx\n0\n\n", "1 ;a\r\nx\r\n0\r\n\r\n", "fffffffff\r\n", "5\r\nabc", "0\r\nA: b\n\n",
	} {
		f.Add([]byte(seed), uint16(3))
	}
	f.Fuzz(func(t *testing.T, body []byte, step uint16) {
		if len(body) > 8<<10 { // net/http also bounds the sum of what is not data; here each line is bounded
			t.Skip()
		}
		got := decode(t, new(Chunks), body, 0)
		if again := decode(t, new(Chunks), body, int(step)); again != got {
			t.Errorf("%q gives %+v, but in pieces of %d %+v", body, got, step, again)
		}
		if got.err == nil {
			checkChunks(t, body, got)
		}
	})
}

func checkChunks(t *testing.T, body []byte, got decoded) {
	const head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
	in := readingOf(append([]byte(head), body...))
	resp, err := http.ReadResponse(in.Reader, &http.Request{Method: http.MethodPost})
	if err != nil {
		t.Fatal(err)
	}
	data, err := io.ReadAll(resp.Body)
	if (err == nil) != got.done || string(data) != got.data {
		t.Errorf("%q: %+v; net/http has %q, %v", body, got, data, err)
	}
	if !got.done || err != nil {
		return
	}
	if used := in.used() - len(head); used != got.used || sorted(resp.Trailer) != sorted(headerOf(trailersOf(t, body))) {
		t.Errorf("%q: %+v; net/http has used %d, trailers %v", body, got, used, resp.Trailer)
	}
}

func trailersOf(t *testing.T, body []byte) []Field {
	var c Chunks
	decode(t, &c, body, 0)
	return c.Trailers
}

// sorted shows a header; nil and empty are the same.
func sorted(h http.Header) string {
	var b strings.Builder
	_ = h.Write(&b)
	return b.String()
}
