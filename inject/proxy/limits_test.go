package proxy

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

const mib = 1 << 20

// shortLimits are such that a test need not wait for long.
func (f *fixture) shortLimits() {
	l := &f.cfg.Proxy.Limits
	l.HeadTimeout, l.BodyTimeout, l.IdleTimeout, l.WriteTimeout = 300*time.Millisecond, 300*time.Millisecond, 300*time.Millisecond, 300*time.Millisecond
	l.MaxBodyBytes, l.ReplayBytes, l.MaxHeadBytes, l.MaxAnswerHead = mib, 64<<10, 8<<10, 16<<10
}

// What is too large or too slow is answered, or cut, in time; upstream sees nothing of it that it could take for whole.
func TestLimitsOfCallers(t *testing.T) {
	large := strings.Repeat("x", mib+1)
	chunked := "POST /s HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
	for name, test := range map[string]struct {
		message string
		status  int // 0: it is cut without an answer
		prompt  bool
	}{
		"head":                       {"GET /s HTTP/1.1\r\nHost: localhost\r\nX: " + large[:40<<10] + "\r\n\r\n", 431, true},
		"head that never ends":       {"GET /s HTTP/1.1\r\nHost: localhost\r\nX: " + large[:40<<10], 431, true},
		"many fields":                {"GET /s HTTP/1.1\r\nHost: localhost\r\n" + strings.Repeat("X: y\r\n", 10<<10) + "\r\n", 431, true},
		"request line":               {"GET /s?" + large[:40<<10] + " HTTP/1.1\r\nHost: localhost\r\n\r\n", 431, true},
		"body with a length":         {"POST /s" + post + "1048577\r\n\r\n" + large, 413, true},
		"length that is claimed":     {"POST /s" + post + "999999999999\r\n\r\n", 413, true},
		"body in chunks":             {chunked + "100001\r\n" + large + "\r\n0\r\n\r\n", 413, true},
		"body in small chunks":       {chunked + strings.Repeat("1\r\nx\r\n", mib+1) + "0\r\n\r\n", 413, true},
		"body that stops":            {"POST /s" + post + "100\r\n\r\nabc", 408, false},
		"body that never comes":      {"POST /s" + post + "100\r\n\r\n", 408, false},
		"streamed body that stops":   {"POST /s" + post + "200000\r\n\r\n" + large[:100000], 408, false},
		"chunks that stop":           {chunked + "5\r\nabc", 408, false},
		"streamed chunks that stop":  {chunked + "186a0\r\n" + large[:100000] + "\r\n", 408, false},
		"slow head":                  {"GET /s HTTP/1.1\r\nHost: local", 0, false},
		"slow head of another":       {"GET /s HTTP/1.1\r\nHost: localhost\r\nConnection: x\r\nX: " + large[:5000], 0, false},
		"nothing":                    {"", 0, false},
		"half a request behind one":  {getS + "GET /s", 200, false},
		"nothing behind one":         {getS, 200, false},
		"nothing behind an uncommon": {strings.Replace(getS, "\r\n\r\n", "\r\nConnection: x\r\n\r\n", 1), 200, false},
	} {
		t.Run(name, func(t *testing.T) {
			onBothPaths(t, func(t *testing.T, f *fixture) {
				f.shortLimits()
				up := newRawPeer(t, whenAsked(okay))
				f.serve(unguarded("s", up.url()))
				c, start := f.dial(), time.Now()
				go func() { _, _ = io.WriteString(c, test.message) }() // it may not be read to its end
				all, _ := io.ReadAll(c)
				took := time.Since(start)
				if want := fmt.Sprintf("HTTP/1.1 %d ", test.status); test.status != 0 && !strings.HasPrefix(string(all), want) || test.status == 0 && len(all) > 0 {
					t.Errorf("the answer is %.100q, want %s", all, want)
				}
				if took > patient/2 || !test.prompt && took < 200*time.Millisecond {
					t.Errorf("the connection ended after %v", took)
				}
				for _, got := range up.streams() {
					if r := bufio.NewReader(strings.NewReader(got)); test.status != 200 && readRequest(r) {
						t.Errorf("upstream got a whole request: %.200q … %d bytes", got, len(got))
					}
				}
				f.wantNoneOpen()
			})
		})
	}
}

// A caller that reads nothing is cut, and upstream told; memory does not grow with what upstream says.
func TestCallerThatDoesNotRead(t *testing.T) {
	block := []byte(strings.Repeat("z", 64<<10))
	size := fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", 64*mib)
	const without = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
	for name, head := range map[string]string{"large": size, "endless": without, "until the end": "HTTP/1.1 200 OK\r\n\r\n"} {
		t.Run(name, func(t *testing.T) {
			onBothPaths(t, func(t *testing.T, f *fixture) {
				f.shortLimits()
				piece := block
				if head == without {
					piece = bytes.Join([][]byte{[]byte("10000\r\n"), block, []byte("\r\n")}, nil)
				}
				up := newRawPeer(t, func(c net.Conn, r *bufio.Reader) {
					if !readRequest(r) {
						return
					}
					_, err := io.WriteString(c, head)
					for sent := 0; err == nil && (head != size || sent < 64*mib); sent += len(block) {
						_, err = c.Write(piece)
					}
				})
				f.serve(unguarded("s", up.url()))
				before, start := heap(), time.Now()
				for range 10 {
					_ = must(io.WriteString(f.dial(), getS))(t)
				}
				eventually(t, "they are there", func() bool { return up.opened.Load() == 10 })
				time.Sleep(100 * time.Millisecond)
				if grown := heap() - before; grown > 4*mib {
					t.Errorf("10 callers that do not read cost %d bytes", grown)
				}
				f.wantNoneOpen()
				eventually(t, "upstream is told", func() bool { return up.open.Load() == 0 })
				if took := time.Since(start); took > patient/2 {
					t.Errorf("it took %v", took)
				}
			})
		})
	}
}

// A caller that reads slowly, but reads, gets all of it.
func TestCallerThatReadsSlowly(t *testing.T) {
	onBothPaths(t, func(t *testing.T, f *fixture) {
		f.shortLimits()
		f.cfg.Proxy.WriteTimeout = time.Second
		up := upstream(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", fmt.Sprint(16*mib))
			for range 256 {
				_, _ = io.WriteString(w, strings.Repeat("z", 64<<10))
			}
		})
		f.serve(unguarded("s", up.URL))
		c := f.dial()
		_ = c.(*net.TCPConn).SetReadBuffer(32 << 10)
		_ = must(io.WriteString(c, getS))(t)
		resp := must(http.ReadResponse(bufio.NewReader(c), nil))(t)
		total := int64(0)
		for range 16 {
			n, err := io.CopyN(io.Discard, resp.Body, mib)
			if total += n; err != nil {
				t.Fatalf("cut after %d bytes: %v", total, err)
			}
			time.Sleep(100 * time.Millisecond)
		}
	})
}
