package proxy

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

// silentStream is an upstream that begins a stream of events and then says nothing.
func silentStream(t *testing.T) *rawPeer {
	t.Helper()
	return newRawPeer(t, func(c net.Conn, r *bufio.Reader) {
		if !readRequest(r) {
			return
		}
		_, _ = io.WriteString(c, sse+"9\r\ndata: 1\n\n\r\n")
		untilClosed(r)
	})
}

// openStream sends a request and waits for the first event of its answer.
func openStream(t *testing.T, f *fixture, request string) net.Conn {
	t.Helper()
	c := f.dial()
	_ = must(io.WriteString(c, request))(t)
	r := bufio.NewReader(c)
	for line := ""; line != "data: 1\n"; {
		line = must(r.ReadString('\n'))(t)
	}
	return c
}

// Close ends in time whatever callers and upstream do, and leaves nothing open to upstream.
func TestCloseCutsStreams(t *testing.T) {
	uncommon := strings.Replace(getS, "\r\n\r\n", "\r\nConnection: x\r\n\r\n", 1)
	for name, test := range map[string]struct{ request, later string }{
		"common":                 {getS, ""},
		"uncommon":               {uncommon, ""},
		"pipelined":              {getS + getS, ""},
		"pipelined and uncommon": {uncommon + getS, ""},
		"pipelined later":        {getS, getS},
		"uncommon, then another": {uncommon, getS},
	} {
		t.Run(name, func(t *testing.T) {
			onBothPaths(t, func(t *testing.T, f *fixture) {
				up := silentStream(t)
				f.serve(unguarded("s", up.url()))
				var callers []net.Conn
				for range 5 {
					callers = append(callers, openStream(t, f, test.request))
				}
				time.Sleep(2 * watchAfter) // it looks by now
				for _, c := range callers {
					_ = must(io.WriteString(c, test.later))(t)
				}
				time.Sleep(2 * watchAfter)
				ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
				defer cancel()
				ended := make(chan struct{})
				go func() {
					defer close(ended)
					f.proxy.Close(ctx)
				}()
				select {
				case <-ended:
				case <-time.After(patient / 4):
					t.Fatal("Close does not end")
				}
				for _, c := range callers {
					if _, err := io.ReadAll(c); err != nil && !strings.Contains(err.Error(), "reset") {
						t.Errorf("a caller was not cut off: %v", err)
					}
				}
				eventually(t, "upstream is told", func() bool { return up.open.Load() == 0 })
				f.wantNoneOpen()
			})
		})
	}
}

// A caller that leaves is noticed although it has sent a part of its next request.
func TestCallerThatLeavesBehindAnotherRequest(t *testing.T) {
	onBothPaths(t, func(t *testing.T, f *fixture) {
		if !f.cfg.Proxy.FastPath && runtime.GOOS != "linux" {
			t.Skip("only Linux tells when net/http does not read")
		}
		up := silentStream(t)
		f.serve(unguarded("s", up.url()))
		c := openStream(t, f, getS)
		time.Sleep(2 * watchAfter)
		_ = must(io.WriteString(c, "G"))(t)
		much := openStream(t, f, getS)
		time.Sleep(2 * watchAfter)
		_ = must(io.WriteString(much, strings.Repeat("G", 2*fastHead)))(t)
		time.Sleep(2 * watchAfter)
		_, _ = c.Close(), much.Close()
		eventually(t, "upstream is told", func() bool { return up.open.Load() == 0 })
		f.wantNoneOpen()
	})
}

