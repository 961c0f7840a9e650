package bridge

import (
	"net/http"
	"strings"
	"sync"
	"testing"
)

func TestLostSession(t *testing.T) {
	s, url := newFake(t)
	f := start(t, url)
	f.initialize()
	for _, line := range []string{
		`{"jsonrpc":"2.0","id":7,"method":"logging/setLevel","params":{"level":"info"}}`,
		`{"jsonrpc":"2.0","id":7,"method":"resources/subscribe","params":{"uri":"a:1"}}`,
		`{"jsonrpc":"2.0","id":7,"method":"resources/subscribe","params":{"uri":"a:2"}}`,
		`{"jsonrpc":"2.0","id":7,"method":"resources/unsubscribe","params":{"uri":"a:1"}}`,
	} {
		f.send(line)
		f.want(result("7"))
	}
	s.until("GET", 1)
	s.forget()
	f.send(call7("tools/call"))
	f.want(result("7"))
	f.nothing()
	if n := len(s.requests("initialize")); n != 2 {
		t.Errorf("%d times initialize", n)
	}
	if h := s.requests("initialize")[1].header; h.Get("Mcp-Session-Id") != "" || h.Get("Mcp-Protocol-Version") != "" {
		t.Errorf("%v", h)
	}
	if list := s.until("notifications/initialized", 2); list[1].header.Get("Mcp-Session-Id") != "session-2" {
		t.Errorf("%v", list)
	}
	if list := s.requests("logging/setLevel"); len(list) != 2 {
		t.Errorf("%v", list)
	}
	list := s.requests("resources/subscribe")
	if len(list) != 3 || !strings.Contains(list[2].body, "a:2") || list[2].header.Get("Mcp-Session-Id") != "session-2" {
		t.Errorf("%v", list)
	}
	s.until("GET", 2)
	_ = f.in.Close()
	<-f.ended
	if d := s.requests("DELETE"); len(d) != 1 || d[0].header.Get("Mcp-Session-Id") != "session-2" {
		t.Errorf("%v", d)
	}
}

// TestSessionIsRenewedOnce: many requests meet the 404 at once.
func TestSessionIsRenewedOnce(t *testing.T) {
	s, url := newFake(t)
	f := start(t, url)
	f.initialize()
	s.until("notifications/initialized", 1)
	s.forget()
	var ids []string
	for _, id := range strings.Fields("10 11 12 13 14 15 16 17 18 19") {
		f.send(`{"jsonrpc":"2.0","id":` + id + `,"method":"tools/call"}`)
		ids = append(ids, result(id))
	}
	got := map[string]bool{}
	for range ids {
		got[f.line()] = true
	}
	for _, want := range ids {
		if !got[want] {
			t.Errorf("no %s", want)
		}
	}
	if n := len(s.requests("initialize")); n != 2 {
		t.Errorf("%d times initialize", n)
	}
}

// TestUnknownSessionAsManyServersSayIt: 400 and an error that speaks of the session.
func TestUnknownSessionAsManyServersSayIt(t *testing.T) {
	s, url := newFake(t)
	var once sync.Once
	s.on("tools/call", func(w http.ResponseWriter, r *http.Request) {
		first := false
		once.Do(func() { first = true })
		if first {
			w.WriteHeader(http.StatusBadRequest)
			_, _ = w.Write([]byte(`{"jsonrpc":"2.0","error":{"code":-32000,"message":"Bad Request: No valid session ID provided"},"id":null}`))
			return
		}
		answer(w, id(r))
	})
	f := start(t, url)
	f.initialize()
	f.send(call7("tools/call"))
	f.want(result("7"))
}

func TestSessionThatStaysLost(t *testing.T) {
	s, url := newFake(t)
	s.on("tools/call", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotFound) })
	f := start(t, url)
	f.initialize()
	f.send(call7("tools/call"))
	f.wantError("7")
	if n := len(s.requests("tools/call")); n != 2 {
		t.Errorf("it was sent %d times", n)
	}
}

func TestOtherServerAfterALoss(t *testing.T) {
	s, url := newFake(t)
	f := start(t, url)
	f.initialize()
	s.until("notifications/initialized", 1)
	s.forget()
	s.on("initialize", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(`{"jsonrpc":"2.0","id":` + id(r) + `,"result":{"protocolVersion":"2025-11-25","capabilities":{},"serverInfo":{}}}`))
	})
	for range 2 {
		f.send(call7("tools/call"))
		f.wantError("7", "search", "other capabilities", "restart the client")
	}
	if n := len(s.requests("initialize")); n != 2 {
		t.Errorf("%d times initialize", n)
	}
}

// TestReplyToALostSession: the new session knows nothing of the request, and may use its id again.
func TestReplyToALostSession(t *testing.T) {
	s, url := newFake(t)
	ask := `{"jsonrpc":"2.0","id":1,"method":"roots/list"}`
	s.on("tools/call", func(w http.ResponseWriter, r *http.Request) { sse(w, data(ask), data(result(id(r)))) })
	f := start(t, url)
	f.initialize()
	f.send(call7("tools/call"))
	f.want(ask)
	f.want(result("7"))
	s.forget()
	f.send(call7("tools/call"))
	second := f.line()
	if !strings.Contains(second, `"roots/list"`) || strings.Contains(second, `"id":1,`) {
		t.Errorf("the second request came as %s", second)
	}
	f.want(result("7"))
	f.send(`{"jsonrpc":"2.0","id":1,"result":"of the first"}`)
	f.send(strings.Replace(strings.Replace(second, `"method":"roots/list"`, `"result":"of the second"`, 1), ask, "", 1))
	replies := s.until("", 1)
	if len(replies) != 1 || replies[0].body != `{"jsonrpc":"2.0","id":1,"result":"of the second"}` {
		t.Errorf("%v", replies)
	}
}

func TestReach(t *testing.T) {
	s, url := newFake(t)
	other, otherURL := newFake(t)
	f := start(t, url)
	f.initialize()
	s.until("notifications/initialized", 1)
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	if err := f.bridge.Reach(url, transport); err != nil {
		t.Fatal(err)
	}
	f.nothing()
	if len(s.requests("initialize")) != 1 {
		t.Error("the same url began a new session")
	}
	if err := f.bridge.Reach(otherURL, transport); err != nil {
		t.Fatal(err)
	}
	f.send(call7("tools/call"))
	f.want(result("7"))
	if len(other.requests("initialize")) != 1 || len(other.requests("tools/call")) != 1 || len(s.requests("tools/call")) != 0 {
		t.Error("the other url was not used")
	}
}
