package bridge

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

const patient = 20 * time.Second // for what must happen: far longer than it takes

// TestMain is also the program that MCP clients start: a bridge to the url that it is told.
func TestMain(m *testing.M) {
	if url := os.Getenv("BRIDGE_TEST_URL"); url != "" {
		ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
		b, err := New("peer", url, http.DefaultTransport, slog.New(slog.NewTextHandler(os.Stderr, nil)))
		if err == nil {
			err = b.Run(ctx, os.Stdin, os.Stdout)
		}
		stop()
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

// must is for calls that fail only when the test itself is at fault.
func must[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// fixture is a bridge between lines that a test writes and reads, and a server.
type fixture struct {
	t      testing.TB
	bridge *Bridge
	in     *io.PipeWriter
	out    <-chan string
	log    *logBuffer
	ended  chan error
	cancel context.CancelFunc
}

// start runs a bridge to url until the test ends.
func start(t testing.TB, url string) *fixture {
	t.Helper()
	transport := &http.Transport{}
	f := &fixture{t: t, log: &logBuffer{}, ended: make(chan error, 1)}
	f.bridge = must(New("search", url, transport, slog.New(slog.NewTextHandler(f.log, &slog.HandlerOptions{Level: slog.LevelDebug}))))(t)
	in, clientOut := io.Pipe()
	clientIn, out := io.Pipe()
	f.in = clientOut
	lines := make(chan string, 1000)
	f.out = lines
	ctx, cancel := context.WithCancel(context.Background())
	f.cancel = cancel
	go func() {
		f.ended <- f.bridge.Run(ctx, in, out)
		_ = out.Close()
	}()
	go func() {
		defer close(lines)
		for r := bufio.NewReader(clientIn); ; {
			line, err := r.ReadString('\n')
			if err != nil {
				return
			}
			lines <- strings.TrimSuffix(line, "\n")
		}
	}()
	t.Cleanup(func() {
		_ = f.in.Close()
		cancel()
		for range lines { //nolint:revive // until the bridge has ended
		}
		transport.CloseIdleConnections()
		if t.Failed() {
			t.Log(f.log.String())
		}
	})
	return f
}

func (f *fixture) send(lines ...string) {
	f.t.Helper()
	for _, line := range lines {
		if _, err := io.WriteString(f.in, line+"\n"); err != nil {
			f.t.Fatal(err)
		}
	}
}

// line is the next one that the client gets.
func (f *fixture) line() string {
	f.t.Helper()
	select {
	case line, more := <-f.out:
		if !more {
			f.t.Fatal("the bridge has ended")
		}
		return line
	case <-time.After(patient):
		f.t.Fatalf("nothing came\n%s", f.log.String())
	}
	return ""
}

func (f *fixture) want(line string) {
	f.t.Helper()
	if got := f.line(); got != line {
		f.t.Fatalf("the client got\n%s\nwant\n%s", got, line)
	}
}

// wantError checks that the next line is an error response to id whose message has these parts.
func (f *fixture) wantError(id string, parts ...string) {
	f.t.Helper()
	line := f.line()
	var got struct {
		ID    json.RawMessage
		Error *struct {
			Code    int
			Message string
		}
	}
	if err := json.Unmarshal([]byte(line), &got); err != nil || got.Error == nil || string(got.ID) != id {
		f.t.Fatalf("no error to %s (%v): %s", id, err, line)
	}
	for _, part := range parts {
		if !strings.Contains(line, part) {
			f.t.Errorf("%q is not in %s", part, line)
		}
	}
}

// nothing checks that the client gets no other line: what comes next is the answer to a ping.
func (f *fixture) nothing() {
	f.t.Helper()
	f.send(`{"jsonrpc":"2.0","id":"nothing","method":"ping"}`)
	if got := f.line(); !strings.Contains(got, `"nothing"`) {
		f.t.Errorf("the client also got %s", got)
	}
}

const (
	initialize  = `{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}`
	initialized = `{"jsonrpc":"2.0","method":"notifications/initialized"}`
)

// initialize begins a session.
func (f *fixture) initialize() {
	f.t.Helper()
	f.send(initialize)
	if line := f.line(); !strings.Contains(line, `"protocolVersion"`) {
		f.t.Fatalf("initialize: %s", line)
	}
	f.send(initialized)
}

func call7(method string) string {
	return `{"jsonrpc":"2.0","id":7,"method":"` + method + `"}`
}

// fake is a server of sessions. A method that handle has not is answered with {}.
type fake struct {
	t        testing.TB
	handle   map[string]http.HandlerFunc // by JSON-RPC method, or by HTTP method
	mu       sync.Mutex
	sessions map[string]bool
	count    int
	seen     []request
}

type request struct {
	http, method, id, body string
	header                 http.Header
}

func newFake(t testing.TB) (*fake, string) {
	s := &fake{t: t, handle: map[string]http.HandlerFunc{}, sessions: map[string]bool{}}
	server := httptest.NewServer(s)
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
	})
	return s, server.URL + "/mcp"
}

func (s *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	var m struct {
		ID     json.RawMessage
		Method string
	}
	_ = json.Unmarshal(body, &m)
	s.mu.Lock()
	if _, bench := s.t.(*testing.B); !bench {
		s.seen = append(s.seen, request{r.Method, m.Method, string(m.ID), string(body), r.Header.Clone()})
	}
	session := r.Header.Get("Mcp-Session-Id")
	known := session == "" || s.sessions[session]
	handler := s.handle[r.Method]
	if r.Method == http.MethodPost {
		handler = s.handle[m.Method]
	}
	s.mu.Unlock()
	r.Header.Set("Test-Id", string(m.ID))
	switch {
	case handler != nil && (known || m.Method == "modern"):
		handler(w, r)
	case !known:
		http.Error(w, "no such session", http.StatusNotFound)
	case r.Method == http.MethodGet:
		w.WriteHeader(http.StatusMethodNotAllowed)
	case r.Method == http.MethodDelete:
		w.WriteHeader(http.StatusOK)
	case m.Method == "initialize":
		s.begin(w, string(m.ID))
	case m.ID == nil || m.Method == "":
		w.WriteHeader(http.StatusAccepted)
	default:
		answer(w, string(m.ID))
	}
}

func (s *fake) begin(w http.ResponseWriter, id string) {
	s.mu.Lock()
	s.count++
	session := fmt.Sprintf("session-%d", s.count)
	s.sessions[session] = true
	s.mu.Unlock()
	w.Header().Set("Mcp-Session-Id", session)
	w.Header().Set("Content-Type", "application/json")
	fmt.Fprintf(w, `{"jsonrpc":"2.0","id":%s,"result":{"protocolVersion":"2025-11-25","capabilities":{"tools":{}},"serverInfo":{"name":"f","version":"%d"}}}`, id, s.count)
}

// forget makes the server lose its sessions.
func (s *fake) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.sessions)
}

