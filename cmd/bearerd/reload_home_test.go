package main_test

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"bearerd/engine/oauth/oauthtest"
)

// apply writes the configuration and has it put in force.
func (h *home) apply(servers ...string) {
	h.t.Helper()
	h.configure(servers...)
	h.ok("reload")
}

// metricsPage is what Prometheus is given, over the daemon's socket, which asks for no key.
func (h *home) metricsPage() string {
	h.t.Helper()
	door := h.door()
	defer door.CloseIdleConnections() // they would count as the daemon's
	resp, err := door.Get("http://bearerd/metrics")
	if err != nil {
		h.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		h.t.Fatal(err)
	}
	return string(text)
}

// scrape gives the metrics without labels of the daemon.
func (h *home) scrape() map[string]float64 {
	h.t.Helper()
	found := map[string]float64{}
	for line := range strings.Lines(h.metricsPage()) {
		name, text, _ := strings.Cut(strings.TrimSpace(line), " ")
		if value, err := strconv.ParseFloat(text, 64); err == nil {
			found[name] = value
		}
	}
	return found
}

// Names of metrics.
const (
	reloadsTotal = "bearerd_config_reloads_total"
	lastReloadOK = "bearerd_config_last_reload_successful"
)

// door is a client of the daemon's socket, for what is asked too often for a process each time.
func (h *home) door() *http.Client {
	h.t.Helper()
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", h.path("state/bearerd.sock"))
	}}
	h.t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: peerPatience}
}

// reload asks the daemon over its socket; the answer must be good.
func reload(t testing.TB, door *http.Client) {
	t.Helper()
	resp, err := door.Post("http://bearerd/api/reload", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if body, _ := io.ReadAll(resp.Body); resp.StatusCode != http.StatusOK {
		t.Fatalf("reload: %d %s", resp.StatusCode, body)
	}
}

// key is the local key for a server.
func (h *home) key(door *http.Client, name string) string {
	h.t.Helper()
	resp, err := door.Get("http://bearerd/api/servers/" + name + "/key/test")
	if err != nil {
		h.t.Fatal(err)
	}
	defer resp.Body.Close()
	var key struct{ Key string }
	if err := json.NewDecoder(resp.Body).Decode(&key); err != nil || key.Key == "" {
		h.t.Fatalf("the key of %s: %v", name, err)
	}
	h.private(key.Key)
	return key.Key
}

// origin is an upstream that notes the tokens and versions it is shown.
type origin struct {
	*httptest.Server
	serve http.HandlerFunc // nil: it answers "done"

	mu       sync.Mutex
	tokens   map[string]bool // guarded by mu
	versions []string        // guarded by mu: the header X-Version of each request
}

func startOrigin(t testing.TB, serve http.HandlerFunc) *origin {
	t.Helper()
	o := &origin{serve: serve, tokens: map[string]bool{}}
	o.Server = httptest.NewServer(o)
	t.Cleanup(func() {
		o.CloseClientConnections()
		o.Close()
	})
	return o
}

func (o *origin) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	o.mu.Lock()
	if token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); ok {
		o.tokens[token] = true
	}
	o.versions = append(o.versions, r.Header.Get("X-Version"))
	o.mu.Unlock()
	if o.serve != nil {
		o.serve(w, r)
		return
	}
	_, _ = io.Copy(io.Discard, r.Body)
	_, _ = io.WriteString(w, "done")
}

// scopes are those of the tokens that it was shown. The first ones are canaries from then on; to look for a thousand takes long.
func (o *origin) scopes(h *home, as *oauthtest.Server) map[string]bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	found, canaries := map[string]bool{}, 0
	for token := range o.tokens {
		if canaries++; canaries <= 10 {
			h.private(token)
		}
		grant, _ := as.Introspect(token)
		found[grant.Scope] = true
	}
	return found
}

// newest is the X-Version of the last request.
func (o *origin) newest() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.versions) == 0 {
		return ""
	}
	return o.versions[len(o.versions)-1]
}

// caller makes requests to a server through the proxy.
type caller struct {
	client   *http.Client
	url, key string
}

func (h *home) caller(door *http.Client, name string) *caller {
	h.t.Helper()
	transport := &http.Transport{MaxIdleConnsPerHost: 64}
	h.t.Cleanup(transport.CloseIdleConnections)
	return &caller{&http.Client{Transport: transport, Timeout: peerPatience}, "http://" + h.proxy + "/" + name, h.key(door, name)}
}

func (c *caller) request(ctx context.Context, method string) (*http.Response, error) {
	body := io.Reader(http.NoBody)
	if method == http.MethodPost {
		body = strings.NewReader(`{"jsonrpc":"2.0","id":1,"method":"ping"}`)
	}
	r, err := http.NewRequestWithContext(ctx, method, c.url, body)
	if err != nil {
		return nil, err
	}
	r.Header.Set("Authorization", "Bearer "+c.key)
	return c.client.Do(r)
}

// post gives the status and the body of one request.
func (c *caller) post(ctx context.Context) (status int, body string, err error) {
	resp, err := c.request(ctx, http.MethodPost)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(b), err
}

// busy makes requests from many goroutines until stop, which gives how many there were. Each must be answered "done".
func busy(t testing.TB, connections int, callers ...*caller) (stop func() (requests int)) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	var mu sync.Mutex
	requests, failures := 0, 0
	for i := range connections {
		c := callers[i%len(callers)]
		wg.Go(func() {
			for tick := time.NewTicker(time.Millisecond); ; {
				select {
				case <-ctx.Done():
					tick.Stop()
					return
				case <-tick.C:
				}
				status, body, err := c.post(context.WithoutCancel(ctx))
				mu.Lock()
				requests++
				if err != nil || status != http.StatusOK || body != "done" {
					if failures++; failures <= 5 {
						t.Errorf("a request to %s failed: %d %s %v", c.url, status, body, err)
					}
				}
				mu.Unlock()
			}
		})
	}
	stop = sync.OnceValue(func() int {
		cancel()
		wg.Wait()
		return requests
	})
	t.Cleanup(func() { stop() })
	return stop
}
