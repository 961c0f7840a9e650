package bridge

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// TestRequestThatTheServerTakesBack is not remembered, and the client gets the id that it knows.
func TestRequestThatTheServerTakesBack(t *testing.T) {
	s, url := newFake(t)
	ask := `{"jsonrpc":"2.0","id":1,"method":"roots/list"}`
	back := `{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}`
	s.on("tools/call", func(w http.ResponseWriter, r *http.Request) { sse(w, data(ask), data(result(id(r)))) })
	s.on("both", func(w http.ResponseWriter, r *http.Request) { sse(w, data(ask), data(back), data(result(id(r)))) })
	f := start(t, url)
	f.initialize()
	f.send(call7("both"))
	f.want(ask)
	f.want(back)
	f.want(result("7"))
	f.asks(0)
	f.send(call7("tools/call"))
	f.want(ask)
	f.want(result("7"))
	s.forget()
	f.send(call7("both"))
	_, after, _ := strings.Cut(f.line(), `"id":`)
	known, _, _ := strings.Cut(after, ",")
	f.want(strings.Replace(back, `"requestId":1`, `"requestId":`+known, 1))
	f.want(result("7"))
	f.asks(1)
}

func (f *fixture) asks(n int) {
	f.t.Helper()
	f.bridge.mu.Lock()
	defer f.bridge.mu.Unlock()
	if got := len(f.bridge.asked); got != n || len(f.bridge.renamed) > 0 {
		f.t.Errorf("%d requests of the server are remembered, %d renamed", got, len(f.bridge.renamed))
	}
}

func TestToolsThatAreNotListedAnyMore(t *testing.T) {
	s, url := newFake(t)
	n := 0
	s.on("tools/list", func(w http.ResponseWriter, r *http.Request) {
		n++
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"jsonrpc":"2.0","id":%s,"result":{"tools":[{"name":"t%d","inputSchema":%s}]}}`, id(r), n, schema)
	})
	f := start(t, url)
	for range 3 {
		f.send(modernCall("7", "tools/list", ""))
		f.line()
	}
	f.bridge.mu.Lock()
	defer f.bridge.mu.Unlock()
	if len(f.bridge.tools) != 1 {
		t.Errorf("%d tools are remembered", len(f.bridge.tools))
	}
}

// TestWhatIsNoJSON does not come to the client: many end at it.
func TestWhatIsNoJSON(t *testing.T) {
	for name, value := range map[string]string{
		"control character": "\"\x01\"", "UTF-8": "\"\xff\"", "word": "tru", "bracket": "[}", "comma": "[1,]",
	} {
		for _, stream := range []bool{false, true} {
			t.Run(fmt.Sprint(name, stream), func(t *testing.T) {
				s, url := newFake(t)
				s.on("tools/call", func(w http.ResponseWriter, r *http.Request) {
					body := `{"jsonrpc":"2.0","id":7,"result":` + value + `}`
					if stream {
						sse(w, data(`{"jsonrpc":"2.0","method":"n","params":`+value+`}`), data(body))
						<-r.Context().Done()
						return
					}
					w.Header().Set("Content-Type", "application/json")
					_, _ = io.WriteString(w, body)
				})
				f := start(t, url)
				f.initialize()
				f.send(call7("tools/call"))
				f.wantError("7", "answered")
				f.nothing()
			})
		}
	}
}

// TestAnswerOverAnotherStream: the exchange that it was asked in is not kept.
func TestAnswerOverAnotherStream(t *testing.T) {
	s, url := newFake(t)
	stream, gone := make(chan string), make(chan struct{})
	s.on("GET", func(w http.ResponseWriter, r *http.Request) {
		sse(w, ": \n\n")
		for {
			select {
			case line := <-stream:
				sse(w, data(line))
			case <-r.Context().Done():
				return
			}
		}
	})
	s.on("tools/call", func(_ http.ResponseWriter, r *http.Request) {
		stream <- result(id(r))
		<-r.Context().Done()
		close(gone)
	})
	f := start(t, url)
	f.initialize()
	s.until("GET", 1)
	f.send(call7("tools/call"))
	f.want(result("7"))
	select {
	case <-gone:
	case <-time.After(patient):
		t.Error("the exchange goes on")
	}
}

// TestBatchMembersThatMayNotBeSent are left out; the others go.
func TestBatchMembersThatMayNotBeSent(t *testing.T) {
	s, url := newFake(t)
	more := make(chan struct{})
	s.on("slow", func(w http.ResponseWriter, r *http.Request) { <-more; answer(w, id(r)) })
	s.on("", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = fmt.Fprintf(w, "[%s]", result("8"))
	})
	f := start(t, url)
	f.initialize()
	f.send(call7("slow"))
	f.send(`[{"jsonrpc":"2.0","id":7,"method":"a"},{"jsonrpc":"2.0","id":8,"method":"b"},` +
		`{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":7}}]`)
	f.wantError("7", "still open")
	f.want(result("8"))
	list := s.requests("")
	if got := list[len(list)-1].body; strings.Contains(got, `"method":"a"`) || !strings.Contains(got, `"method":"b"`) {
		t.Errorf("the server got %s", got)
	}
	f.bridge.mu.Lock()
	cancelled := f.bridge.open["7"] != nil && f.bridge.open["7"].cancelled
	f.bridge.mu.Unlock()
	if !cancelled {
		t.Error("the call is not marked")
	}
	close(more)
}

func BenchmarkValid(b *testing.B) {
	line := []byte(`{"jsonrpc":"2.0","id":1,"result":{"list":[` + strings.Repeat(`{"id":123,"name":"abc","tags":["x","y"],"ok":true},`, 1<<20/51) + `{}]}}`)
	b.SetBytes(int64(len(line)))
	for b.Loop() {
		if !valid(line) {
			b.Fatal("not valid")
		}
	}
}
