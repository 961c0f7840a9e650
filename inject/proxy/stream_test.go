package proxy

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
)

// events begins an event stream as servers do.
func events(w http.ResponseWriter) *http.ResponseController {
	w.Header().Set("Content-Type", "text/event-stream")
	c := http.NewResponseController(w)
	_ = c.Flush()
	return c
}

// open sends a request and gives the answer as soon as its head is there.
func (f *fixture) open(ctx context.Context, method, path string) *http.Response {
	f.t.Helper()
	body := ""
	if method == http.MethodPost {
		body = call
	}
	return must(f.client.Do(f.request(method, path, body).WithContext(ctx)))(f.t)
}

func TestEventsArriveOneByOne(t *testing.T) {
	f := newFixture(t)
	seen := make(chan struct{})
	chunks := []string{": comment\n\n", "id: 7\nretry: 500\ndata:\n\n", "data: {\"jsonrpc\"", ":\"2.0\"}\n\n"}
	up := upstream(t, func(w http.ResponseWriter, r *http.Request) {
		c := events(w)
		for _, chunk := range chunks {
			_, _ = io.WriteString(w, chunk)
			_ = c.Flush()
			select {
			case <-seen: // the client has it before the next is written
			case <-r.Context().Done():
				return
			}
		}
	})
	f.serve(f.server("search", up.URL))
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		resp := f.open(t.Context(), method, "search")
		for _, chunk := range chunks {
			got := make([]byte, len(chunk))
			if _, err := io.ReadFull(resp.Body, got); err != nil || string(got) != chunk {
				t.Fatalf("%s: %q, %v, want %q", method, got, err, chunk)
			}
			seen <- struct{}{}
		}
		if rest, err := io.ReadAll(resp.Body); err != nil || len(rest) != 0 {
			t.Errorf("%s: %q, %v at the end", method, rest, err)
		}
		_ = resp.Body.Close()
	}
}

func TestSilentStream(t *testing.T) {
	f := newFixture(t)
	ended := make(chan struct{}, 2)
	up := upstream(t, func(w http.ResponseWriter, r *http.Request) {
		events(w)
		<-r.Context().Done()
		ended <- struct{}{}
	})
	f.serve(f.server("search", up.URL))
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		ctx, cancel := context.WithCancel(t.Context())
		resp := f.open(ctx, method, "search") // the head is there although nothing was written
		if resp.Header.Get("Content-Type") != "text/event-stream" {
			t.Errorf("head %v", resp.Header)
		}
		cancel()
		_ = resp.Body.Close()
		receive(t, ended, method+": cancelling upstream")
	}
}

// TestDisconnectBeforeTheAnswer is what the stateless wire calls a cancellation.
func TestDisconnectBeforeTheAnswer(t *testing.T) {
	f := newFixture(t)
	begun, ended := make(chan struct{}), make(chan struct{})
	up := upstream(t, func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		close(begun)
		<-r.Context().Done()
		close(ended)
	})
	f.serve(f.server("search", up.URL))
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	req := f.request(http.MethodPost, "search", call).WithContext(ctx)
	go func() {
		resp, err := f.client.Do(req)
		if err == nil {
			_ = resp.Body.Close()
		}
		done <- err
	}()
	receive(t, begun, "the request")
	cancel()
	receive(t, ended, "cancelling upstream")
	if err := receive(t, done, "the end"); !errors.Is(err, context.Canceled) {
		t.Errorf("the client saw %v", err)
	}
}

