package bridge

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptrace"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"bearerd/inject/jsonrpc"
)

// slowGet is a server to which a GET takes a while: it needs a new connection, say. Its stream then says nothing.
type slowGet struct {
	took time.Duration

	mu  sync.Mutex
	got []string // guarded by mu: what reached the server, in order
}

func (s *slowGet) RoundTrip(r *http.Request) (*http.Response, error) {
	resp := &http.Response{StatusCode: http.StatusAccepted, Header: http.Header{}, Body: http.NoBody}
	switch r.Method {
	case http.MethodGet:
		select {
		case <-time.After(s.took):
		case <-r.Context().Done():
			return nil, r.Context().Err()
		}
		s.note("GET")
		if trace := httptrace.ContextClientTrace(r.Context()); trace != nil {
			trace.WroteRequest(httptrace.WroteRequestInfo{})
		}
		<-r.Context().Done()
		return nil, r.Context().Err()
	case http.MethodPost:
		line, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		m, err := jsonrpc.ParseOne(line)
		if err != nil {
			return nil, err
		}
		s.note(m.Method)
		if m.Request() {
			resp.StatusCode = http.StatusOK
			resp.Header.Set("Content-Type", "application/json")
			resp.Body = io.NopCloser(strings.NewReader(`{"jsonrpc":"2.0","id":` + string(m.ID) + `,"result":{"protocolVersion":"2025-11-25","capabilities":{}}}`))
		}
	}
	return resp, nil
}

func (s *slowGet) note(what string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.got = append(s.got, what)
}

// TestStreamIsAskedForBeforeACall: the stream of a session is asked for before what the client says next is passed on, or a
// server could take the GET for one that resumes the answer to that. One that does not get through holds nothing up for long.
func TestStreamIsAskedForBeforeACall(t *testing.T) {
	for _, tt := range []struct {
		took time.Duration
		want []string
	}{
		{0, []string{"initialize", "notifications/initialized", "GET", "tools/call"}},
		{headStart / 2, []string{"initialize", "notifications/initialized", "GET", "tools/call"}},
		{time.Hour, []string{"initialize", "notifications/initialized", "tools/call"}},
	} {
		t.Run(tt.took.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				server := &slowGet{took: tt.took}
				b := must(New("search", "http://192.0.2.1/mcp", server, slog.New(slog.DiscardHandler)))(t)
				in, lines := io.Pipe()
				out := &answerCount{}
				ended := make(chan error, 1)
				go func() { ended <- b.Run(t.Context(), in, out) }()
				began := time.Now()
				for _, line := range []string{initialize, initialized, call7("tools/call")} {
					if _, err := io.WriteString(lines, line+"\n"); err != nil {
						t.Fatal(err)
					}
				}
				time.Sleep(headStart - time.Nanosecond)
				early := out.count() == 2
				time.Sleep(time.Nanosecond)
				synctest.Wait()
				if early != (tt.took < headStart) || out.count() != 2 {
					t.Errorf("after %v the client has %d answers; a moment before: all is %t", time.Since(began), out.count(), early)
				}
				server.mu.Lock()
				got := slices.Clone(server.got)
				server.mu.Unlock()
				if !slices.Equal(got, tt.want) {
					t.Errorf("the server got %v, want %v", got, tt.want)
				}
				_ = lines.Close()
				if err := <-ended; err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// answerCount counts the lines that the client gets.
type answerCount struct {
	mu sync.Mutex
	n  int // guarded by mu
}

func (a *answerCount) Write(line []byte) (int, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.n++
	return len(line), nil
}

func (a *answerCount) count() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.n
}
