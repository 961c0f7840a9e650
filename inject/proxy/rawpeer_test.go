package proxy

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"bearerd/config"
)

// rawPeer is an upstream that says bytes. It keeps those that it gets.
type rawPeer struct {
	at     string
	opened atomic.Int64 // connections
	open   atomic.Int64 // of those
	mu     sync.Mutex
	got    []*bytes.Buffer // of each connection
}

// newRawPeer starts an upstream that has each connection served by serve, then closed.
func newRawPeer(t *testing.T, serve func(c net.Conn, r *bufio.Reader)) *rawPeer {
	t.Helper()
	l := must(net.Listen("tcp", "127.0.0.1:0"))(t)
	p := &rawPeer{at: l.Addr().String()}
	var wg sync.WaitGroup
	var conns sync.Map
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			p.opened.Add(1)
			p.open.Add(1)
			conns.Store(c, nil)
			wg.Go(func() {
				defer p.open.Add(-1)
				defer c.Close()
				serve(c, bufio.NewReader(io.TeeReader(c, p.keep())))
			})
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		conns.Range(func(c, _ any) bool {
			_ = c.(net.Conn).Close()
			return true
		})
		wg.Wait()
	})
	return p
}

type lockedWriter struct {
	mu *sync.Mutex
	to io.Writer
}

func (w lockedWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.to.Write(p)
}

func (p *rawPeer) keep() io.Writer {
	p.mu.Lock()
	defer p.mu.Unlock()
	b := &bytes.Buffer{}
	p.got = append(p.got, b)
	return lockedWriter{&p.mu, b}
}

// streams are what came on each connection.
func (p *rawPeer) streams() (list []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, b := range p.got {
		list = append(list, b.String())
	}
	return list
}

func (p *rawPeer) url() string { return "http://" + p.at + "/mcp" }

// whenAsked gives serve that reads a request after another and says answer to each.
func whenAsked(answer string) func(net.Conn, *bufio.Reader) {
	return func(c net.Conn, r *bufio.Reader) {
		for readRequest(r) {
			_, _ = io.WriteString(c, answer)
		}
	}
}

func readRequest(r *bufio.Reader) bool {
	req, err := http.ReadRequest(r)
	if err != nil {
		return false
	}
	_, err = io.Copy(io.Discard, req.Body)
	return err == nil
}

// untilClosed waits until the other side has closed the connection.
func untilClosed(r io.Reader) { _, _ = io.Copy(io.Discard, r) }

// unguarded is a server without a token that asks no caller for a key.
func unguarded(name, url string) *config.Server {
	return &config.Server{Name: name, URL: url, Local: config.Local{LocalAuth: "none"}}
}

// dial connects to the shared listener.
func (f *fixture) dial() net.Conn {
	f.t.Helper()
	c := must(net.Dial("tcp", f.proxy.Bound(f.cfg.Proxy.Listen)[0]))(f.t)
	_ = c.SetDeadline(time.Now().Add(patient))
	f.t.Cleanup(func() { _ = c.Close() })
	return c
}

// connections is how many count against max_connections.
func (f *fixture) connections() int {
	cs := f.proxy.conns
	cs.mu.Lock()
	defer cs.mu.Unlock()
	return len(cs.open)
}

// wantNoneOpen checks that no connection is counted for ever.
func (f *fixture) wantNoneOpen() {
	f.t.Helper()
	eventually(f.t, "no connection counts any more", func() bool { return f.connections() == 0 })
}

// heap is what is in use, in bytes.
func heap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

const (
	getS  = "GET /s HTTP/1.1\r\nHost: localhost\r\n\r\n"
	postS = "POST /s HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{}"
	okay  = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
	sse   = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
)

// handlers counts the goroutines that are in a function.
func handlers(name string) int {
	buf := make([]byte, 1<<20)
	return strings.Count(string(buf[:runtime.Stack(buf, true)]), name)
}