func TestAbortedAnswersAreSeenAsTruncated(t *testing.T) {
	f := newFixture(t)
	chunked := upstream(t, func(w http.ResponseWriter, _ *http.Request) {
		c := events(w)
		_, _ = io.WriteString(w, "data: 1\n\n")
		_ = c.Flush()
		panic(http.ErrAbortHandler)
	})
	short, _ := rawUpstream(t, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\ndata: 1\n\n")
	f.serve(f.server("chunked", chunked.URL), f.server("short", short))
	for _, name := range []string{"chunked", "short"} {
		resp := f.open(t.Context(), http.MethodPost, name)
		body, err := io.ReadAll(resp.Body)
		if !errors.Is(err, io.ErrUnexpectedEOF) || string(body) != "data: 1\n\n" {
			t.Errorf("%s: %q, %v", name, body, err)
		}
		_ = resp.Body.Close()
	}
}

func TestNoLimitOnTheTimeOfAnAnswer(t *testing.T) {
	f := newFixture(t)
	f.serve(f.server("search", "http://127.0.0.1:1/mcp"))
	front := f.proxy.fronts[f.cfg.Proxy.Listen]
	if s := front.base.Load().server; s.WriteTimeout != 0 || s.ReadTimeout != 0 || s.ReadHeaderTimeout == 0 {
		t.Errorf("timeouts: write %v, read %v, head %v", s.WriteTimeout, s.ReadTimeout, s.ReadHeaderTimeout)
	}
	if d := (*front.routes.Load())["/search"].transport.Load().ResponseHeaderTimeout; d != 0 {
		t.Errorf("upstream must answer within %v", d)
	}
}

// watchedConn tells when net/http has given a connection up.
type watchedConn struct {
	net.Conn
	closed chan<- struct{}
	once   *sync.Once
}

func (c watchedConn) Close() error {
	defer c.once.Do(func() { c.closed <- struct{}{} })
	return c.Conn.Close()
}

// TestStaleConnection posts again and again on connections that upstream closes after each answer without saying so.
func TestStaleConnection(t *testing.T) {
	f := newFixture(t)
	var served atomic.Int32
	up := upstream(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		served.Add(1)
		c, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
		_ = c.Close()
	})
	f.serve(f.server("search", up.URL))
	closed := make(chan struct{}, 1)
	transport := (*f.proxy.fronts[f.cfg.Proxy.Listen].routes.Load())["/search"].transport.Load()
	dial := transport.DialContext
	transport.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		c, err := dial(ctx, network, address)
		return watchedConn{c, closed, &sync.Once{}}, err
	}
	for i := range int32(20) {
		if a := f.post("search"); a.StatusCode != 200 || a.body != "ok" {
			t.Fatalf("post %d: %d %s", i, a.StatusCode, a.body)
		}
		receive(t, closed, "closing the connection")
		if served.Load() != i+1 {
			t.Fatalf("%d posts were served %d times", i+1, served.Load())
		}
	}
}

// TestBrokenConnectionIsNotRepeated: upstream may have acted before it broke off.
func TestBrokenConnectionIsNotRepeated(t *testing.T) {
	f := newFixture(t)
	var served atomic.Int32
	up := upstream(t, func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		if served.Add(1) > 1 {
			panic(http.ErrAbortHandler)
		}
	})
	f.serve(f.server("search", up.URL))
	f.post("search")
	wantRefused(t, f.post("search"), 502, "search", "not known whether it has acted")
	if served.Load() != 2 {
		t.Errorf("2 posts were served %d times", served.Load())
	}
}

func TestCloseLeavesNoConnectionOpen(t *testing.T) {
	f := newFixture(t)
	up := httptest.NewUnstartedServer(say("ok"))
	closed := make(chan struct{}, 2)
	up.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateClosed {
			closed <- struct{}{}
		}
	}
	up.Start()
	t.Cleanup(up.Close)
	f.serve(f.server("search", up.URL))
	f.post("search")
	f.serve(f.server("search", up.URL)) // equal settings: the connection stays
	f.post("search")
	if len(closed) > 0 {
		t.Error("settings that did not change have closed the connection")
	}
	changed := f.server("search", up.URL)
	changed.AllowHosts = []string{"other"}
	f.serve(changed)
	receive(t, closed, "closing the connection of the settings before")
	f.post("search")
	f.proxy.Close(t.Context())
	receive(t, closed, "closing the last connection")
}
