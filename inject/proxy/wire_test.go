package proxy

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// rawUpstream answers each connection's one request with the bytes given, and shows the request as it came.
func rawUpstream(t *testing.T, answer string) (url string, requests <-chan string) {
	t.Helper()
	l := must(net.Listen("tcp", "127.0.0.1:0"))(t)
	seen := make(chan string, 10)
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			request := readMessage(bufio.NewReader(c))
			_, _ = io.WriteString(c, answer)
			_ = c.Close()
			seen <- request
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		wg.Wait()
	})
	return "http://" + l.Addr().String() + "/mcp", seen
}

// readMessage reads a head and as much body as its Content-Length says.
func readMessage(r *bufio.Reader) string {
	var b strings.Builder
	size := 0
	for {
		line, err := r.ReadString('\n')
		b.WriteString(line)
		if err != nil || line == "\r\n" {
			break
		}
		if v, ok := strings.CutPrefix(line, "Content-Length: "); ok {
			size, _ = strconv.Atoi(strings.TrimSpace(v))
		}
	}
	_, _ = io.CopyN(&b, r, int64(size))
	return b.String()
}

// raw sends bytes to the proxy and gives the whole answer. The request must say Connection: close.
func (f *fixture) raw(request string) string {
	f.t.Helper()
	c := must(net.Dial("tcp", f.proxy.Bound(f.cfg.Proxy.Listen)[0]))(f.t)
	defer c.Close()
	_ = must(io.WriteString(c, request))(f.t)
	return string(must(io.ReadAll(c))(f.t))
}

// headLines are the start line, then the header lines sorted, then the body.
func headLines(message string) []string {
	head, body, _ := strings.Cut(message, "\r\n\r\n")
	lines := strings.Split(head, "\r\n")
	slices.Sort(lines[1:])
	return append(lines, body)
}

func wantMessage(t *testing.T, what, got string, want ...string) {
	t.Helper()
	slices.Sort(want[1 : len(want)-1])
	if lines := headLines(got); !slices.Equal(lines, want) {
		t.Errorf("%s:\n got %q\nwant %q", what, lines, want)
	}
}

// authorization is that header's value in a raw request.
func authorization(message string) string {
	for _, line := range headLines(message) {
		if v, ok := strings.CutPrefix(line, "Authorization: "); ok {
			return v
		}
	}
	return ""
}

