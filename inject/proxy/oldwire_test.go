package proxy

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"bearerd/config"
)

// onBothPaths runs a test with the fast path and without it.
func onBothPaths(t *testing.T, test func(t *testing.T, f *fixture)) {
	t.Helper()
	for name, fast := range map[string]bool{"fast path": true, "net/http": false} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			f.cfg.Proxy.FastPath = fast
			test(t, f)
		})
	}
}

// oldServer is an MCP server with the older HTTP+SSE transport alone: what is posted to the address that it names comes back
// in the stream. Both need a live token.
type oldServer struct {
	*httptest.Server
	named  string // by the event endpoint; %s is the server's own origin
	before string // what comes before that event
	posts  chan string
	said   chan string
	token  atomic.Pointer[string] // the last one
}

func startOldServer(t *testing.T, f *fixture, named string) *oldServer {
	t.Helper()
	o := &oldServer{named: named, posts: make(chan string, 10), said: make(chan string, 10)}
	o.Server = upstream(t, f.wantsToken(bearer, func(w http.ResponseWriter, r *http.Request) {
		token := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
		o.token.Store(&token)
		if r.Method == http.MethodPost {
			body, _ := io.ReadAll(r.Body)
			o.posts <- r.URL.RequestURI()
			o.said <- string(body)
			w.WriteHeader(http.StatusAccepted)
			return
		}
		c := events(w)
		_, _ = io.WriteString(w, o.before+"event: endpoint\ndata: "+strings.ReplaceAll(o.named, "%s", o.URL)+"\n\n")
		for {
			_ = c.Flush()
			select {
			case said := <-o.said:
				_, _ = io.WriteString(w, "event: message\ndata: "+said+"\n\n")
			case <-r.Context().Done():
				return
			}
		}
	}))
	return o
}

// oldStream is what a client of the older transport holds.
type oldStream struct {
	resp  *http.Response
	lines *bufio.Reader
}

// listen opens the stream at address.
func (f *fixture) listen(ctx context.Context, client *http.Client, address, key string) *oldStream {
	f.t.Helper()
	req := must(http.NewRequestWithContext(ctx, http.MethodGet, address, nil))(f.t)
	req.Header.Set("Authorization", "Bearer "+key)
	req.Header.Set("Accept", "text/event-stream")
	resp := must(client.Do(req))(f.t)
	if resp.StatusCode != http.StatusOK {
		f.t.Fatalf("the stream: %d", resp.StatusCode)
	}
	f.t.Cleanup(func() { _ = resp.Body.Close() })
	return &oldStream{resp, bufio.NewReader(resp.Body)}
}

// event reads up to a blank line.
func (s *oldStream) event() (string, error) {
	var all strings.Builder
	for {
		line, err := s.lines.ReadString('\n')
		all.WriteString(line)
		if err != nil || line == "\n" {
			return all.String(), err
		}
	}
}

// endpoint reads the address for messages, as a client resolves it.
func (s *oldStream) endpoint(t *testing.T) *url.URL {
	t.Helper()
	event := must(s.event())(t)
	named, ok := strings.CutPrefix(event, "event: endpoint\ndata: ")
	if !ok {
		t.Fatalf("the first event is %q", event)
	}
	return must(s.resp.Request.URL.Parse(strings.TrimSpace(named)))(t)
}

func (f *fixture) say(client *http.Client, address *url.URL, key, message string) int {
	f.t.Helper()
	req := must(http.NewRequestWithContext(f.t.Context(), http.MethodPost, address.String(), strings.NewReader(message)))(f.t)
	req.Header.Set("Authorization", "Bearer "+key)
	resp := must(client.Do(req))(f.t)
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode
}

