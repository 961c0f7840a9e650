package bridge

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// TestResumption: a stream that ends before the response is resumed where it broke off, after the time the server asked for.
func TestResumption(t *testing.T) {
	s, url := newFake(t)
	var broke, resumed time.Time
	s.on("tools/call", func(w http.ResponseWriter, _ *http.Request) {
		sse(w, "id: a\nretry: 500\ndata:\n\n", "id: b\n", data(`{"jsonrpc":"2.0","method":"n"}`), "id: c\ndata: {\"half")
		broke = time.Now()
	})
	gets := 0
	s.on("GET", func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Last-Event-Id") == "" {
			w.WriteHeader(http.StatusMethodNotAllowed)
			return
		}
		if gets++; gets == 1 {
			resumed = time.Now()
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		sse(w, "id: d\n", data(result("7")))
	})
	f := start(t, url)
	f.initialize()
	f.send(call7("tools/call"))
	f.want(`{"jsonrpc":"2.0","method":"n"}`)
	f.want(result("7"))
	if d := resumed.Sub(broke); d < 450*time.Millisecond || d > 700*time.Millisecond {
		t.Errorf("resumed after %v", d)
	}
	for _, r := range s.requests("GET") {
		if last := r.header.Get("Last-Event-Id"); last != "" && last != "b" {
			t.Errorf("resumed at %q", last)
		}
	}
	if n := len(s.requests("tools/call")); n != 1 {
		t.Errorf("it was sent %d times", n)
	}
}

func TestResumptionThatIsRefused(t *testing.T) {
	s, url := newFake(t)
	s.on("tools/call", func(w http.ResponseWriter, _ *http.Request) { sse(w, "id: a\nretry: 1\ndata:\n\n") })
	f := start(t, url)
	f.initialize()
	f.send(call7("tools/call"))
	f.wantError("7", "not known whether the server has acted")
}

// TestListeningStream: what the server says unasked comes over a GET stream, which is opened again when it breaks.
func TestListeningStream(t *testing.T) {
	s, url := newFake(t)
	n := 0
	s.on("GET", func(w http.ResponseWriter, r *http.Request) {
		n++
		switch n {
		case 1:
			sse(w, "retry: 5\n\n", "id: e1\n", data(`{"jsonrpc":"2.0","method":"one"}`))
		case 2:
			w.WriteHeader(http.StatusBadGateway)
		case 3:
			sse(w, data(`{"jsonrpc":"2.0","id":1,"method":"ping"}`))
			<-r.Context().Done()
		}
	})
	f := start(t, url)
	f.initialize()
	f.want(`{"jsonrpc":"2.0","method":"one"}`)
	f.want(`{"jsonrpc":"2.0","id":1,"method":"ping"}`)
	for i, last := range []string{"", "e1", "e1"} {
		if got := s.requests("GET")[i].header.Get("Last-Event-Id"); got != last {
			t.Errorf("GET %d: Last-Event-ID %q, want %q", i, got, last)
		}
	}
	_ = f.in.Close()
	if err := <-f.ended; err != nil {
		t.Error(err)
	}
}

func TestEndlessComments(t *testing.T) {
	s, url := newFake(t)
	s.on("tools/call", func(w http.ResponseWriter, r *http.Request) {
		sse(w)
		for r.Context().Err() == nil {
			if _, err := io.WriteString(w, ": nothing\n\n"); err != nil {
				return
			}
			_ = http.NewResponseController(w).Flush()
		}
	})
	f := start(t, url)
	f.initialize()
	f.send(call7("tools/call"))
	f.nothing()
}

// TestStreamThatStaysOpen: a server that leaves an answer open is not waited for.
func TestStreamThatStaysOpen(t *testing.T) {
	s, url := newFake(t)
	closed := make(chan struct{})
	s.on("tools/call", func(w http.ResponseWriter, r *http.Request) {
		sse(w, data(result("7")))
		<-r.Context().Done()
		close(closed)
	})
	f := start(t, url)
	f.initialize()
	f.send(call7("tools/call"))
	f.want(result("7"))
	select {
	case <-closed:
	case <-time.After(patient):
		t.Error("it is still open")
	}
}

func TestEvents(t *testing.T) {
	for name, test := range map[string]struct{ stream, want, last string }{
		"lf":            {"data: a\n\ndata: b\n\n", "a|b", ""},
		"crlf":          {"data: a\r\n\r\ndata: b\r\n\r\n", "a|b", ""},
		"cr":            {"data: a\r\rdata: b\r\r", "a|b", ""},
		"mixed":         {"data: a\r\n\rdata: b\n\r\n", "a|b", ""},
		"bom":           {"\ufeffdata: a\n\n", "a", ""},
		"second bom":    {"data: a\n\n\ufeffdata: b\n\n", "a", ""},
		"several lines": {"data: a\ndata:b\ndata\n\n", "a b ", ""},
		"comments":      {":x\n:data: y\n\n: z\n\ndata: a\n\n", "a", ""},
		"no data":       {"event: e\n\nid: 5\n\n", "", "5"},
		"id kept":       {"id: 5\ndata: a\n\ndata: b\n\n", "a|b", "5"},
		"id cleared":    {"id: 5\ndata: a\n\nid\ndata: b\n\n", "a|b", ""},
		"id with nul":   {"id: 5\n\nid: 6\x00\ndata: a\n\n", "a", "5"},
		"unfinished":    {"id: 5\ndata: a\n\nid: 6\ndata: b\n", "a", "5"},
		"two spaces":    {"data:  a\n\n", " a", ""},
		"names":         {"Data: a\ndatax: b\ndata : c\ndata: d\n\n", "d", ""},
	} {
		for _, chunked := range []bool{false, true} {
			var r io.Reader = strings.NewReader(test.stream)
			if chunked {
				r = oneByte{r}
			}
			e := newEvents(r)
			var got []string
			for {
				ev, err := e.next()
				if err != nil {
					break
				}
				got = append(got, string(ev.data))
			}
			if s := strings.Join(got, "|"); s != test.want || e.last != test.last {
				t.Errorf("%s: %q, last %q", name, s, e.last)
			}
		}
	}
}

func TestRetryField(t *testing.T) {
	for value, want := range map[string]time.Duration{"500": 500 * time.Millisecond, "0": 0, "-1": -1, "5s": -1, "+5": -1, "": -1, "1e3": -1} {
		e := newEvents(strings.NewReader("retry: " + value + "\n\n"))
		_, _ = e.next()
		if got := e.retry; e.asked != (want >= 0) || e.asked && got != want {
			t.Errorf("%q: %v, %v", value, got, e.asked)
		}
	}
}

func TestPauses(t *testing.T) {
	var p pause
	for _, want := range []time.Duration{1, 2, 4, 8, 16, 30, 30} {
		if got := p.next(); got != want*time.Second {
			t.Errorf("%v, want %d s", got, want)
		}
	}
}

type oneByte struct{ r io.Reader }

func (o oneByte) Read(p []byte) (int, error) { return o.r.Read(p[:1]) }

func BenchmarkEvents(b *testing.B) {
	stream := data(`{"jsonrpc":"2.0","id":1,"result":"` + strings.Repeat("x", 1<<20) + `"}`)
	b.SetBytes(int64(len(stream)))
	for b.Loop() {
		if _, err := newEvents(strings.NewReader(stream)).next(); err != nil {
			b.Fatal(err)
		}
	}
}
