package bridge

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestSession(t *testing.T) {
	s, url := newFake(t)
	f := start(t, url)
	f.initialize()
	f.send(call7("tools/list"))
	f.want(result("7"))
	if h := s.requests("initialize")[0].header; h.Get("Mcp-Session-Id") != "" || h.Get("Accept") != "application/json, text/event-stream" {
		t.Errorf("initialize: %v", h)
	}
	for _, method := range []string{"notifications/initialized", "GET", "tools/list"} {
		h := s.until(method, 1)[0].header
		if h.Get("Mcp-Session-Id") != "session-1" || h.Get("Mcp-Protocol-Version") != "2025-11-25" {
			t.Errorf("%s: %v", method, h)
		}
	}
	_ = f.in.Close()
	if err := <-f.ended; err != nil {
		t.Error(err)
	}
	if d := s.requests("DELETE"); len(d) != 1 || d[0].header.Get("Mcp-Session-Id") != "session-1" {
		t.Errorf("%v", d)
	}
}

// TestPipedInput is a client that says everything at once and closes stdin.
func TestPipedInput(t *testing.T) {
	s, url := newFake(t)
	s.on("slow", func(w http.ResponseWriter, r *http.Request) {
		time.Sleep(50 * time.Millisecond)
		answer(w, id(r))
	})
	f := start(t, url)
	f.send(initialize, initialized, call7("slow"))
	_ = f.in.Close()
	f.line()
	f.want(result("7"))
	if err := <-f.ended; err != nil {
		t.Error(err)
	}
}

func TestOpenRequestsAreCutAtTheEnd(t *testing.T) {
	s, url := newFake(t)
	s.on("hang", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	f := start(t, url)
	f.initialize()
	f.send(call7("hang"))
	s.until("hang", 1)
	began := time.Now()
	f.cancel()
	<-f.ended
	if d := time.Since(began); d > time.Second {
		t.Errorf("it took %v", d)
	}
}

func TestLongRequestHoldsUpNothing(t *testing.T) {
	s, url := newFake(t)
	more := make(chan struct{})
	s.on("slow", func(w http.ResponseWriter, r *http.Request) { <-more; answer(w, id(r)) })
	f := start(t, url)
	f.initialize()
	f.send(`{"jsonrpc":"2.0","id":"a","method":"slow"}`)
	f.nothing()
	close(more)
	f.want(result(`"a"`))
}

func TestNotificationsComeBeforeWhatFollows(t *testing.T) {
	s, url := newFake(t)
	s.on("notifications/roots/list_changed", func(w http.ResponseWriter, _ *http.Request) {
		time.Sleep(30 * time.Millisecond)
		if len(s.requests("tools/list")) > 0 {
			t.Error("the request overtook the notification")
		}
		w.WriteHeader(http.StatusAccepted)
	})
	f := start(t, url)
	f.initialize()
	f.send(`{"jsonrpc":"2.0","method":"notifications/roots/list_changed"}`, call7("tools/list"))
	f.want(result("7"))
}

func TestFailuresOfARequest(t *testing.T) {
	for name, test := range map[string]struct {
		handle http.HandlerFunc
		parts  []string
	}{
		"html": {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(502); _, _ = io.WriteString(w, "<html>") }, []string{"search", "502"}},
		"redirect": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://192.0.2.1/", http.StatusTemporaryRedirect)
		}, []string{"redirect"}},
		"401": {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(401) }, []string{"401"}},
		"403": {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(403) }, []string{"403"}},
		"202": {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(202) }, []string{"202"}},
		"error null": {func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(503)
			_, _ = io.WriteString(w, `{"jsonrpc":"2.0","id":null,"error":{"code":-5,"message":"the reason","data":{"a":1}}}`)
		}, []string{"-5", "the reason", `{"a":1}`}},
		"200 error null": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = io.WriteString(w, `{"jsonrpc":"2.0","error":{"code":-5,"message":"the reason"}}`)
		}, []string{"-5", "the reason"}},
		"garbage": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = io.WriteString(w, `{"jsonrpc`)
		}, []string{"not the JSON-RPC response"}},
		"other id": {func(w http.ResponseWriter, _ *http.Request) { answer(w, "8") }, []string{"not the JSON-RPC response"}},
		"empty stream": {func(w http.ResponseWriter, _ *http.Request) { sse(w, ": hello\n\n") },
			[]string{"not known whether the server has acted"}},
		"garbage stream": {func(w http.ResponseWriter, _ *http.Request) { sse(w, data("garbage"), data(`{"id":`)) },
			[]string{"not known whether the server has acted"}},
		"cut stream": {func(w http.ResponseWriter, _ *http.Request) { sse(w, "data: {"); panic(http.ErrAbortHandler) },
			[]string{"not known whether the server has acted"}},
		"reset": {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, []string{"not known"}},
	} {
		t.Run(name, func(t *testing.T) {
			s, url := newFake(t)
			s.on("tools/call", test.handle)
			f := start(t, url)
			f.initialize()
			f.send(call7("tools/call"))
			f.wantError("7", test.parts...)
			f.nothing()
			if n := len(s.requests("tools/call")); n != 1 {
				t.Errorf("it was sent %d times", n)
			}
		})
	}
}

