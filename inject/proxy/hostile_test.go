package proxy

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// What upstream does wrong is told to the caller in time, at a bounded cost: as 502, or as an answer that is cut off.
func TestHostileUpstream(t *testing.T) {
	const endless = 64 * mib // far more than may be read
	for name, test := range map[string]struct {
		head, piece string // piece is repeated until the connection is closed
		want        string // a part of the answer; "": it is cut off before its head
		cut         bool   // the caller sees that the answer is not all of it
	}{
		"endless headers":        {"HTTP/1.1 200 OK\r\n", "X: " + strings.Repeat("y", 1000) + "\r\n", " 502 ", false},
		"endless header":         {"HTTP/1.1 200 OK\r\nX: ", strings.Repeat("y", 1000), " 502 ", false},
		"endless line":           {"HTTP/1.1 200 ", strings.Repeat("y", 1000), " 502 ", false},
		"endless 1xx":            {"", "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n", " 502 ", false},
		"101":                    {"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n", "", " 502 ", false},
		"status 000":             {"HTTP/1.1 000 No\r\nContent-Length: 0\r\n\r\n", "", " 502 ", false},
		"status 099":             {"HTTP/1.1 099 No\r\nContent-Length: 0\r\n\r\n", "", " 502 ", false},
		"status 1000":            {"HTTP/1.1 1000 No\r\nContent-Length: 0\r\n\r\n", "", " 502 ", false},
		"no HTTP":                {"SSH-2.0-OpenSSH_9.2\r\n", "", " 502 ", false},
		"two lengths":            {"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nok", "", " 502 ", false},
		"a bad length":           {"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\nok", "", " 502 ", false},
		"another coding":         {"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", "", " 502 ", false},
		"malformed size":         {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nok\r\n0\r\n\r\n", "", " 200 ", true},
		"chunk too long":         {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\noko\r\n0\r\n\r\n", "", " 200 ", true},
		"endless extension":      {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;", strings.Repeat("y", 1000), " 200 ", true},
		"endless trailers":       {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n", "X: " + strings.Repeat("y", 1000) + "\r\n", " 200 ", true},
		"no last chunk":          {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n", "", " 200 ", true},
		"no end of the trailers": {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n", "", " 200 ", true},
		"too short":              {"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok", "", " 200 ", true},
		"nothing":                {"", "", " 502 ", false},
		"half a head":            {"HTTP/1.1 200 OK\r\nContent-Le", "", " 502 ", false},
	} {
		t.Run(name, func(t *testing.T) {
			onBothPaths(t, func(t *testing.T, f *fixture) {
				f.shortLimits()
				up := newRawPeer(t, func(c net.Conn, r *bufio.Reader) {
					if !readRequest(r) {
						return
					}
					_, err := io.WriteString(c, test.head)
					for sent := 0; err == nil && test.piece != ""; sent += len(test.piece) {
						if _, err = io.WriteString(c, test.piece); sent > endless {
							t.Error("there is no limit")
							return
						}
					}
				})
				f.serve(unguarded("s", up.url()))
				before, start := heap(), time.Now()
				c := f.dial()
				_ = must(io.WriteString(c, postS))(t)
				all, _ := io.ReadAll(c) // until idle_timeout, if it is not cut
				got := string(all)
				if grown := heap() - before; grown > 2*mib {
					t.Errorf("it costs %d bytes", grown)
				}
				if line, _, _ := strings.Cut(got, "\r\n"); !strings.Contains(line, test.want) || time.Since(start) > patient/2 {
					t.Errorf("the answer is %.100q after %v", got, time.Since(start))
				}
				resp, err := http.ReadResponse(bufio.NewReader(strings.NewReader(got)), nil)
				if err == nil {
					_, err = io.Copy(io.Discard, resp.Body)
				}
				if test.cut != (err != nil) {
					t.Errorf("%.200q: read with %v", got, err)
				}
				eventually(t, "upstream is told", func() bool { return up.open.Load() == 0 })
				f.wantNoneOpen()
			})
		})
	}
}

// What upstream says beyond an answer is never taken for the next one.
func TestAnswersAreNotSmuggled(t *testing.T) {
	const forged = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged"
	for name, answer := range map[string]string{
		"behind a length":      "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok" + forged,
		"behind chunks":        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n" + forged,
		"behind a 204":         "HTTP/1.1 204 No Content\r\n\r\n" + forged,
		"behind a 304":         "HTTP/1.1 304 Not Modified\r\nContent-Length: 2\r\n\r\n" + forged,
		"behind no body":       "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n" + forged,
		"chunks and a length":  "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + forged,
		"a length behind them": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n" + forged,
		"behind trailers":      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nContent-Length: 50\r\nTransfer-Encoding: x\r\nSet-Cookie: a=b\r\n\r\n" + forged,
	} {
		for _, late := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, late: %v", name, late), func(t *testing.T) {
				onBothPaths(t, func(t *testing.T, f *fixture) {
					forging := make(chan struct{}, 100)
					up := newRawPeer(t, func(c net.Conn, r *bufio.Reader) {
						for readRequest(r) {
							if first, _ := strings.CutSuffix(answer, forged); late {
								_, _ = io.WriteString(c, first)
								time.Sleep(5 * time.Millisecond) // it comes while the connection is idle
								_, _ = io.WriteString(c, forged)
							} else {
								_, _ = io.WriteString(c, answer)
							}
							forging <- struct{}{}
						}
					})
					f.serve(unguarded("s", up.url()))
					for range 5 {
						if got := speak(t, f, postS, 1000); strings.Contains(got, "forged") || strings.Contains(strings.ToLower(got), "set-cookie") {
							t.Fatalf("the caller gets %q", got)
						}
						select {
						case <-forging: // it is there before the next request
						case <-time.After(100 * time.Millisecond): // upstream has not got this one
						}
						time.Sleep(10 * time.Millisecond) // net/http notices what comes unasked a moment later
					}
				})
			})
		}
	}
}

// Upstream closes each connection as soon as it is idle: a POST is sent once at the most, whatever its answer.
func TestPostsAreNeverSentTwice(t *testing.T) {
	onBothPaths(t, func(t *testing.T, f *fixture) {
		var served atomic.Int64
		up := newRawPeer(t, func(c net.Conn, r *bufio.Reader) {
			if !readRequest(r) {
				return
			}
			served.Add(1)
			_, _ = io.WriteString(c, okay)
			time.Sleep(time.Duration(served.Load()%5) * 100 * time.Microsecond)
			if r.Buffered() > 0 || readRequest(r) { // it came at the last moment
				served.Add(1)
			}
		})
		f.serve(unguarded("s", up.url()))
		for i := range int64(200) {
			_ = speak(t, f, postS, 1000)
			if served.Load() > i+1 {
				t.Fatalf("%d posts were served %d times", i+1, served.Load())
			}
		}
	})
}

// A caller that leaves while upstream goes on with a head is noticed, and upstream told.
func TestCallerThatLeavesAnEndlessHead(t *testing.T) {
	for name, pause := range map[string]time.Duration{"slow": 5 * time.Millisecond, "fast": 0} {
		for _, half := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, half: %v", name, half), func(t *testing.T) {
				onBothPaths(t, func(t *testing.T, f *fixture) {
					asked := make(chan struct{}, 1)
					up := newRawPeer(t, func(c net.Conn, r *bufio.Reader) {
						if !readRequest(r) {
							return
						}
						asked <- struct{}{}
						_, err := io.WriteString(c, "HTTP/1.1 200 OK\r\nX: ")
						for err == nil {
							_, err = io.WriteString(c, "y")
							time.Sleep(pause)
						}
					})
					f.serve(unguarded("s", up.url()))
					c, start := f.dial(), time.Now()
					_ = must(io.WriteString(c, postS))(t)
					<-asked // else net/http may keep a connection that it has made for nothing
					if half {
						_ = c.(*net.TCPConn).CloseWrite()
						untilClosed(c)
					} else {
						_ = c.Close()
					}
					eventually(t, "upstream is told", func() bool { return up.open.Load() == 0 })
					f.wantNoneOpen()
					if took := time.Since(start); took > patient/4 {
						t.Errorf("it took %v", took)
					}
				})
			})
		}
	}
}
