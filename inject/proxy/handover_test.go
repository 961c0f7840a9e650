package proxy

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// A caller that ends its half of the connection is told no success that upstream has not said.
func TestNoAnswerIsMadeUp(t *testing.T) {
	onBothPaths(t, func(t *testing.T, f *fixture) {
		for name, req := range map[string]string{"common": postS, "uncommon": strings.Replace(postS, "Host", "Pragma: x\r\nHost", 1)} {
			up := upstream(t, func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.ReadAll(r.Body)
				select {
				case <-r.Context().Done():
				case <-time.After(300 * time.Millisecond):
				}
				_, _ = io.WriteString(w, "real")
			})
			f.serve(unguarded("s", up.URL))
			c := f.dial()
			_, _ = io.WriteString(c, req)
			time.Sleep(50 * time.Millisecond)
			_ = c.(*net.TCPConn).CloseWrite()
			b, err := io.ReadAll(c)
			if strings.HasPrefix(string(b), "HTTP/1.1 200") && !strings.HasSuffix(string(b), "real") {
				t.Errorf("%s: a success that upstream has not said: %q %v", name, b, err)
			}
		}
	})
}

// The keys are rotated, with --now, while a request is at upstream: it was let through, and upstream has acted.
func TestKeysAreRotatedDuringARequest(t *testing.T) {
	onBothPaths(t, func(t *testing.T, f *fixture) {
		for name, ans := range map[string]string{"common": okay, "cookie": "HTTP/1.1 200 OK\r\nSet-Cookie: a=b\r\nContent-Length: 2\r\n\r\nok"} {
			got, goOn := make(chan bool, 1), make(chan bool)
			up := newRawPeer(t, func(c net.Conn, r *bufio.Reader) {
				if readRequest(r) {
					got <- true
					<-goOn
					_, _ = io.WriteString(c, ans)
				}
			})
			store := newShelf()
			must(store.Put(t.Context(), rootKey, []byte(f.keys.ring.roots.Load().present.Reveal()), ""))(t)
			f.serve(f.server("s", up.url()))
			c := f.dial()
			_, _ = io.WriteString(c, "POST /s HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer "+f.keys.Issue("s", "t").Reveal()+"\r\nContent-Length: 2\r\n\r\n{}")
			<-got
			must(f.keys.Rotate(t.Context(), store, true))(t)
			close(goOn)
			resp := must(http.ReadResponse(bufio.NewReader(c), nil))(t)
			b, _ := io.ReadAll(resp.Body)
			if string(b) != "ok" {
				t.Errorf("%s: %d %s", name, resp.StatusCode, b)
			}
		}
	})
}

// The listener goes while a request is at upstream, that refuses the token.
func TestListenerGoesDuringARenewal(t *testing.T) {
	onBothPaths(t, func(t *testing.T, f *fixture) {
		got, goOn := make(chan bool, 2), make(chan bool)
		n := 0
		up := newRawPeer(t, func(c net.Conn, r *bufio.Reader) {
			for readRequest(r) {
				if n++; n == 1 {
					got <- true
					<-goOn
					_, _ = io.WriteString(c, "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Bearer error=\"invalid_token\"\r\nContent-Length: 0\r\n\r\n")
					continue
				}
				_, _ = io.WriteString(c, okay)
			}
		})
		own := f.server("own", up.url())
		own.Listen = "127.0.0.1:" + freePort(t)
		keep := f.server("keep", up.url())
		f.serve(own, keep)
		c := must(net.Dial("tcp", own.Listen))(t)
		defer func() { _ = c.Close() }()
		_ = c.SetDeadline(time.Now().Add(patient))
		_, _ = io.WriteString(c, "POST /mcp HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer "+f.keys.Issue("own", "t").Reveal()+"\r\nContent-Length: 2\r\n\r\n{}")
		<-got
		moved := *own
		moved.Listen = "127.0.0.1:" + freePort(t)
		f.serve(&moved, keep)
		close(goOn)
		b, err := io.ReadAll(c)
		if !strings.HasSuffix(string(b), "ok") {
			t.Errorf("%q %v", b, err)
		}
	})
}

