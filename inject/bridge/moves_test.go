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
