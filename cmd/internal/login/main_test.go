package login

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// right is the query that the flows of these tests are waiting for.
const right = "code=canary-code&state=right"

// trial is a flow that runs, and what its functions were asked.
type trial struct {
	t        testing.TB
	redirect string     // as Begin got it
	result   chan error // of Run
	browser  *http.Client

	mu       sync.Mutex
	finished []string // guarded by mu: the queries that Finish got, of this flow or not
}

// begin runs a flow and returns once the browser would open. What f leaves out is made up; only the query right ends it.
func begin(t testing.TB, f Flow) *trial {
	t.Helper()
	tr := &trial{t: t, result: make(chan error, 1), browser: browser(nil)}
	f.Server = "tickets"
	if f.Redirect == "" {
		f.Redirect = "http://127.0.0.1:0/callback"
	}
	f.Begin = func(_ context.Context, redirect string) (string, error) {
		tr.redirect = redirect
		return "https://auth.example.com/authorize?state=right", nil
	}
	finish := f.Finish
	f.Finish = func(ctx context.Context, query string) error {
		tr.mu.Lock()
		tr.finished = append(tr.finished, query)
		tr.mu.Unlock()
		if query != right {
			return ErrOther
		}
		if finish != nil {
			return finish(ctx, query)
		}
		return nil
	}
	ready := make(chan struct{})
	if f.Open == nil && f.Out == nil {
		f.Open = func(context.Context, string) error { close(ready); return nil }
	} else {
		f.Out = &signal{w: f.Out, ready: ready}
	}
	go func() { tr.result <- Run(t.Context(), f) }()
	select {
	case <-ready:
	case err := <-tr.result:
		t.Fatalf("Run ended before the browser was opened: %v", err)
	}
	return tr
}

// signal closes ready at the first write.
type signal struct {
	w     io.Writer
	ready chan struct{}
	once  sync.Once
}

func (s *signal) Write(b []byte) (int, error) {
	defer s.once.Do(func() { close(s.ready) })
	if s.w == nil {
		return len(b), nil
	}
	return s.w.Write(b)
}

// browser follows redirects and keeps no connection.
func browser(dial func(context.Context, string, string) (net.Conn, error)) *http.Client {
	return &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: dial}}
}

// shown is what a browser shows.
type shown struct {
	status int
	header http.Header
	body   string
	at     *url.URL // after redirects
}

func (tr *trial) ask(method, address, host string) shown {
	tr.t.Helper()
	r, err := http.NewRequestWithContext(context.Background(), method, address, http.NoBody)
	if err != nil {
		tr.t.Fatal(err)
	}
	r.Host = host
	resp, err := tr.browser.Do(r)
	if err != nil {
		tr.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		tr.t.Fatal(err)
	}
	return shown{resp.StatusCode, resp.Header, string(b), resp.Request.URL}
}

func (tr *trial) get(address string) shown {
	tr.t.Helper()
	return tr.ask(http.MethodGet, address, "")
}

// answer brings the right answer, which ends the flow.
func (tr *trial) answer() shown {
	tr.t.Helper()
	return tr.get(tr.redirect + "?" + right)
}

func (tr *trial) asked() []string {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	return tr.finished
}

// ends waits for the end of Run.
func (tr *trial) ends() error { return <-tr.result }

// memory is a network of one listener: unlike real sockets it can be waited for in a synctest bubble.
type memory struct {
	conns  chan net.Conn
	closed chan struct{}
	close  func()
}

func newMemory() *memory {
	closed := make(chan struct{})
	return &memory{make(chan net.Conn), closed, sync.OnceFunc(func() { close(closed) })}
}

func (m *memory) Accept() (net.Conn, error) {
	select {
	case c := <-m.conns:
		return c, nil
	case <-m.closed:
		return nil, net.ErrClosed
	}
}

func (m *memory) Close() error   { m.close(); return nil }
func (m *memory) Addr() net.Addr { return &net.TCPAddr{} }

func (m *memory) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	ours, theirs := net.Pipe()
	select {
	case m.conns <- theirs:
		return ours, nil
	case <-m.closed:
	case <-ctx.Done():
	}
	return nil, net.ErrClosed
}

// buffer is what was told, by several goroutines.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer // guarded by mu
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

func contains(t testing.TB, text string, parts ...string) {
	t.Helper()
	for _, p := range parts {
		if !strings.Contains(text, p) {
			t.Errorf("%q does not say %q", text, p)
		}
	}
}
