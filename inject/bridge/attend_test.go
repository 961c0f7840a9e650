package bridge

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// TestStreamOfAFreshSessionIsNotFound: 404 on GET is how many a server says that it offers no stream.
func TestStreamOfAFreshSessionIsNotFound(t *testing.T) {
	s, url := newFake(t)
	s.on("GET", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotFound) })
	f := start(t, url)
	f.initialize()
	s.until("GET", 1)
	f.nothing()
	f.nothing()
	if n := len(s.requests("initialize")); n != 1 {
		t.Errorf("%d sessions", n)
	}
}

// TestStreamThatIsLostAfterAMessageWasTaken: the server knows the session, whatever it answers to GET.
func TestStreamThatIsLostAfterAMessageWasTaken(t *testing.T) {
	s, url := newFake(t)
	first, more := make(chan struct{}), make(chan struct{})
	var gets atomic.Int32
	s.on("GET", func(w http.ResponseWriter, _ *http.Request) {
		if gets.Add(1) == 1 {
			sse(w, "retry: 1\n\n")
			close(first)
			return
		}
		<-more
		w.WriteHeader(http.StatusNotFound)
	})
	f := start(t, url)
	f.initialize()
	<-first
	s.until("GET", 2)
	f.nothing()
	close(more)
	for !strings.Contains(f.log.String(), "offers no stream") {
		f.nothing()
	}
	if n := len(s.requests("initialize")); n != 1 {
		t.Errorf("%d sessions", n)
	}
}

func TestPausesThatAServerAsksFor(t *testing.T) {
	take := func(p pause) (list []time.Duration) {
		for range 12 {
			list = append(list, p.next().Round(time.Millisecond))
		}
		return list
	}
	for name, test := range map[string]struct {
		pause pause
		want  string
	}{
		"not asked":  {pause{}, "[1s 2s 4s 8s 16s 30s 30s 30s 30s 30s 30s 30s]"},
		"0":          {pause{asked: true}, "[100ms 200ms 400ms 800ms 1.6s 3.2s 6.4s 12.8s 25.6s 30s 30s 30s]"},
		"500 ms":     {pause{asked: true, base: 500 * time.Millisecond}, "[500ms 500ms 500ms 800ms 1.6s 3.2s 6.4s 12.8s 25.6s 30s 30s 30s]"},
		"an hour":    {pause{asked: true, base: time.Hour}, "[30s 30s 30s 30s 30s 30s 30s 30s 30s 30s 30s 30s]"},
		"once later": {pause{asked: true, base: 20 * time.Second, least: time.Minute}, "[1m0s 20s 20s 20s 20s 20s 20s 20s 25.6s 30s 30s 30s]"},
	} {
		if got := fmt.Sprint(take(test.pause)); got != test.want {
			t.Errorf("%s: %s", name, got)
		}
	}
}

func TestSessionsBecauseOfStreamsAreSetUpEverMoreSeldom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b Bridge
		for _, want := range []time.Duration{0, time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second} {
			if got := b.unrest(); got != want {
				t.Errorf("%v, want %v", got, want)
			}
		}
		time.Sleep(3 * time.Minute)
		if got := b.unrest(); got != 0 {
			t.Errorf("%v after a long time", got)
		}
	})
}

func TestEventIDs(t *testing.T) {
	for id, want := range map[string]string{"a": "a", "a\tb": "a\tb", "é": "é", "a\x01b": "", "\x7f": "",
		strings.Repeat("x", 4<<10): strings.Repeat("x", 4<<10), strings.Repeat("x", 4<<10+1): "", "a\x00b": "before"} {
		e := newEvents(strings.NewReader("id: before\n\nid: " + id + "\ndata: x\n\n"))
		if _, err := e.next(); err != nil || e.last != want {
			t.Errorf("%.10q: %.10q %v", id, e.last, err)
		}
	}
}

func TestRetryAfterOfAStream(t *testing.T) {
	for header, want := range map[string]time.Duration{"": 0, "5": 5 * time.Second, "3600": time.Minute, "x": 0, "-1": 0,
		time.Now().Add(-time.Hour).UTC().Format(http.TimeFormat): 0, time.Now().Add(time.Hour).UTC().Format(http.TimeFormat): time.Minute} {
		resp := &http.Response{StatusCode: http.StatusServiceUnavailable, Header: http.Header{"Retry-After": {header}}}
		if got := retryAfter(resp); got != want {
			t.Errorf("%q: %v", header, got)
		}
	}
}

// TestRefusedStreamIsAskedForLater: a token that is refused although it is fresh is not renewed every second, and a server that
// says when to come back is heard.
func TestRefusedStreamIsAskedForLater(t *testing.T) {
	f := start(t, "http://127.0.0.1:1/mcp")
	for name, test := range map[string]struct {
		status       int
		header, body string
		want         time.Duration
	}{
		"fresh token refused": {502, "", `{"jsonrpc":"2.0","id":null,"error":{"code":-32001,"message":"m","data":{"reason":"token_refused"}}}`, lastPause},
		"its own 502":         {502, "", `{"jsonrpc":"2.0","id":null,"error":{"code":-32001,"message":"m"}}`, 0},
		"too many":            {429, "7", "", 7 * time.Second},
		"away":                {503, "3600", "", longPause},
	} {
		var at place
		resp := &http.Response{StatusCode: test.status, Header: http.Header{"Retry-After": {test.header}}, Body: io.NopCloser(strings.NewReader(test.body))}
		if again := f.bridge.mend(t.Context(), t.Context(), resp, &at, 0, time.Time{}); !again || at.pause.least != test.want {
			t.Errorf("%s: %v, after at least %v", name, again, at.pause.least)
		}
	}
}

// TestStreamThatIsLost: a session that the server had is set up again when its stream breaks and is not found any more.
func TestStreamThatIsLost(t *testing.T) {
	s, url := newFake(t)
	end := make(chan struct{})
	var gets atomic.Int32
	s.on("GET", func(w http.ResponseWriter, r *http.Request) {
		if gets.Add(1) == 1 {
			sse(w, "retry: 1\n\n")
			<-end
			return
		}
		sse(w, ": \n\n")
		<-r.Context().Done()
	})
	f := start(t, url)
	f.initialize()
	s.until("GET", 1)
	s.forget()
	close(end)
	s.until("initialize", 2)
	s.until("GET", 3)
}

// TestListenThatEndsAfterItsAcknowledgement is asked for again ever more seldom.
func TestListenThatEndsAfterItsAcknowledgement(t *testing.T) {
	s, url := newFake(t)
	var mu sync.Mutex
	var times []time.Time
	s.on("subscriptions/listen", func(w http.ResponseWriter, _ *http.Request) {
		mu.Lock()
		times = append(times, time.Now())
		mu.Unlock()
		sse(w, "retry: 0\n", data(`{"jsonrpc":"2.0","method":"notifications/subscriptions/acknowledged"}`))
	})
	f := start(t, url)
	f.send(modernCall("7", "subscriptions/listen", ""))
	f.line()
	s.until("subscriptions/listen", 4)
	mu.Lock()
	defer mu.Unlock()
	if a, b := times[1].Sub(times[0]), times[3].Sub(times[2]); a < 90*time.Millisecond || b < 350*time.Millisecond {
		t.Errorf("%v, then %v", a, b)
	}
}
