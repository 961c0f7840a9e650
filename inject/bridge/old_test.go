package bridge

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
)

// oldServer is a server of the older HTTP+SSE transport.
type oldServer struct {
	mu       sync.Mutex
	streams  map[string]chan string
	said     []string
	opened   int
	endpoint string // what is written as the endpoint, with the session in place of %s
	more     string // written after it
}

func newOldServer(t *testing.T) (*oldServer, string) {
	o := &oldServer{streams: map[string]chan string{}, endpoint: "/message?session=%s"}
	server := httptest.NewServer(o)
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
	})
	return o, server.URL + "/sse"
}

func (o *oldServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch r.Method + r.URL.Path {
	case "GET/sse":
		o.stream(w, r)
	case "POST/message":
		o.message(w, r)
	default:
		http.Error(w, "Cannot POST /sse", http.StatusNotFound)
	}
}

func (o *oldServer) stream(w http.ResponseWriter, r *http.Request) {
	o.mu.Lock()
	o.opened++
	session, lines := fmt.Sprint(o.opened), make(chan string, 100)
	o.streams[session] = lines
	o.mu.Unlock()
	sse(w, "event: endpoint\ndata: "+strings.ReplaceAll(o.endpoint, "%s", session)+"\n\n", o.more)
	for {
		select {
		case line, more := <-lines:
			if !more {
				return
			}
			sse(w, data(line))
		case <-r.Context().Done():
			return
		}
	}
}

func (o *oldServer) message(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	var m struct {
		ID     json.RawMessage
		Method string
	}
	_ = json.Unmarshal(body, &m)
	o.mu.Lock()
	defer o.mu.Unlock()
	session := r.URL.Query().Get("session")
	o.said = append(o.said, session+" "+m.Method)
	lines := o.streams[session]
	w.WriteHeader(http.StatusAccepted)
	switch {
	case m.Method == "initialize":
		lines <- fmt.Sprintf(`{"jsonrpc":"2.0","id":%s,"result":{"protocolVersion":"2024-11-05","capabilities":{},"serverInfo":{}}}`, m.ID)
	case m.Method == "break":
		close(lines)
		delete(o.streams, session)
	case m.ID != nil:
		lines <- result(string(m.ID))
	}
}

func TestOlderTransport(t *testing.T) {
	o, url := newOldServer(t)
	f := start(t, url)
	f.initialize()
	f.send(call7("tools/list"))
	f.want(result("7"))
	f.send(call7("break"))
	f.wantError("7", "not known whether the server has acted")
	f.send(call7("tools/call")) // in a new session, which the client does not notice
	f.want(result("7"))
	f.nothing()
	o.mu.Lock()
	defer o.mu.Unlock()
	want := "1 initialize,1 notifications/initialized,1 tools/list,1 break,2 initialize,2 notifications/initialized,2 tools/call,2 ping"
	if got := strings.Join(o.said, ","); got != want {
		t.Errorf("the server heard\n%s\nwant\n%s", got, want)
	}
}

func TestOlderTransportComesBackByItself(t *testing.T) {
	o, url := newOldServer(t)
	f := start(t, url)
	f.initialize()
	f.send(call7("break"))
	f.wantError("7")
	for opened := 0; opened < 2; {
		o.mu.Lock()
		opened = o.opened
		o.mu.Unlock()
	}
}

func TestTwoEndpoints(t *testing.T) {
	o, url := newOldServer(t)
	o.more = "event: endpoint\ndata: /elsewhere\n\n"
	f := start(t, url)
	f.initialize()
	f.send(call7("tools/list"))
	f.want(result("7"))
}

func TestEndpointAtAnotherOrigin(t *testing.T) {
	for _, endpoint := range []string{"http://192.0.2.1/message", "//192.0.2.1/message", "https:/message", "http://127.0.0.1:1/message", "javascript:1"} {
		o, url := newOldServer(t)
		o.endpoint = endpoint
		f := start(t, url)
		f.send(initialize)
		f.wantError("0", "not of its own origin")
	}
}

// TestReachFromTheOlderTransport: another url may speak another transport.
func TestReachFromTheOlderTransport(t *testing.T) {
	_, url := newOldServer(t)
	other, otherURL := newOldServer(t)
	f := start(t, url)
	f.initialize()
	f.send(call7("tools/list"))
	f.want(result("7"))
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	if err := f.bridge.Reach(otherURL, transport); err != nil {
		t.Fatal(err)
	}
	f.send(call7("tools/call"))
	f.want(result("7"))
	other.mu.Lock()
	defer other.mu.Unlock()
	if n := len(other.streams); n != 1 {
		t.Errorf("%d streams", n)
	}
}