func TestRequestsPassByteForByte(t *testing.T) {
	f := newFixture(t)
	url, requests := rawUpstream(t, "HTTP/1.1 202 Accepted\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
	f.serve(f.server("search", url))
	host := strings.TrimSuffix(strings.TrimPrefix(url, "http://"), "/mcp")
	body := "{ \"jsonrpc\":\"2.0\" ,\n\t\"id\":1e3,\"x\":\"\\u00e9\x01\xff\" }\r\n"
	same := []string{
		"Accept: application/json, text/event-stream", "Content-Type: application/json; charset=UTF-8",
		"Cookie: a=1; b=2", "Last-Event-Id: 7/ö", "Mcp-Method: tools/call", "Mcp-Name: =?base64?w7Y=?=",
		"Mcp-Param-Region: eu", "Mcp-Protocol-Version: 2026-07-28", "Mcp-Session-Id: 1868a90c!~",
		"Traceparent: 00-1-2-01", "X-Twice: a", "X-Twice: b", "X-Empty: ", "X-Forwarded-For: 192.0.2.1",
	}
	local := []string{
		"Host: localhost:1", "Origin: http://localhost:6274", "Authorization: Bearer " + f.keys.Issue("search", "t").Reveal(),
		"Connection: close, X-Hop, authorization", "X-Hop: 1", "Keep-Alive: 5", "Te: trailers", "Proxy-Authorization: Basic eA==",
		"Proxy-Connection: close", "Upgrade: h2c", "Trailer: X-T",
	}
	head := strings.Join(append(slices.Clone(local), same...), "\r\n")
	for _, method := range []string{"POST", "DELETE"} {
		f.raw(fmt.Sprintf("%s /search HTTP/1.1\r\n%s\r\nContent-Length: %d\r\n\r\n%s", method, head, len(body), body))
		got := receive(t, requests, "the request")
		want := append([]string{method + " /mcp HTTP/1.1", "Host: " + host, "Authorization: " + authorization(got),
			fmt.Sprintf("Content-Length: %d", len(body))}, same...)
		wantMessage(t, method, got, append(want, body)...)
		if !strings.HasPrefix(authorization(got), "Bearer ") || strings.Contains(authorization(got), "brd_") {
			t.Error("the token is not in Authorization")
		}
	}
	f.raw("GET /search HTTP/1.1\r\n" + head + "\r\n\r\n")
	got := receive(t, requests, "the request")
	want := append([]string{"GET /mcp HTTP/1.1", "Host: " + host, "Authorization: " + authorization(got)}, same...)
	wantMessage(t, "GET", got, append(want, "")...)
	if _, ok := f.as.Introspect(strings.TrimPrefix(authorization(got), "Bearer ")); !ok {
		t.Error("the token is not a live one of the authorization server")
	}
}

func TestNothingIsAddedToASparseRequest(t *testing.T) {
	f := newFixture(t)
	url, requests := rawUpstream(t, "HTTP/1.1 202 Accepted\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
	f.serve(f.server("search", url))
	key := "Authorization: Bearer " + f.keys.Issue("search", "t").Reveal()
	for method, length := range map[string][]string{"GET": nil, "DELETE": nil, "POST": {"Content-Length: 0"}} {
		f.raw(method + " /search HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n" + key + "\r\n\r\n")
		got := receive(t, requests, "the request")
		want := append([]string{method + " /mcp HTTP/1.1", "Host: " + strings.TrimSuffix(strings.TrimPrefix(url, "http://"), "/mcp"),
			"Authorization: " + authorization(got)}, length...)
		wantMessage(t, method, got, append(want, "")...)
	}
}

func TestAnswersPassByteForByte(t *testing.T) {
	body := "{\"jsonrpc\":\"2.0\",\"id\":null,\n \"error\":{\"code\":-32600,\"message\":\"<b>\xff\"}}"
	modern := fmt.Sprintf("Content-Length: %d", len(body))
	for name, test := range map[string]struct {
		start, body string
		head        []string
		dropped     []string
	}{
		"200":  {"200 OK", body, []string{modern, "Content-Type: application/json"}, nil},
		"202":  {"202 Accepted", "", []string{"Content-Length: 0"}, nil},
		"400":  {"400 Bad Request", body, []string{modern, "Mcp-Session-Id: 1868a90c!~", "X-Accel-Buffering: no"}, nil},
		"403":  {"403 Forbidden", body, []string{modern}, []string{`WWW-Authenticate: Bearer error="insufficient_scope"`}},
		"404":  {"404 Not Found", body, []string{modern, "Content-Type: application/json", "Date: Thu, 01 Jan 1970 00:00:00 GMT"}, nil},
		"405":  {"405 Method Not Allowed", "no", []string{"Content-Length: 2", "Allow: POST", "Server: u"}, nil},
		"429":  {"429 Too Many Requests", "", []string{"Content-Length: 0", "Retry-After: 9"}, nil},
		"204":  {"204 No Content", "", []string{"X-Twice: a", "X-Twice: b"}, nil},
		"gzip": {"200 OK", "\x1f\x8b\x00", []string{"Content-Length: 3", "Content-Encoding: gzip"}, nil},
		"hops": {"200 OK", "x", []string{"Content-Length: 1", "X-Kept: 1"}, []string{"Connection: X-Hop",
			"X-Hop: 1", "Keep-Alive: timeout=5", "Proxy-Authenticate: Basic", "Upgrade: h2c"}},
		"500": {"500 Internal Server Error", "<h1>", []string{"Content-Length: 4"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			all := append(slices.Clone(test.head), test.dropped...)
			url, _ := rawUpstream(t, "HTTP/1.1 "+test.start+"\r\n"+strings.Join(all, "\r\n")+"\r\n\r\n"+test.body)
			f.serve(f.server("search", url))
			got := f.raw("POST /search HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 2\r\nAuthorization: Bearer " +
				f.keys.Issue("search", "t").Reveal() + "\r\n\r\n{}")
			want := append([]string{"HTTP/1.1 " + test.start, "Connection: close"}, test.head...)
			wantMessage(t, "answer", got, append(want, test.body)...)
		})
	}
}

func TestTrailersPass(t *testing.T) {
	f := newFixture(t)
	up := upstream(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Trailer", "X-Sum")
		_, _ = io.WriteString(w, "body")
		w.Header().Set("X-Sum", "42")
	})
	f.serve(f.server("search", up.URL))
	if a := f.post("search"); a.body != "body" || a.Trailer.Get("X-Sum") != "42" {
		t.Errorf("body %q, trailer %v", a.body, a.Trailer)
	}
}

// By the header a caller tells bearerd's own answers from upstream's: no upstream sets it, nor in a trailer.
func TestTheReasonIsBearerdsAlone(t *testing.T) {
	f := newFixture(t)
	status := 200
	up := upstream(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("bearerd-reason", "no_token")
		w.Header().Set("Trailer", "Bearerd-Reason")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, "body")
		w.Header().Add(http.TrailerPrefix+"Bearerd-Reason", "no_token")
	})
	plain, gone := f.server("plain", up.URL), f.server("gone", "http://127.0.0.1:1/")
	plain.OAuth = nil
	f.serve(f.server("search", up.URL), plain, gone)
	for _, status = range []int{200, 403, 404, 502, 503} {
		for _, name := range []string{"search", "plain"} {
			if a := f.post(name); a.StatusCode != status || a.Header[ReasonHeader] != nil || a.Trailer[ReasonHeader] != nil {
				t.Errorf("%s: %d, %v, trailer %v", name, a.StatusCode, a.Header, a.Trailer)
			}
		}
	}
	status = 302
	noKey, put := f.request(http.MethodPost, "search", call), f.request(http.MethodPut, "search", call)
	noKey.Header.Del("Authorization")
	for want, req := range map[string]*http.Request{
		"redirect": f.request(http.MethodPost, "search", call), "unreachable": f.request(http.MethodPost, "gone", call),
		"http_404": f.request(http.MethodPost, "nobody", call), "http_403": noKey, "http_405": put,
	} {
		a := f.do(req)
		if got := a.Header[ReasonHeader]; len(got) != 1 || got[0] != want {
			t.Errorf("%d %s: %q, want %q", a.StatusCode, a.body, got, want)
		}
		if want != "http_404" && !strings.Contains(a.body, `"reason":"`+want+`"`) {
			t.Errorf("the data says otherwise than %s: %s", want, a.body)
		}
	}
}

