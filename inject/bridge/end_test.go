package bridge

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// TestEndOfTheClient: it is seen whatever the server does not answer.
func TestEndOfTheClient(t *testing.T) {
	for name, test := range map[string]struct {
		hangs string
		lines int
	}{
		"initialize":    {"initialize", 30},
		"notifications": {"n", 60},
	} {
		t.Run(name, func(t *testing.T) {
			s, url := newFake(t)
			f := start(t, url)
			hang := func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
			s.on(test.hangs, hang)
			if test.hangs == "initialize" {
				f.send(initialize)
			} else {
				f.initialize()
			}
			go func() {
				for range test.lines {
					if _, err := io.WriteString(f.in, `{"jsonrpc":"2.0","method":"n"}`+"\n"); err != nil {
						return
					}
				}
				_ = f.in.Close()
			}()
			go func() {
				for range f.out { //nolint:revive // the client reads
				}
			}()
			select {
			case <-f.ended:
			case <-time.After(8 * time.Second):
				t.Error("it does not end")
			}
		})
	}
}

func TestRequestThatIsOpenAtTheEnd(t *testing.T) {
	s, url := newFake(t)
	s.on("hang", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	f := start(t, url)
	f.initialize()
	f.send(call7("hang"))
	s.until("hang", 1)
	_ = f.in.Close()
	f.wantError("7", "closed stdin")
}

// TestClientThatDoesNotRead is not read on either.
func TestClientThatDoesNotRead(t *testing.T) {
	b := must(New("search", "http://127.0.0.1:1/mcp", http.DefaultTransport, slog.New(slog.DiscardHandler)))(t)
	in, client := io.Pipe()
	_, out := io.Pipe() // nobody reads
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); _ = b.Run(ctx, in, out) }()
	lines := bytes.Repeat([]byte(strings.Repeat("x", 1023)+"\n"), 8)
	var written atomic.Int64
	go func() {
		for range 4000 {
			n, err := client.Write(lines)
			if written.Add(int64(n)); err != nil {
				return
			}
		}
	}()
	for last := int64(-1); last != written.Load(); time.Sleep(300 * time.Millisecond) {
		last = written.Load()
	}
	if n := written.Load(); n > 8<<20 {
		t.Errorf("%d bytes were read", n)
	}
	cancel()
	<-ended
	_, _ = client.Close(), out.CloseWithError(io.ErrClosedPipe)
}

func TestTooManyRequests(t *testing.T) {
	s, url := newFake(t)
	more := make(chan struct{})
	s.on("slow", func(w http.ResponseWriter, r *http.Request) { <-more; answer(w, id(r)) })
	f := start(t, url)
	f.initialize()
	for i := range most + 1 {
		f.send(fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"method":"slow"}`, i+1))
	}
	f.wantError(fmt.Sprint(most+1), "send it again later", `"retry":true`)
	close(more)
	for range most {
		f.line()
	}
	f.send(call7("tools/call"))
	f.want(result("7"))
}

// Batches without requests are bounded as notifications are.
func TestTooManyBatchesOfNotifications(t *testing.T) {
	const more = 50
	s, url := newFake(t)
	var came atomic.Int64
	end := make(chan struct{})
	s.on("", func(http.ResponseWriter, *http.Request) {
		came.Add(1)
		<-end
	})
	f := start(t, url)
	f.initialize()
	go f.send(slices.Repeat([]string{`[{"jsonrpc":"2.0","method":"notifications/x"}]`}, most+more)...)
	wait := time.Now().Add(order + patient)
	for came.Load() < most && time.Now().Before(wait) { // the first is waited for
		time.Sleep(50 * time.Millisecond)
	}
	for last := int64(-1); last != came.Load(); time.Sleep(300 * time.Millisecond) {
		last = came.Load()
	}
	if n := came.Load(); n != most {
		t.Errorf("%d batches are under way", n)
	}
	close(end)
	for came.Load() < most+more && time.Now().Before(wait) {
		time.Sleep(50 * time.Millisecond)
	}
	if n := came.Load(); n != most+more {
		t.Errorf("%d batches came in the end", n)
	}
}
