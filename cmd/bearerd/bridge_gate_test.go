package main_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"bearerd/engine/oauth/oauthtest"
)

// gate stands before an MCP server and lets only requests with a valid token pass. Its server can be exchanged, and it can
// be away.
type gate struct {
	URL string // of the MCP server, through the gate
	h   *home
	as  *oauthtest.Server

	upstream atomic.Pointer[url.URL]
	forget   atomic.Pointer[string] // the session that is answered 404; nil: none
	left     atomic.Int64           // requests whose answer the client did not wait for
	server   *http.Server           // nil while it is away

	mu   sync.Mutex // guards what follows
	seen []passage
	been map[string]bool // the tokens that came
}

// passage is a request that came to the gate.
type passage struct {
	at      time.Time
	method  string
	rpc     string // the JSON-RPC method in its body
	token   string
	valid   bool
	session string
	version string // the header X-Version
}

// startGate puts a gate before the server at upstream, on its path. Other requests are answered 401 with a Bearer challenge.
func (h *home) startGate(upstream string, as *oauthtest.Server) *gate {
	h.t.Helper()
	g := &gate{h: h, as: as, been: map[string]bool{}}
	g.point(upstream)
	address := freeAddress(h.t)
	for err := g.open(address); err != nil; err = g.open(address) {
		address = freeAddress(h.t) // another process was faster
	}
	g.URL = "http://" + address + g.upstream.Load().Path
	h.t.Cleanup(g.close)
	return g
}

// point sends what comes from now on to another server.
func (g *gate) point(upstream string) {
	target, err := url.Parse(upstream)
	if err != nil {
		g.h.t.Fatal(err)
	}
	g.upstream.Store(target)
}

func (g *gate) open(address string) error {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	transport := &http.Transport{}
	forward := &httputil.ReverseProxy{
		FlushInterval: -1, // SSE is passed on event by event
		Transport:     transport,
		ErrorLog:      log.New(io.Discard, "", 0), // what breaks off is what these tests are about
		ErrorHandler:  func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) },
		Rewrite: func(r *httputil.ProxyRequest) {
			target := g.upstream.Load()
			r.Out.URL.Scheme, r.Out.URL.Host = target.Scheme, target.Host
		},
	}
	g.server = &http.Server{Addr: address, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p := g.note(r)
		lost := g.forget.Load()
		switch {
		case !p.valid:
			w.Header().Set("WWW-Authenticate", `Bearer error="invalid_token", error_description="The token is not valid"`)
			http.Error(w, "a valid token is needed", http.StatusUnauthorized)
		case lost != nil && p.session == *lost:
			http.Error(w, "session not found", http.StatusNotFound)
		default:
			defer func() { // ReverseProxy panics when an answer breaks off, or is not waited for
				if recover() != nil && r.Context().Err() != nil {
					g.left.Add(1)
				}
			}()
			forward.ServeHTTP(w, r)
			if r.Context().Err() != nil {
				g.left.Add(1)
			}
		}
	})}
	go func() { _ = g.server.Serve(listener) }() // close ends it
	return nil
}

// close is an outage: connections are cut, and no new one is taken.
func (g *gate) close() {
	if g.server != nil {
		_ = g.server.Close()
	}
}

func (g *gate) note(r *http.Request) passage {
	body, _ := io.ReadAll(r.Body)
	r.Body = io.NopCloser(bytes.NewReader(body))
	var rpc struct{ Method string }
	_ = json.Unmarshal(body, &rpc) // else it is an answer, or no POST
	token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	p := passage{at: time.Now(), method: r.Method, rpc: rpc.Method, token: token, session: r.Header.Get("Mcp-Session-Id"),
		version: r.Header.Get("X-Version")}
	_, p.valid = g.as.Introspect(token)
	g.mu.Lock()
	defer g.mu.Unlock()
	if token != "" && !g.been[token] {
		g.been[token] = true
		g.h.private(token)
	}
	g.seen = append(g.seen, p)
	return p
}

func (g *gate) passages() []passage {
	g.mu.Lock()
	defer g.mu.Unlock()
	return append([]passage(nil), g.seen...)
}

// tokens is how many different ones came.
func (g *gate) tokens() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.been)
}

func (g *gate) last() passage {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.seen[len(g.seen)-1]
}

// count is how many requests came that ok is true for.
func (g *gate) count(ok func(passage) bool) (n int) {
	for _, p := range g.passages() {
		if ok(p) {
			n++
		}
	}
	return n
}

func method(name string) func(passage) bool { return func(p passage) bool { return p.method == name } }
func rpc(name string) func(passage) bool    { return func(p passage) bool { return p.rpc == name } }

func (p passage) String() string {
	return fmt.Sprintf("%s %s %s", p.at.Format("15:04:05.000"), p.method, p.rpc)
}

// bridging is a home whose server "web" is behind a gate.
type bridging struct {
	*home
	*gate
	ledger *ledger
	as     *oauthtest.Server
	grant  string
}

// startBridging makes one. Its tokens live for a time; lines are of the server's block.
func startBridging(t *testing.T, upstream string, life time.Duration, lines ...string) *bridging {
	t.Helper()
	b := &bridging{home: newHome(t)}
	b.ledger, b.as, b.grant = b.startLedger(life)
	b.gate = b.startGate(upstream, b.as)
	b.serve(b.gate.URL, lines...)
	return b
}

// serve writes the configuration.
func (b *bridging) serve(url string, lines ...string) {
	b.home.t.Helper()
	b.configure(server("web", append([]string{attribute("url", url), b.grant}, lines...)...))
}

// ended looks at what must hold when the client has gone: nothing runs, and each request came with a valid token but those
// that are excused.
func (b *bridging) ended(excused int) {
	b.home.t.Helper()
	b.nothingRuns()
	refused := 0
	for _, p := range b.passages() {
		if p.valid {
			continue
		}
		if refused++; refused > excused {
			b.home.t.Errorf("a request came without a valid token: %s", p)
		}
	}
}

// showsNoToken looks at command lines and environments of all that runs.
func (b *bridging) showsNoToken() {
	b.home.t.Helper()
	places := map[string]string{}
	for pid, argv := range b.processes() {
		places[fmt.Sprintf("the command line of %d", pid)] = argv
		for name, value := range environmentOf(b.home.t.(*testing.T), pid) {
			places[fmt.Sprintf("%s of %d", name, pid)] = value
		}
	}
	if len(places) == 0 && runtime.GOOS == "linux" {
		b.home.t.Error("no process can be looked at")
	}
	for _, leak := range findLeaks(places, b.privates()) {
		b.home.t.Error(leak)
	}
}
