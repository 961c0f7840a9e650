package bridge

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// TestIdsOfTheBridgeAreNobodyElses: the client may be another bearerd.
func TestIdsOfTheBridgeAreNobodyElses(t *testing.T) {
	s, url := newFake(t)
	f := start(t, url)
	f.initialize()
	s.until("GET", 1)
	s.forget()
	f.send(`{"jsonrpc":"2.0","id":"bearerd-1","method":"tools/call"}`)
	f.want(result(`"bearerd-1"`))
}

// TestCancelledRequestWaitsForNoSession: a request that waits for a session goes when its client does not want it any more, and is
// not sent then.
func TestCancelledRequestWaitsForNoSession(t *testing.T) {
	s, url := newFake(t)
	f := start(t, url)
	f.initialize()
	s.until("GET", 1)
	s.forget()
	more := make(chan struct{})
	s.on("initialize", func(w http.ResponseWriter, r *http.Request) { <-more; s.begin(w, id(r)) })
	f.send(call7("tools/call"))
	s.until("initialize", 2)
	f.send(`{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":7}}`)
	for range 2 {
		f.send(`{"jsonrpc":"2.0","id":8,"method":"tools/list"}`)
	}
	if line := f.line(); !strings.Contains(line, "still open") { // so what came before it has been read
		t.Error(line)
	}
	close(more)
	f.want(result("8"))
	if n := len(s.requests("tools/call")); n != 1 {
		t.Errorf("it was sent %d times", n)
	}
}

func TestFailedRenewalIsShared(t *testing.T) {
	s, url := newFake(t)
	f := start(t, url)
	f.initialize()
	s.until("GET", 1)
	s.forget()
	more := make(chan struct{})
	s.on("initialize", func(w http.ResponseWriter, _ *http.Request) { <-more; w.WriteHeader(http.StatusBadGateway) })
	for i := range 10 {
		f.send(fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"method":"tools/call"}`, i))
	}
	s.until("tools/call", 10)
	time.Sleep(50 * time.Millisecond) // their answers are on the way: nothing shows that they came
	close(more)
	for range 10 {
		if line := f.line(); !strings.Contains(line, "lost the session") {
			t.Error(line)
		}
	}
	if n := len(s.requests("initialize")); n != 2 {
		t.Errorf("%d times initialize", n)
	}
}

// TestRefusalThatIsTheServersOwn is passed on, and costs no session.
func TestRefusalThatIsTheServersOwn(t *testing.T) {
	for name, test := range map[string]struct {
		status         int
		body           string
		want           string
		sent, sessions int // for two requests
	}{
		"404 to the request": {404, `{"jsonrpc":"2.0","id":7,"error":{"code":-32002,"message":"Resource not found"}}`, "Resource not found", 2, 1},
		"404":                {404, ``, "HTTP 404", 3, 2},
		"400 and the word":   {400, `{"jsonrpc":"2.0","id":null,"error":{"code":-32000,"message":"session tool argument"}}`, "session tool argument", 3, 2},
	} {
		t.Run(name, func(t *testing.T) {
			s, url := newFake(t)
			s.on("tools/call", func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(test.status)
				_, _ = io.WriteString(w, test.body)
			})
			f := start(t, url)
			f.initialize()
			for range 2 {
				f.send(call7("tools/call"))
				f.wantError("7", test.want)
			}
			if sent, sessions := len(s.requests("tools/call")), len(s.requests("initialize")); sent != test.sent || sessions != test.sessions {
				t.Errorf("sent %d times in %d sessions", sent, sessions)
			}
		})
	}
}

// TestNotificationWhoseAnswerDoesNotEnd is accepted when the status is there.
func TestNotificationWhoseAnswerDoesNotEnd(t *testing.T) {
	s, url := newFake(t)
	s.on("notifications/initialized", func(w http.ResponseWriter, r *http.Request) { sse(w, ": \n\n"); <-r.Context().Done() })
	f := start(t, url)
	f.initialize()
	began := time.Now()
	f.send(call7("tools/call"))
	f.want(result("7"))
	s.until("GET", 1)
	if d := time.Since(began); d > order/2 {
		t.Errorf("it took %v", d)
	}
}

func TestBodiesAreNotCompressed(t *testing.T) {
	s, url := newFake(t)
	f := start(t, url)
	f.initialize()
	if h := s.requests("initialize")[0].header; h.Get("Accept-Encoding") != "identity" {
		t.Errorf("%v", h)
	}
}

func TestFailuresSayWhetherToTryAgain(t *testing.T) {
	s, url := newFake(t)
	s.on("tools/call", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	f := start(t, url)
	f.initialize()
	f.send(call7("tools/call"))
	f.wantError("7", `"data":{"server":"search","reason":"answer_lost","retry":false}`)
	away := start(t, "http://127.0.0.1:1/mcp")
	away.send(initialize)
	away.wantError("0", `"data":{"server":"search","reason":"unreachable","retry":true}`)
}

func TestSameOrigin(t *testing.T) {
	for pair, want := range map[string]bool{
		"https://a/x https://a:443/y": true, "http://a:80 http://A/": true, "http://a https://a": false, "http://a:81 http://a": false, "https://a https://b": false,
	} {
		x, y, _ := strings.Cut(pair, " ")
		if sameOrigin(must(url.Parse(x))(t), must(url.Parse(y))(t)) != want {
			t.Errorf("%s: not %v", pair, want)
		}
	}
}

// TestFailureThatWasLogged is not logged again.
func TestFailureThatWasLogged(t *testing.T) {
	s, url := newFake(t)
	for method, body := range map[string]string{"noted": `"reason":"unreachable"`, "new": `"x":1`} {
		s.on(method, func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusBadGateway)
			_, _ = io.WriteString(w, `{"jsonrpc":"2.0","id":null,"error":{"code":-32001,"message":"m","data":{`+body+`}}}`)
		})
	}
	f := start(t, url)
	f.initialize()
	f.send(`{"jsonrpc":"2.0","method":"noted"}`, `{"jsonrpc":"2.0","method":"new"}`)
	f.nothing()
	log := f.log.String()
	if n := strings.Count(log, "level=WARN"); n != 1 || !strings.Contains(log, "method=new") {
		t.Errorf("%d warnings", n)
	}
}