// Messages of the older transport come back through the proxy and get the token, wherever the server is served.
func TestOlderTransport(t *testing.T) {
	onBothPaths(t, func(t *testing.T, f *fixture) {
		old, root := startOldServer(t, f, "/v1/message?session=a%20b"), startOldServer(t, f, "%s/say?s=1")
		relative, local := startOldServer(t, f, "messages/7"), startOldServer(t, f, "/message")
		servers := []*config.Server{f.server("shared", old.URL+"/sse"), f.server("own", relative.URL+"/v1/sse"),
			f.server("root", root.URL), f.server("unix", local.URL+"/sse")}
		servers[1].Listen, servers[2].Listen, servers[3].Listen = "127.0.0.1:"+freePort(t), "127.0.0.1:"+freePort(t), "unix:"+socketPath(t)
		servers[3].SocketMode = "0600"
		f.serve(servers...)
		socket := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", strings.TrimPrefix(servers[3].Listen, "unix:"))
		}}
		t.Cleanup(socket.CloseIdleConnections)
		for name, tt := range map[string]struct {
			server       *oldServer
			client       *http.Client
			at, upstream string
			local        string
		}{
			"shared": {old, f.client, f.url("shared"), "/v1/message?session=a%20b", "/shared/~"},
			"own":    {relative, f.client, "http://" + servers[1].Listen + "/v1/sse", "/v1/messages/7", "/v1/sse/~"},
			"root":   {root, f.client, "http://" + servers[2].Listen, "/say?s=1", "/~"},
			"unix":   {local, &http.Client{Transport: socket}, "http://localhost/sse", "/message", "/sse/~"},
		} {
			key := f.keys.Issue(name, "t").Reveal()
			stream := f.listen(t.Context(), tt.client, tt.at, key)
			to := stream.endpoint(t)
			if !strings.HasPrefix(to.Path, tt.local) || strings.Contains(to.String(), tt.server.URL) {
				t.Errorf("%s: the address is %s", name, to)
			}
			for _, message := range []string{`{"id":1}`, `{"id":2}`} {
				if status := f.say(tt.client, to, key, message); status != http.StatusAccepted {
					t.Fatalf("%s: posting to %s: %d", name, to, status)
				}
				if got := receive(t, tt.server.posts, "the message"); got != tt.upstream {
					t.Errorf("%s: posted to %s", name, got)
				}
				if event := must(stream.event())(t); event != "event: message\ndata: "+message+"\n\n" {
					t.Errorf("%s: the answer is %q", name, event)
				}
			}
			if name == "unix" {
				continue
			}
			if status := f.say(tt.client, to, "wrong", "{}"); status != http.StatusForbidden {
				t.Errorf("%s: without the key: %d", name, status)
			}
			to.Path += "x"
			if status := f.say(tt.client, to, key, "{}"); status != http.StatusNotFound {
				t.Errorf("%s: at another address: %d", name, status)
			}
		}
	})
}

// An address of another origin is passed to nobody, and the token goes nowhere.
func TestOlderTransportNamesAnotherOrigin(t *testing.T) {
	onBothPaths(t, func(t *testing.T, f *fixture) {
		other := upstream(t, func(http.ResponseWriter, *http.Request) { t.Error("it was asked") })
		old := startOldServer(t, f, other.URL+"/message")
		old.before = ": hello\n\n"
		f.serve(f.server("search", old.URL+"/sse"))
		stream := f.listen(t.Context(), f.client, f.url("search"), f.keys.Issue("search", "t").Reveal())
		all, err := io.ReadAll(stream.lines)
		if string(all) != old.before || !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("the client gets %q, %v", all, err)
		}
		if log := f.log.String(); !strings.Contains(log, "not of its own origin") || strings.Contains(log, other.URL) {
			t.Errorf("the log says %s", log)
		}
	})
}

// Upstream was given the token in the query, and repeats it.
func TestOlderTransportRepeatsTheToken(t *testing.T) {
	onBothPaths(t, func(t *testing.T, f *fixture) {
		var token string
		posts := make(chan string, 1)
		up := upstream(t, func(w http.ResponseWriter, r *http.Request) {
			if token = r.URL.Query().Get("access_token"); r.Method == http.MethodPost {
				posts <- r.URL.RequestURI()
				return
			}
			events(w)
			_, _ = fmt.Fprintf(w, "event: endpoint\ndata: /message?%s&session=1\n\n", r.URL.RawQuery)
		})
		s := f.server("search", up.URL+"/sse?tenant=7")
		s.OAuth.TokenInHeaderOnly = false
		f.serve(s)
		key := f.keys.Issue("search", "t").Reveal()
		to := f.listen(t.Context(), f.client, f.url("search"), key).endpoint(t)
		if to.RawQuery != "tenant=7&session=1" || token == "" {
			t.Errorf("the address is %s", strings.ReplaceAll(to.String(), token, "TOKEN"))
		}
		f.say(f.client, to, key, "{}")
		if got := receive(t, posts, "the message"); got != "/message?tenant=7&session=1&access_token="+token || token == "" {
			t.Errorf("posted to %s", strings.ReplaceAll(got, token, "TOKEN"))
		}
	})
}