// Other limits hold for new connections; streams go on.
func TestLimitsChangeUnderStreams(t *testing.T) {
	onBothPaths(t, func(t *testing.T, f *fixture) {
		more := make(chan struct{})
		up := newRawPeer(t, func(c net.Conn, r *bufio.Reader) {
			if !readRequest(r) {
				return
			}
			_, _ = io.WriteString(c, sse+"9\r\ndata: 1\n\n\r\n")
			<-more
			_, _ = io.WriteString(c, "9\r\ndata: 2\n\n\r\n0\r\n\r\n")
			untilClosed(r)
		})
		f.serve(unguarded("s", up.url()))
		streams := []net.Conn{openStream(t, f, getS), openStream(t, f, strings.Replace(getS, "\r\n\r\n", "\r\nConnection: x\r\n\r\n", 1))}
		for i := range 4 {
			f.cfg.Proxy.MaxHeadBytes = 4096 + i
			f.cfg.Proxy.IdleTimeout = time.Second
			f.cfg.Proxy.HeadTimeout = 50 * time.Millisecond
			f.serve(unguarded("s", up.url()))
		}
		c := f.dial()
		_ = must(io.WriteString(c, "GET /s HTTP/1.1\r\nX: "+strings.Repeat("x", 10<<10)))(t)
		if status := readStatus(t, c); status != http.StatusRequestHeaderFieldsTooLarge {
			t.Errorf("a head over the new limit is answered with %d", status)
		}
		silent, start := f.dial(), time.Now()
		untilClosed(silent)
		if took := time.Since(start); took > patient/2 {
			t.Errorf("the new head_timeout does not hold: %v", took)
		}
		close(more)
		for _, c := range streams {
			_ = c.SetDeadline(time.Now().Add(5 * time.Second)) // of the new idle_timeout
			rest, err := io.ReadAll(c)
			if !strings.HasSuffix(string(rest), "data: 2\n\n\r\n0\r\n\r\n") || err != nil {
				t.Errorf("the stream ended with %q, %v", rest, err)
			}
		}
		f.wantNoneOpen()
	})
}

func readStatus(t *testing.T, c net.Conn) int {
	t.Helper()
	resp := must(http.ReadResponse(bufio.NewReader(c), nil))(t)
	_ = resp.Body.Close()
	return resp.StatusCode
}

// No request is lost while the limits are edited again and again.
func TestNoRequestIsLostWhenLimitsChange(t *testing.T) {
	onBothPaths(t, func(t *testing.T, f *fixture) {
		up := upstream(t, say("ok"))
		f.serve(unguarded("s", up.URL))
		stop := make(chan struct{})
		var wg sync.WaitGroup
		at := f.proxy.Bound(f.cfg.Proxy.Listen)[0]
		for range 4 {
			wg.Go(func() {
				for {
					select {
					case <-stop:
						return
					default:
					}
					c, err := net.Dial("tcp", at)
					if err != nil {
						t.Error(err)
						return
					}
					_, _ = io.WriteString(c, "GET /s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
					answer, err := io.ReadAll(c)
					_ = c.Close()
					if !strings.HasSuffix(string(answer), "\r\n\r\nok") {
						t.Errorf("answered with %q, %v", answer, err)
						return
					}
				}
			})
		}
		for i := range 300 {
			f.cfg.Proxy.MaxHeadBytes = 8192 + i
			f.serve(unguarded("s", up.URL))
		}
		close(stop)
		wg.Wait()
		f.wantNoneOpen()
	})
}

// A listener without servers is ended by the reload, and by Close meanwhile: both at once.
func TestListenerThatIsEndedTwice(t *testing.T) {
	onBothPaths(t, func(t *testing.T, f *fixture) {
		up := silentStream(t)
		own := unguarded("own", up.url())
		own.Listen = "127.0.0.1:" + freePort(t)
		for i := range 4 { // each leaves a former half of net/http
			f.cfg.Proxy.MaxHeadBytes = 8192 + i
			f.serve(own, unguarded("s", up.url()))
		}
		c := must(net.Dial("tcp", own.Listen))(t)
		defer c.Close()
		_ = must(io.WriteString(c, strings.Replace(getS, "/s", "/mcp", 1)))(t)
		eventually(t, "the request is there", func() bool { return up.open.Load() == 1 })
		f.serve(unguarded("s", up.url()))
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		f.proxy.Close(ctx)
		eventually(t, "upstream is told", func() bool { return up.open.Load() == 0 })
		f.wantNoneOpen()
	})
}
