package proxy

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"bearerd/config"
)

// watchedBody tells how much room the reader of a body makes for it.
type watchedBody struct {
	left, most int
}

func (b *watchedBody) Read(p []byte) (int, error) {
	b.most = max(b.most, len(p))
	n := min(len(p), b.left, 100)
	if b.left -= n; n == 0 {
		return 0, io.EOF
	}
	return n, nil
}

func (b *watchedBody) Close() error { return nil }

func keepBody(t *testing.T, r io.ReadCloser, length int64, budget *budget) *body {
	t.Helper()
	req := httptest.NewRequest(http.MethodPost, "/", r)
	req.ContentLength = length
	b := newBody(httptest.NewRecorder(), req, config.DefaultProxy().Limits, budget)
	t.Cleanup(b.release)
	if err := b.keep(); err != nil {
		t.Fatal(err)
	}
	return b
}

func TestMemoryGrowsWithTheBytesThatCome(t *testing.T) {
	b := &budget{}
	b.left.Store(replayBudget)
	for _, length := range []int64{-1, replayLimit, 64 << 20} {
		sent := &watchedBody{left: 100}
		kept := keepBody(t, sent, length, b)
		if sent.most > 64<<10 || cap(kept.head) > 64<<10 || len(kept.head) != 100 {
			t.Errorf("for the claim %d there is room for %d bytes", length, cap(kept.head))
		}
	}
	if kept := keepBody(t, &watchedBody{left: 700}, 700, b); cap(kept.head) != 701 {
		t.Errorf("room for %d bytes, of which 700 are known to come", cap(kept.head))
	}
}

func TestKeptBodiesShareABudget(t *testing.T) {
	b := &budget{}
	b.left.Store(100 << 10)
	const size = 80 << 10
	first := keepBody(t, io.NopCloser(strings.NewReader(strings.Repeat("x", size))), size, b)
	second := keepBody(t, io.NopCloser(strings.NewReader(strings.Repeat("y", size))), size, b)
	if !first.whole || second.whole || b.left.Load() < 0 {
		t.Errorf("kept whole: %v, %v; %d bytes left", first.whole, second.whole, b.left.Load())
	}
	if got, _ := io.ReadAll(io.MultiReader(bytes.NewReader(second.head), second.rest)); string(got) != strings.Repeat("y", size) {
		t.Errorf("%d bytes of the second pass", len(got))
	}
	first.release()
	if left := b.left.Load(); left < size || left > 100<<10 {
		t.Errorf("%d bytes left after the first", left)
	}
}

// TestWithoutBudgetABodyPassesOnce: it reaches upstream as it is, and cannot be sent again.
func TestWithoutBudgetABodyPassesOnce(t *testing.T) {
	f, rec := revoked(t, bearer)
	if left := f.proxy.budget.left.Load(); left != 64<<20 {
		t.Fatalf("%d bytes of the budget are left when nothing is in flight", left)
	}
	f.proxy.budget.left.Store(10)
	a := f.post("search")
	if a.StatusCode != 502 || !strings.Contains(a.body, "not retried") || rec.count() != 2 || rec.bodies[1] != call {
		t.Errorf("%d %s after %q", a.StatusCode, a.body, rec.bodies)
	}
	if a := f.post("search"); a.StatusCode != 200 || f.proxy.budget.left.Load() != 10 {
		t.Errorf("%d %s, %d bytes left", a.StatusCode, a.body, f.proxy.budget.left.Load())
	}
}

// pipes is a listener in memory, on which time may be the bubble's.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
}

func newPipes() *pipes { return &pipes{make(chan net.Conn), make(chan struct{})} }

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipe", Net: "unix"} }

func (p *pipes) Close() error {
	close(p.closed)
	return nil
}

func (p *pipes) dial(context.Context, string, string) (net.Conn, error) {
	here, there := net.Pipe()
	p.conns <- there
	return here, nil
}

// inMemory serves /s, without a key and a token, in front of upstream, and gives a connection to it.
func inMemory(t *testing.T, upstream http.HandlerFunc) net.Conn {
	t.Helper()
	p := New(NewKeys(), nil, slog.New(slog.DiscardHandler))
	of := config.DefaultProxy()
	rt := must(p.newRoute(&of, "127.0.0.1:1", &config.Server{Name: "s", URL: "http://up/", Local: config.Local{LocalAuth: "none"}}, nil))(t)
	near, far := newPipes(), newPipes()
	rt.transport.Load().DialContext = far.dial
	f := &front{sockets: []net.Listener{near}, conns: p.conns, log: p.log}
	f.routes.Store(&table{"/s": rt})
	f.serve(&of.Limits)
	server := &http.Server{Handler: upstream}
	go func() { _ = server.Serve(far) }()
	c := must(near.dial(t.Context(), "", ""))(t)
	t.Cleanup(func() {
		_ = c.Close()
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		f.close(ctx)
		_ = server.Close()
		time.Sleep(time.Second) // of the bubble: net/http lingers on what it closes
	})
	return c
}

const post = " HTTP/1.1\r\nHost: localhost\r\nContent-Length: "

func TestBodyThatStopsComing(t *testing.T) {
	for name, test := range map[string]struct {
		path, size string
		sent       int
		want       int
	}{
		"kept":     {"/s", "10", 3, 408},
		"nothing":  {"/s", "4194304", 0, 408},
		"streamed": {"/s", "5000000", 4<<20 + 1000, 408},
		"unread":   {"/other", "10", 3, 404},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := inMemory(t, func(_ http.ResponseWriter, r *http.Request) {
					if _, err := io.Copy(io.Discard, r.Body); err != nil {
						panic(http.ErrAbortHandler)
					}
				})
				_ = must(io.WriteString(c, "POST "+test.path+post+test.size+"\r\n\r\n"+strings.Repeat("x", test.sent)))(t)
				start := time.Now()
				resp := must(http.ReadResponse(bufio.NewReader(c), nil))(t)
				_ = must(io.ReadAll(resp.Body))(t)
				if took := time.Since(start); resp.StatusCode != test.want || !resp.Close || took < 30*time.Second || took > 31*time.Second {
					t.Errorf("%d after %v, %v", resp.StatusCode, time.Since(start), resp.Header)
				}
			})
		})
	}
}

// TestSlowBodyAndLongStream: neither a body that goes on coming nor the answer has a limit of time.
func TestSlowBodyAndLongStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := inMemory(t, func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			s := events(w)
			for range 3 {
				time.Sleep(time.Hour)
				_, _ = w.Write(append(body, '\n'))
				_ = s.Flush()
			}
		})
		_ = must(io.WriteString(c, "POST /s"+post+"5\r\n\r\n"))(t)
		for _, b := range "bytes" {
			time.Sleep(29 * time.Second)
			_ = must(io.WriteString(c, string(b)))(t)
		}
		resp := must(http.ReadResponse(bufio.NewReader(c), nil))(t)
		body, err := io.ReadAll(resp.Body)
		if resp.StatusCode != 200 || string(body) != "bytes\nbytes\nbytes\n" || err != nil {
			t.Errorf("%d %q %v", resp.StatusCode, body, err)
		}
	})
}