func (s *fake) on(method string, h http.HandlerFunc) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.handle[method] = h
}

// requests are those with a JSON-RPC or HTTP method, so far.
func (s *fake) requests(method string) (list []request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.seen {
		if r.http == method || r.method == method && r.http == http.MethodPost {
			list = append(list, r)
		}
	}
	return list
}

// until waits for a number of requests.
func (s *fake) until(method string, n int) []request {
	s.t.Helper()
	for end := time.Now().Add(patient); ; time.Sleep(time.Millisecond) {
		if list := s.requests(method); len(list) >= n {
			return list
		}
		if time.Now().After(end) {
			s.t.Fatalf("%d requests %s came, not %d", len(s.requests(method)), method, n)
		}
	}
}

func result(id string) string { return `{"jsonrpc":"2.0","id":` + id + `,"result":{}}` }

func answer(w http.ResponseWriter, id string) {
	w.Header().Set("Content-Type", "application/json")
	_, _ = io.WriteString(w, result(id))
}

// sse begins a stream and writes to it.
func sse(w http.ResponseWriter, parts ...string) {
	w.Header().Set("Content-Type", "text/event-stream")
	for _, part := range parts {
		_, _ = io.WriteString(w, part)
		_ = http.NewResponseController(w).Flush()
	}
}

func data(message string) string { return "data: " + message + "\n\n" }

func id(r *http.Request) string { return r.Header.Get("Test-Id") }

type logBuffer struct {
	mu  sync.Mutex
	buf strings.Builder
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}