// A request under way is answered although its listener goes, whatever the answer.
func TestListenerGoesDuringARequest(t *testing.T) {
	onBothPaths(t, func(t *testing.T, f *fixture) {
		for name, ans := range map[string]string{"common": okay, "cookie": "HTTP/1.1 200 OK\r\nSet-Cookie: a=b\r\nContent-Length: 2\r\n\r\nok", "untilclose": "HTTP/1.1 200 OK\r\n\r\nok"} {
			got := make(chan bool, 4)
			up := newRawPeer(t, func(c net.Conn, r *bufio.Reader) {
				if readRequest(r) {
					got <- true
					time.Sleep(700 * time.Millisecond)
					_, _ = io.WriteString(c, ans)
				}
			})
			own := unguarded("own", up.url())
			own.Listen = "127.0.0.1:" + freePort(t)
			f.serve(own)
			c := must(net.Dial("tcp", own.Listen))(t)
			_ = c.SetDeadline(time.Now().Add(patient))
			_, _ = io.WriteString(c, strings.Replace(postS, "/s", "/mcp", 1))
			<-got
			f.serve() // the listener goes: requests may go on for 30 s
			b, err := io.ReadAll(c)
			if !strings.Contains(string(b), "ok") {
				t.Errorf("%s: a request under way when the listener ended: %q %v", name, b, err)
			}
			_ = c.Close()
		}
	})
}

// A limits edit while callers keep their connections to net/http's half.
func TestLimitsChangeDuringAHead(t *testing.T) {
	onBothPaths(t, func(t *testing.T, f *fixture) {
		up := upstream(t, say("ok"))
		f.serve(unguarded("s", up.URL))
		c := f.dial()
		r := bufio.NewReader(c)
		_, _ = io.WriteString(c, "POST /s HTTP/1.1\r\nHost: localhost\r\nPragma: x\r\nContent-Length: 2\r\n\r\n{}")
		resp := must(http.ReadResponse(r, nil))(t)
		_, _ = io.ReadAll(resp.Body)
		_, _ = io.WriteString(c, "POST /s HTTP/1.1\r\nHost: localhost\r\nPragma: x\r\n")
		time.Sleep(20 * time.Millisecond)
		f.cfg.Proxy.MaxHeadBytes = 9000
		f.serve(unguarded("s", up.URL))
		time.Sleep(20 * time.Millisecond)
		_, _ = io.WriteString(c, "Content-Length: 2\r\n\r\n{}")
		resp, err := http.ReadResponse(r, nil)
		if err != nil {
			t.Fatalf("the request whose head was under way: %v", err)
		}
		if resp.StatusCode != http.StatusOK || !resp.Close {
			t.Errorf("%s, and the connection goes on: %v", resp.Status, !resp.Close)
		}
	})
}

// A connection that says nothing has head_timeout, as one that says half a head.
func TestSilentConnection(t *testing.T) {
	onBothPaths(t, func(t *testing.T, f *fixture) {
		f.cfg.Proxy.HeadTimeout = time.Second
		f.cfg.Proxy.IdleTimeout = 8 * time.Second
		f.serve(unguarded("s", "http://127.0.0.1:1/"))
		c, start := f.dial(), time.Now()
		untilClosed(c)
		if took := time.Since(start); took > 4*time.Second {
			t.Errorf("cut after %v", took)
		}
	})
}

// Line ends behind a POST are no request: the connection is idle.
func TestLineEndsAreNoRequest(t *testing.T) {
	f := newFixture(t)
	f.cfg.Proxy.IdleTimeout = time.Second
	up := upstream(t, say("ok"))
	f.serve(unguarded("s", up.URL))
	c, start := f.dial(), time.Now()
	_ = must(io.WriteString(c, postS+"\r\n"))(t)
	untilClosed(c)
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("closed after %v", took)
	}
}

// A limit below what the fast path takes holds there too.
func TestSmallBodyLimit(t *testing.T) {
	onBothPaths(t, func(t *testing.T, f *fixture) {
		f.cfg.Proxy.MaxBodyBytes, f.cfg.Proxy.ReplayBytes = 8192, 4096
		up := upstream(t, say("ok"))
		f.serve(unguarded("s", up.URL))
		for size, want := range map[int]int{8192: http.StatusOK, 8193: http.StatusRequestEntityTooLarge} {
			resp := must(f.client.Do(f.request(http.MethodPost, "s", strings.Repeat("x", size))))(t)
			_ = resp.Body.Close()
			if resp.StatusCode != want {
				t.Errorf("%d bytes: %d", size, resp.StatusCode)
			}
		}
	})
}