// Only the first event of a plain stream that was asked for by GET is looked at.
func TestWhatIsNoOpeningPasses(t *testing.T) {
	const stream = "event: endpoint\ndata: /message\n\n"
	onBothPaths(t, func(t *testing.T, f *fixture) {
		for name, tt := range map[string]struct {
			method, start string
			header        []string
			changed       bool
		}{
			"stream":         {"GET", "200 OK", []string{"Content-Type: Text/Event-Stream ; charset=utf-8"}, true},
			"with a length":  {"GET", "200 OK", []string{"Content-Type: text/event-stream", fmt.Sprint("Content-Length: ", len(stream))}, true},
			"plain coding":   {"GET", "200 OK", []string{"Content-Type: text/event-stream", "Content-Encoding: identity"}, true},
			"another method": {"POST", "200 OK", []string{"Content-Type: text/event-stream"}, false},
			"another status": {"GET", "203 OK", []string{"Content-Type: text/event-stream"}, false},
			"another type":   {"GET", "200 OK", []string{"Content-Type: text/plain"}, false},
			"no type":        {"GET", "200 OK", nil, false},
			"compressed":     {"GET", "200 OK", []string{"Content-Type: text/event-stream", "Content-Encoding: gzip"}, false},
		} {
			head := strings.Join(append(tt.header, "Connection: close"), "\r\n")
			at, _ := rawUpstream(t, "HTTP/1.1 "+tt.start+"\r\n"+head+"\r\n\r\n"+stream)
			f.serve(f.server("search", at))
			a := f.do(f.request(tt.method, "search", ""))
			changed := a.body == "event: endpoint\ndata: /search/~"+f.keys.mark("search", strings.TrimSuffix(at, "/mcp"), "/message")+"/message\n\n"
			if changed != tt.changed || !changed && a.body != stream {
				t.Errorf("%s: %d %q", name, a.StatusCode, a.body)
			}
			if changed && a.ContentLength >= 0 {
				t.Errorf("%s: the length is still said to be %d", name, a.ContentLength)
			}
		}
	})
}

// A stream of which nothing was dispatched yet passes on as it comes, without delay.
func TestCommentsBeforeTheFirstEventPassAtOnce(t *testing.T) {
	onBothPaths(t, func(t *testing.T, f *fixture) {
		seen := make(chan struct{})
		chunks := []string{": hi\n", "\n", ": again\n\n", "retry: 9\n", "\n", "event: endpoint\ndata: /m\n\n"}
		up := upstream(t, func(w http.ResponseWriter, r *http.Request) {
			c := events(w)
			for _, chunk := range chunks {
				_, _ = io.WriteString(w, chunk)
				_ = c.Flush()
				select {
				case <-seen:
				case <-r.Context().Done():
					return
				}
			}
		})
		f.serve(f.server("search", up.URL))
		resp := f.open(t.Context(), http.MethodGet, "search")
		defer resp.Body.Close()
		opening := "event: endpoint\ndata: /search/~" + f.keys.mark("search", up.URL, "/m") + "/m\n\n"
		for _, chunk := range append(slices.Clone(chunks[:5]), opening) {
			got := make([]byte, len(chunk))
			if _, err := io.ReadFull(resp.Body, got); err != nil || string(got) != chunk {
				t.Fatalf("%q, %v, want %q", got, err, chunk)
			}
			seen <- struct{}{}
		}
	})
}

// A reload in the middle of a session does not end it: not one that concerns others, nor one of this server's headers.
func TestOlderTransportAcrossReloads(t *testing.T) {
	onBothPaths(t, func(t *testing.T, f *fixture) {
		old := startOldServer(t, f, "/message")
		f.serve(f.server("search", old.URL+"/sse"))
		key := f.keys.Issue("search", "t").Reveal()
		stream := f.listen(t.Context(), f.client, f.url("search"), key)
		to := stream.endpoint(t)
		edited := f.server("search", old.URL+"/sse")
		edited.AllowHosts = []string{"other.example"}
		for i, servers := range [][]*config.Server{
			{f.server("search", old.URL+"/sse"), f.server("other", "http://127.0.0.1:1/")}, {edited},
		} {
			f.serve(servers...)
			if i == 0 { // and a renewal beside it
				f.as.Revoke(*old.token.Load())
			}
			if status := f.say(f.client, to, key, "{}"); status != http.StatusAccepted {
				t.Errorf("after the reload: %d", status)
			}
			if event := must(stream.event())(t); event != "event: message\ndata: {}\n\n" {
				t.Errorf("after the reload: %q", event)
			}
		}
		f.serve(f.server("search", "http://127.0.0.1:1/sse"))
		if status := f.say(f.client, to, key, "{}"); status != http.StatusNotFound {
			t.Errorf("after url has changed to another origin: %d", status)
		}
	})
}
