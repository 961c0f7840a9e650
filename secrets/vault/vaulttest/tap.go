package vaulttest

import (
	"bytes"
	"context"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

// Tap is a plain proxy in front of a Server that counts and makes faults on demand. What it has taken reaches Vault even
// if the client has left meanwhile, as on a slow network; the order in which several wait is not kept.
type Tap struct {
	Addr string // http://127.0.0.1:PORT

	target string

	mu      sync.Mutex
	counts  map[string]int
	delay   time.Duration
	refuse  bool
	resumed chan struct{} // closed where nothing hangs
	match   func(*http.Request) bool
	drops   int
	dropped int
}

// Front starts a Tap before s. It goes on while s is killed and restarted, and ends with t.
func Front(t testing.TB, s *Server) *Tap {
	t.Helper()
	p := &Tap{target: s.Addr, counts: map[string]int{}, resumed: make(chan struct{})}
	close(p.resumed)
	ctx, cancel := context.WithCancel(context.Background()) // of the test: a request outlives its client, but not the test
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { p.serve(ctx, w, r) }))
	t.Cleanup(func() {
		cancel()
		server.Close()
	})
	p.Addr = server.URL
	return p
}

// Counts returns how many requests were passed to Vault, by method and path, such as "PUT /v1/secret/data/x".
func (p *Tap) Counts() map[string]int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return maps.Clone(p.counts)
}

// Count returns how many requests with the method, and a path that starts with prefix, were passed to Vault.
func (p *Tap) Count(method, prefix string) (n int) {
	for request, count := range p.Counts() {
		if strings.HasPrefix(request, method+" "+prefix) {
			n += count
		}
	}
	return n
}

// Delay holds each request back by d before Vault gets it.
func (p *Tap) Delay(d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.delay = d
}

// Refuse cuts every connection without passing anything on, while on is true. It does not reach requests that wait.
func (p *Tap) Refuse(on bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refuse = on
}

// Hang lets requests wait, while on is true; afterwards Vault gets them.
func (p *Tap) Hang(on bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.resumed:
		if on {
			p.resumed = make(chan struct{})
		}
	default:
		if !on {
			close(p.resumed)
		}
	}
}

// DropAnswers lets Vault answer the next n requests that match accepts (nil: all), and cuts the connection in place of
// the answer. It replaces what an earlier call asked for. net/http repeats a GET on a kept connection that was cut.
func (p *Tap) DropAnswers(match func(*http.Request) bool, n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.match, p.drops = match, n
}

// Dropped returns how many answers were dropped.
func (p *Tap) Dropped() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.dropped
}

func (p *Tap) serve(ctx context.Context, w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil || !p.wait(ctx) {
		cut(w)
		return
	}
	p.mu.Lock()
	p.counts[r.Method+" "+r.URL.Path]++
	p.mu.Unlock()
	status, header, answer, err := p.pass(ctx, r, body)
	r.Body = io.NopCloser(bytes.NewReader(body))
	if err != nil || p.drop(r) {
		cut(w)
		return
	}
	maps.Copy(w.Header(), header)
	w.WriteHeader(status)
	_, _ = w.Write(answer)
}

// wait holds the request back and reports whether it may go on.
func (p *Tap) wait(ctx context.Context) bool {
	p.mu.Lock()
	delay, refuse, resumed := p.delay, p.refuse, p.resumed
	p.mu.Unlock()
	if refuse {
		return false
	}
	timer := time.NewTimer(delay)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
		return false
	}
	select {
	case <-resumed:
		return true
	case <-ctx.Done():
		return false
	}
}

// pass has Vault answer, on a connection of its own, so that nothing is sent twice.
func (p *Tap) pass(ctx context.Context, r *http.Request, body []byte) (int, http.Header, []byte, error) {
	req, err := http.NewRequestWithContext(ctx, r.Method, p.target+r.URL.RequestURI(), bytes.NewReader(body))
	if err != nil {
		return 0, nil, nil, err
	}
	req.Header = r.Header.Clone()
	resp, err := client.Transport.RoundTrip(req)
	if err != nil {
		return 0, nil, nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	answer, err := io.ReadAll(resp.Body)
	return resp.StatusCode, resp.Header, answer, err
}

func (p *Tap) drop(r *http.Request) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.drops == 0 || p.match != nil && !p.match(r) {
		return false
	}
	p.drops--
	p.dropped++
	return true
}

// cut closes the client's connection without an answer.
func cut(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // a reset, as from a host that is gone
	}
	_ = conn.Close()
}
