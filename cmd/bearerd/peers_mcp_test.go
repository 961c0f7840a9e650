package main_test

import (
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// startEverythingHTTP starts server-everything over Streamable HTTP (wire 2025-11-25, with sessions and SSE).
func startEverythingHTTP(t testing.TB) (url string) {
	return startServer(t, "everything.mjs", map[string]string{"transport": "streamableHttp"})
}

// startEverythingSSE starts server-everything over the older HTTP+SSE transport.
func startEverythingSSE(t testing.TB) (url string) {
	return startServer(t, "everything.mjs", map[string]string{"transport": "sse"})
}

// startModernHTTP starts a server that speaks the stateless wire 2026-07-28 alone. Tools: echo, whoami, count.
func startModernHTTP(t testing.TB) (url string) {
	return startServer(t, "modern.mjs", map[string]string{})
}

func startServer(t testing.TB, script string, order any) string {
	t.Helper()
	var ready struct{ URL string }
	startNode(t, script, order).answer(&ready)
	return ready.URL
}

// tokenCheck stands before an MCP server and lets only requests with a valid token pass.
type tokenCheck struct {
	*httptest.Server
	mu    sync.Mutex
	seen  []string // guarded by mu
	asked []string // guarded by mu
}

// startTokenCheck puts a token check before the server at upstream; it serves upstream's own path. Other requests are
// answered 401 with a Bearer challenge, which carries an error code only if a token came along (RFC 6750 §3.1).
func startTokenCheck(t testing.TB, upstream string, valid func(token string) bool) *tokenCheck {
	t.Helper()
	target, err := url.Parse(upstream)
	if err != nil {
		t.Fatal(err)
	}
	forward := &httputil.ReverseProxy{
		FlushInterval: -1, // SSE is passed on event by event
		Rewrite:       func(r *httputil.ProxyRequest) { r.Out.URL.Scheme, r.Out.URL.Host = target.Scheme, target.Host },
	}
	c := &tokenCheck{}
	c.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token, bearer := strings.CutPrefix(c.note(r), "Bearer ")
		switch {
		case bearer && valid(token):
			forward.ServeHTTP(w, r)
			return
		case bearer:
			w.Header().Set("WWW-Authenticate", `Bearer error="invalid_token", error_description="The token is not valid"`)
		default:
			w.Header().Set("WWW-Authenticate", "Bearer")
		}
		http.Error(w, "a valid token is needed", http.StatusUnauthorized)
	}))
	t.Cleanup(func() {
		c.CloseClientConnections() // an SSE stream has no end of its own
		c.Close()
	})
	c.URL += target.Path
	return c
}

func (c *tokenCheck) note(r *http.Request) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	header := strings.Join(r.Header.Values("Authorization"), ", ")
	c.seen = append(c.seen, header)
	c.asked = append(c.asked, r.Method+" "+r.URL.Path)
	return header
}

// Authorizations are the Authorization headers of all requests so far, in order; "" for a request without one.
func (c *tokenCheck) Authorizations() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.seen)
}

// paths are the methods and paths of all requests so far, in order.
func (c *tokenCheck) paths() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.asked)
}

// clientTarget is what client.mjs connects to: a URL, or a command that it starts and speaks to over stdio.
type clientTarget struct {
	URL     string            `json:"url,omitempty"`
	Headers map[string]string `json:"headers,omitempty"`
	SSE     bool              `json:"sse,omitempty"` // over the older HTTP+SSE transport
	Command string            `json:"command,omitempty"`
	Args    []string          `json:"args,omitempty"`
	Env     map[string]string `json:"env,omitempty"` // nil: the test's own
	Wire    string            `json:"wire"`          // legacyWire or modernWire, without falling back to the other

	Handlers bool `json:"handlers,omitempty"` // it answers sampling, elicitation and roots requests
}

// peerClient is a connected @modelcontextprotocol/client that knows no OAuth.
type peerClient struct {
	node   *nodePeer
	Wire   string   `json:"wire"` // the one agreed on
	Tools  []string `json:"tools"`
	Failed string   `json:"failed"` // connecting or listing failed: why
}

// callResult is what a tool call gave.
type callResult struct {
	Text     string `json:"text"`
	Progress int    `json:"progress"` // progress notifications received before the result
	IsError  bool   `json:"error"`    // the tool's own error
	Failed   string `json:"failed"`   // the call failed otherwise, and the client is gone: why
}

// startClient connects and lists the tools. The caller looks at Failed.
func startClient(t testing.TB, target clientTarget) *peerClient {
	t.Helper()
	c := &peerClient{node: startNode(t, "client.mjs", target)}
	c.node.answer(c)
	return c
}

// Call calls a tool; the session stays open for the next call.
func (c *peerClient) Call(tool string, arguments map[string]any) (result callResult) {
	c.node.t.Helper()
	c.node.order(map[string]any{"name": tool, "arguments": arguments})
	c.node.answer(&result)
	return result
}

// loop makes the calls in turn, from several callers, and notes each, until halt.
func (c *peerClient) loop(calls []template, callers int, pause time.Duration, note func(called)) (halt func()) {
	c.node.t.Helper()
	c.node.order(map[string]any{"loop": map[string]any{"calls": calls, "callers": callers, "pause": pause.Milliseconds()}})
	ended := make(chan error, 1)
	go func() {
		for {
			var done called
			if err := c.node.read(&done); err != nil || done.Halted {
				ended <- err
				return
			}
			note(done)
		}
	}()
	return func() {
		c.node.t.Helper()
		c.node.order(map[string]any{"halt": true})
		if err := <-ended; err != nil {
			c.node.t.Fatal(err)
		}
	}
}

// peerHeard is what a client was told beside answers.
type peerHeard struct {
	Updated int            `json:"updated"` // how often a resource was
	Longest int            `json:"longest"` // ms between two updates
	Asked   int            `json:"asked"`   // requests of the server
	Changed map[string]int `json:"changed"` // list_changed, by kind
	Faults  []string       `json:"faults"`  // what should not have come, such as a second answer
}

func (c *peerClient) heard() (heard peerHeard) {
	c.node.t.Helper()
	c.node.order(map[string]any{"heard": true})
	c.node.answer(&heard)
	return heard
}

func (c *peerClient) subscribe(uri string) {
	c.node.t.Helper()
	c.node.order(map[string]any{"subscribe": uri})
	c.node.answer(&struct{}{})
}

// Close ends the session in order. The error is the client's exit status.
func (c *peerClient) Close() error { return c.node.stop() }

// runClient connects, calls one tool and closes; whatever fails, fails the test.
func runClient(t testing.TB, target clientTarget, tool string, arguments map[string]any) string {
	t.Helper()
	c := startClient(t, target)
	if c.Failed != "" {
		t.Fatalf("the client could not connect: %s", c.Failed)
	}
	result := c.Call(tool, arguments)
	if result.Failed != "" || result.IsError {
		t.Fatalf("calling %s: %+v", tool, result)
	}
	if err := c.Close(); err != nil {
		t.Fatalf("closing the client: %v", err)
	}
	return result.Text
}