func TestChallengeInATrailerDoesNotPass(t *testing.T) {
	f := newFixture(t)
	up := upstream(t, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "body")
		_ = http.NewResponseController(w).Flush()
		w.Header().Set(http.TrailerPrefix+"Www-Authenticate", bearer)
		w.Header().Set(http.TrailerPrefix+"X-Sum", "42")
	})
	plain := f.server("plain", up.URL)
	plain.OAuth = nil
	f.serve(f.server("search", up.URL), plain)
	if a := f.post("search"); a.Trailer.Get("X-Sum") != "42" || a.Trailer.Values("Www-Authenticate") != nil {
		t.Errorf("trailer %v", a.Trailer)
	}
	if a := f.post("plain"); a.Trailer.Get("Www-Authenticate") != bearer {
		t.Errorf("without a token: trailer %v", a.Trailer)
	}
}

// TestBodiesWithoutALength are what a client sends in chunks, above and below what is kept for a replay.
func TestBodiesWithoutALength(t *testing.T) {
	f := newFixture(t)
	up := upstream(t, func(w http.ResponseWriter, r *http.Request) {
		n, err := io.Copy(io.Discard, r.Body)
		_, _ = fmt.Fprint(w, n, err)
	})
	f.serve(f.server("search", up.URL))
	for _, size := range []int{0, 1, replayLimit, replayLimit + 1, 2 * replayLimit} {
		for _, known := range []bool{true, false} {
			req := f.request(http.MethodPost, "search", strings.Repeat("x", size))
			if !known {
				req.ContentLength, req.Body = -1, io.NopCloser(strings.NewReader(strings.Repeat("x", size)))
			}
			if a := f.do(req); a.body != fmt.Sprint(size, nil) {
				t.Errorf("%d bytes, length known %v: upstream got %s", size, known, a.body)
			}
		}
	}
}

func TestOtherMethodsAreRefused(t *testing.T) {
	f := newFixture(t)
	up := upstream(t, func(http.ResponseWriter, *http.Request) { t.Error("it reached upstream") })
	f.serve(f.server("search", up.URL))
	for _, method := range []string{"PUT", "PATCH", "OPTIONS", "HEAD", "TRACE", "X"} {
		if a := f.do(f.request(method, "search", "")); a.StatusCode != 405 || a.Header.Get("Allow") != "POST, GET, DELETE" {
			t.Errorf("%s: %d, Allow %q", method, a.StatusCode, a.Header.Get("Allow"))
		}
	}
}
