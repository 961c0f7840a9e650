package bridge

import (
	"io"
	"net/http"
	"strings"
	"testing"
)

// TestEditOfTheURLDuringAnAnswer: the rest is asked for where the answer came from, with the ids of that session.
func TestEditOfTheURLDuringAnAnswer(t *testing.T) {
	s, url := newFake(t)
	other, otherURL := newFake(t)
	end := make(chan struct{})
	s.on("tools/call", func(w http.ResponseWriter, _ *http.Request) {
		sse(w, "id: secret-1\nretry: 1\n", data(`{"jsonrpc":"2.0","method":"n"}`))
		<-end
	})
	s.on("GET", func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Last-Event-Id") == "" {
			w.WriteHeader(http.StatusMethodNotAllowed)
			return
		}
		sse(w, data(result("7")))
	})
	f := start(t, url)
	f.initialize()
	f.send(call7("tools/call"))
	f.want(`{"jsonrpc":"2.0","method":"n"}`)
	f.reach(otherURL)
	close(end)
	f.want(result("7"))
	other.mu.Lock()
	defer other.mu.Unlock()
	for _, r := range other.seen {
		if r.header.Get("Last-Event-Id") != "" {
			t.Errorf("the new server got %v", r.header)
		}
	}
}

func (f *fixture) reach(url string) {
	f.t.Helper()
	transport := &http.Transport{}
	f.t.Cleanup(transport.CloseIdleConnections)
	if err := f.bridge.Reach(url, transport); err != nil {
		f.t.Fatal(err)
	}
}

// TestEditOfTheURLDuringARenewal: the session that the old server then gives is not used with the new one.
func TestEditOfTheURLDuringARenewal(t *testing.T) {
	s, url := newFake(t)
	other, otherURL := newFake(t)
	f := start(t, url)
	f.initialize()
	s.until("GET", 1)
	s.forget()
	more := make(chan struct{})
	s.on("initialize", func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-more:
		case <-r.Context().Done():
		}
		s.begin(w, id(r))
	})
	other.on("initialize", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Mcp-Session-Id", "of-the-other")
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"jsonrpc":"2.0","id":`+id(r)+`,"result":{"protocolVersion":"2025-11-25","capabilities":{"tools":{}}}}`)
		other.mu.Lock()
		other.sessions["of-the-other"] = true
		other.mu.Unlock()
	})
	f.send(call7("tools/call"))
	s.until("initialize", 2)
	f.reach(otherURL)
	close(more)
	f.want(result("7"))
	for _, r := range other.requests("POST") {
		if got := r.header.Get("Mcp-Session-Id"); got != "" && got != "of-the-other" {
			t.Errorf("%s went to the new server with %s", r.method, got)
		}
	}
}

// TestEditOfTheURLWhileIdle: the server may have something to say unasked, and the old one is told that this is over.
func TestEditOfTheURLWhileIdle(t *testing.T) {
	s, url := newFake(t)
	other, otherURL := newFake(t)
	f := start(t, url)
	f.initialize()
	s.until("GET", 1)
	f.reach(otherURL)
	other.until("GET", 1)
	if d := s.until("DELETE", 1)[0].header.Get("Mcp-Session-Id"); d != "session-1" {
		t.Errorf("%s was ended", d)
	}
	if log := f.log.String(); strings.Contains(log, "lost the session") {
		t.Error(log)
	}
}

func TestSecondInitializeEndsTheSessionBefore(t *testing.T) {
	s, url := newFake(t)
	f := start(t, url)
	f.initialize()
	f.initialize()
	if d := s.until("DELETE", 1)[0].header.Get("Mcp-Session-Id"); d != "session-1" {
		t.Errorf("%s was ended", d)
	}
}

// withheld stands for a round tripper whose token a reload takes away: a request of one method waits for it, and is answered in
// the server's place.
type withheld struct {
	method string
	asked  chan struct{}
	taken  chan struct{}
}

func (w *withheld) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body == nil {
		return http.DefaultTransport.RoundTrip(r)
	}
	body, _ := io.ReadAll(r.Body)
	if !strings.Contains(string(body), `"method":"`+w.method+`"`) {
		again := r.Clone(r.Context())
		again.Body = io.NopCloser(strings.NewReader(string(body)))
		return http.DefaultTransport.RoundTrip(again)
	}
	w.asked <- struct{}{}
	<-w.taken
	return &http.Response{StatusCode: http.StatusServiceUnavailable, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(
		`{"jsonrpc":"2.0","id":7,"error":{"code":-32001,"message":"this server's settings have changed: ask again"}}`))}, nil
}

// TestEditOfTheURLBeforeAnythingIsSent: a request that waits for its token when the url changes goes to the new one.
func TestEditOfTheURLBeforeAnythingIsSent(t *testing.T) {
	streams := func(t *testing.T) (url, otherURL string) {
		_, url = newFake(t)
		_, otherURL = newFake(t)
		return url, otherURL
	}
	old := func(t *testing.T) (url, otherURL string) {
		_, url = newOldServer(t)
		_, otherURL = newOldServer(t)
		return url, otherURL
	}
	for name, test := range map[string]struct {
		servers func(*testing.T) (url, otherURL string)
		session bool
		method  string
		line    string
		want    string
	}{
		"a call":              {streams, true, "tools/call", call7("tools/call"), result("7")},
		"a call, older":       {old, true, "tools/call", call7("tools/call"), result("7")},
		"a call, no session":  {streams, false, "tools/call", modernCall("7", "tools/call", ""), result("7")},
		"a subscription":      {streams, false, methodListen, modernCall("7", methodListen, ""), result("7")},
		"initialize":          {streams, false, methodInitialize, initialize, ""},
		"initialize, older":   {old, false, methodInitialize, initialize, ""},
		"before a session":    {streams, false, "ping", call7("ping"), result("7")},
		"after an initialize": {streams, true, "notifications/x", `{"jsonrpc":"2.0","method":"notifications/x"}` + "\n" + call7("ping"), result("7")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Cleanup(http.DefaultTransport.(*http.Transport).CloseIdleConnections)
			url, otherURL := test.servers(t)
			f := start(t, url)
			if test.session {
				f.initialize()
				f.send(call7("ping"))
				f.want(result("7"))
			}
			w := &withheld{test.method, make(chan struct{}), make(chan struct{})}
			if err := f.bridge.Reach(url, w); err != nil {
				t.Fatal(err)
			}
			go f.send(test.line) // read once the first has been sent
			<-w.asked
			f.reach(otherURL)
			close(w.taken)
			if line := f.line(); line != test.want && (test.want != "" || !strings.Contains(line, `"protocolVersion"`)) {
				t.Errorf("the client got %s", line)
			}
			if log := f.log.String(); strings.Contains(log, "did not reach the server") {
				t.Error(log)
			}
		})
	}
}