func TestServerThatIsDown(t *testing.T) {
	f := start(t, "http://127.0.0.1:1/mcp")
	f.send(initialize)
	f.wantError("0", "search")
	f.send(call7("ping"))
	f.wantError("7", "search")
}

func TestWhatTheServerWrites(t *testing.T) {
	s, url := newFake(t)
	s.on("tools/call", func(w http.ResponseWriter, _ *http.Request) {
		sse(w, "\ufeff: comment\r\n\r\nevent: message\rdata: {\"jsonrpc\":\"2.0\",\rdata:\"method\":\"a\"}\r\r",
			"event: other\ndata: {}\n\n", "data\n\n", data(result("99")), data(result("7")), data(result("7")))
	})
	f := start(t, url)
	f.initialize()
	f.send(call7("tools/call"))
	f.want(`{"jsonrpc":"2.0", "method":"a"}`)
	f.want(result("7"))
	f.nothing()
}

func TestPrettyAnswer(t *testing.T) {
	s, url := newFake(t)
	s.on("tools/call", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		_, _ = io.WriteString(w, "{\r\n  \"id\": 7,\n  \"result\": {}\n}\n")
	})
	f := start(t, url)
	f.initialize()
	f.send(call7("tools/call"))
	f.want(`{    "id": 7,   "result": {} }`)
}

func TestHugeMessages(t *testing.T) {
	s, url := newFake(t)
	huge := strings.Repeat("x", 16<<20)
	s.on("tools/call", func(w http.ResponseWriter, r *http.Request) {
		sse(w, data(`{"jsonrpc":"2.0","method":"n","params":"`+huge+`"}`), data(result("7")))
	})
	f := start(t, url)
	f.initialize()
	f.send(`{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"x":"` + huge + `"}}`)
	if n := len(f.line()); n < 16<<20 {
		t.Errorf("%d bytes came", n)
	}
	f.want(result("7"))
	if n := len(s.requests("tools/call")[0].body); n < 16<<20 {
		t.Errorf("%d bytes went", n)
	}
}

func TestBatch(t *testing.T) {
	s, url := newFake(t)
	s.on("", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = fmt.Fprintf(w, "[%s,%s]", result("1"), result("2"))
	})
	f := start(t, url)
	f.initialize()
	batch := `[{"jsonrpc":"2.0","id":1,"method":"a"},{"jsonrpc":"2.0","method":"n"},{"jsonrpc":"2.0","id":2,"method":"b"},{"jsonrpc":"2.0","id":3,"method":"c"}]`
	f.send(batch)
	f.want(result("1"))
	f.want(result("2"))
	f.wantError("3")
	if list := s.requests(""); list[len(list)-1].body != batch {
		t.Errorf("the server got %v", list)
	}
}

func TestWhatTheClientMayNotWrite(t *testing.T) {
	_, url := newFake(t)
	f := start(t, url)
	f.send("garbage")
	f.wantError("null", "-32700")
	f.send(`{"jsonrpc":"2.0"}`)
	f.wantError("null", "-32600")
}

func TestTwoRequestsWithOneID(t *testing.T) {
	s, url := newFake(t)
	more := make(chan struct{})
	s.on("slow", func(w http.ResponseWriter, r *http.Request) { <-more; answer(w, id(r)) })
	f := start(t, url)
	f.initialize()
	f.send(call7("slow"), call7("ping"))
	f.wantError("7", "still open")
	close(more)
	f.want(result("7"))
}

func TestCancellation(t *testing.T) {
	s, url := newFake(t)
	gone := make(chan struct{})
	s.on("hang", func(w http.ResponseWriter, r *http.Request) {
		sse(w, ": here\n\n")
		<-r.Context().Done()
		close(gone)
	})
	f := start(t, url)
	f.initialize()
	f.send(call7("hang"), `{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":7}}`)
	s.until("notifications/cancelled", 1)
	<-gone
	f.nothing()
}

func TestServerRequests(t *testing.T) {
	s, url := newFake(t)
	ask := `{"jsonrpc":"2.0","id":7,"method":"sampling/createMessage"}`
	replied := make(chan struct{})
	s.on("tools/call", func(w http.ResponseWriter, r *http.Request) {
		sse(w, data(ask))
		<-replied
		sse(w, data(result("7")))
	})
	s.on("", func(w http.ResponseWriter, _ *http.Request) { close(replied); w.WriteHeader(202) })
	f := start(t, url)
	f.initialize()
	f.send(call7("tools/call"))
	f.want(ask)
	f.send(`{"jsonrpc":"2.0","id":7,"result":{"the":"reply"}}`)
	f.want(result("7"))
	f.send(`{"jsonrpc":"2.0","id":7,"result":{"the":"second"}}`) // dropped
	f.nothing()
	if list := s.requests(""); !strings.Contains(list[len(list)-1].body, `"reply"`) {
		t.Errorf("%v", list)
	}
}
