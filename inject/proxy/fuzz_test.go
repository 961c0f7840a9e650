package proxy

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"bearerd/config"
	"bearerd/engine"
	"bearerd/engine/oauth/oauthtest"
	"bearerd/secrets"
	"bearerd/secrets/sealed"
)

// FuzzProxy sends the same bytes to the proxy with the fast path and without it, and to net/http's own reverse proxy with the
// same rules (see plainProxy). The first two must be the same, to upstream and to the caller; upstream must see the same of
// the third. So no request gets through that net/http does not find in the bytes, and none is read otherwise.
//
// shape chooses a message out of the grammar in fuzzgrammar_test.go; noise then spoils it. Without a shape, noise is the message.
// It is written in pieces of step bytes.
func FuzzProxy(f *testing.F) {
	rig := newRig(f)
	rig.compare(f, rig.message([]byte{0}, nil), 0)
	if rig.fast.route.quick.pool.last() == nil {
		f.Fatal("a common request does not take the fast path")
	}
	for _, message := range rawSeeds {
		f.Add([]byte{}, []byte(message), uint16(0))
		f.Add([]byte{}, []byte(message), uint16(7))
	}
	for _, shape := range oneByOne() {
		f.Add(shape, []byte{}, uint16(0))
	}
	random := rand.New(rand.NewPCG(8, 1))
	for i := range 400 {
		shape, noise := make([]byte, 40), make([]byte, 4*(i%3))
		for j := range shape {
			if random.IntN(3) == 0 { // else what is common
				shape[j] = byte(random.Uint32())
			}
		}
		for j := range noise {
			noise[j] = byte(random.Uint32())
		}
		f.Add(shape, noise, uint16(random.IntN(4)*random.IntN(50)))
	}
	f.Fuzz(func(t *testing.T, shape, noise []byte, step uint16) {
		message := rig.message(shape, noise)
		if len(message) > 128<<10 || bytes.Contains(message, []byte("HEAD")) || bytes.Contains(message, []byte("PRI")) {
			t.Skip() // how long an answer to HEAD is shows the request alone; PRI is HTTP/2
		}
		rig.compare(t, message, int(step))
	})
}

// rig holds the three ways that a request can take to upstream, each to an upstream of its own.
type rig struct {
	key              string
	fast, slow, pure *way
}

// way is where a request is sent and what comes of it.
type way struct {
	at    string // the address that callers connect to
	route *route // nil: ReverseProxy's
	*transcript
}

func newRig(f testing.TB) *rig {
	as, err := oauthtest.NewPlain()
	if err != nil {
		f.Fatal(err)
	}
	as.Register(oauthtest.Client{ID: clientID, Secret: clientSecret})
	log := slog.New(slog.DiscardHandler)
	store, err := sealed.Open(filepath.Join(f.TempDir(), "state"), nil, log)
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(as.Close)
	r, keys, resolve := &rig{}, NewKeys(), &secrets.Resolver{Store: store}
	r.key = keys.Issue("s", "test").Reveal()
	e := engine.New(context.Background(), store, engine.Local{Store: store, Lock: store.Lock}, resolve, log)
	f.Cleanup(e.Close)

	server := (&fixture{as: as}).server("s", "http://127.0.0.1/mcp")
	plan := e.Prepare(&config.Config{Servers: []*config.Server{server}})
	plan.Commit()
	proxied := func(fast bool) *way {
		u := newTranscript(f)
		one := *server
		one.URL = "http://" + u.address() + "/mcp?fixed=1"
		cfg := &config.Config{Proxy: config.DefaultProxy(), Servers: []*config.Server{&one}}
		cfg.Proxy.Listen, cfg.Proxy.FastPath = "127.0.0.1:0", fast
		p := New(keys, resolve, log)
		front, err := p.Prepare(cfg, plan.Source)
		if err != nil {
			f.Fatal(err)
		}
		front.Commit(context.Background())
		f.Cleanup(func() {
			ctx, cancel := context.WithTimeout(context.Background(), patient)
			defer cancel()
			p.Close(ctx)
		})
		return &way{p.Bound(cfg.Proxy.Listen)[0], (*p.servers.Load())["s"], u}
	}
	r.fast, r.slow = proxied(true), proxied(false)
	r.pure = plainProxy(f, r.slow.route)
	return r
}

// plainProxy is httputil.ReverseProxy for the requests that rt lets through. Whom it lets through is tested elsewhere; what
// bearerd does otherwise than ReverseProxy by design stands in Rewrite.
func plainProxy(f testing.TB, rt *route) *way {
	u := newTranscript(f)
	transport := &http.Transport{DisableCompression: true}
	token, err := rt.token(context.Background())
	if err != nil {
		f.Fatal(err)
	}
	authorization, _, err := token.Headers("", "")
	if err != nil {
		f.Fatal(err)
	}
	proxy := &httputil.ReverseProxy{
		Transport: transport, ErrorLog: log.New(io.Discard, "", 0),
		Rewrite: func(pr *httputil.ProxyRequest) {
			pr.Out.URL = &url.URL{Scheme: "http", Host: u.address(), Path: "/mcp", RawQuery: joinQuery("fixed=1", withoutToken(pr.In.URL.RawQuery))}
			pr.Out.Host = ""
			passed := pr.In.Header.Clone()
			removeHopByHop(passed)
			for _, name := range []string{"Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto"} { // bearerd leaves them alone
				if v, ok := passed[name]; ok {
					pr.Out.Header[name] = v
				}
			}
			for _, name := range []string{"Te", "Upgrade", "Connection", "Expect", "Origin"} { // bearerd passes none of these
				pr.Out.Header.Del(name)
			}
			pr.Out.Trailer = nil // nor trailers of requests
			withoutOwnCookies(pr.Out.Header)
			pr.Out.Header.Set("Authorization", authorization)
		},
	}
	front := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, why := rt.guard.refusal(callerOf(r))
		known := r.Method == http.MethodPost || r.Method == http.MethodGet || r.Method == http.MethodDelete
		if r.URL.EscapedPath() != rt.path || !known || why != "" {
			http.Error(w, "", http.StatusForbidden)
			return
		}
		body, err := io.ReadAll(r.Body) // bearerd too has all of a body before it sends anything, so one that is cut off never gets there
		if err != nil {
			w.Header().Set("Connection", "close")
			http.Error(w, "", http.StatusBadRequest)
			return
		}
		if r.Body = http.NoBody; len(body) > 0 {
			r.Body = io.NopCloser(bytes.NewReader(body))
		}
		proxy.ServeHTTP(w, r)
	}))
	front.Config.ErrorLog, front.Config.MaxHeaderBytes = log.New(io.Discard, "", 0), rt.limits.MaxHeadBytes
	front.Start()
	f.Cleanup(func() {
		front.Close()
		transport.CloseIdleConnections()
	})
	return &way{front.Listener.Addr().String(), nil, u}
}

// anyMark is in an address for messages. Each way has an upstream of its own, and so marks of its own.
var anyMark = regexp.MustCompile(`/s/~[A-Za-z0-9_-]{22}/`)

// compare sends a message all three ways. A difference counts when it is there again with more patience: a busy machine makes
// some of its own.
func (r *rig) compare(t testing.TB, message []byte, step int) {
	t.Helper()
	for _, last := range []bool{false, true} {
		quiet := 150 * time.Millisecond
		if last {
			quiet *= 20
		}
		var wg sync.WaitGroup
		var answers [2]conversation
		for i, w := range []*way{r.fast, r.slow} {
			wg.Go(func() {
				all, reset := send(t, w.at, message, step, quiet)
				all = bytes.ReplaceAll(all, []byte(w.address()), []byte("127.0.0.1:UPSTR")) // as long as that
				all = anyMark.ReplaceAll(all, []byte("/s/~MARK-OF-ITS-OWN-ORIGIN/"))
				answers[i] = conversation{readAnswers(all), reset}
			})
		}
		wg.Go(func() { send(t, r.pure.at, message, step, quiet) })
		wg.Wait()
		fast, slow, pure := r.fast.take(), r.slow.take(), r.pure.take()
		var differences []string
		differ := func(what string, got, want any) {
			if !reflect.DeepEqual(got, want) {
				differences = append(differences, fmt.Sprintf("%s:\n got %+v\nwant %+v", what, got, want))
			}
		}
		differ("the fast path shows upstream something else", fast, slow)
		if !answers[0].agrees(answers[1]) {
			differ("the fast path shows the caller something else", answers[0], answers[1])
		}
		differ("ReverseProxy shows upstream something else", essence(slow), essence(pure))
		if len(differences) == 0 {
			return
		}
		if last {
			t.Errorf("%.4000q, written in pieces of %d:\n%s", message, step, strings.Join(differences, "\n"))
		}
	}
}

// send gives all that comes back for a message, and whether the connection was reset at last. Behind the message goes a request
// that ends the connection. If that has become part of what was there before, nothing comes, and the caller stops sending.
func send(t testing.TB, address string, message []byte, step int, quiet time.Duration) (all []byte, reset bool) {
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Error(err)
		return nil, false
	}
	defer c.Close()
	message = append(slices.Clone(message), "GET /end HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"...)
	if step = max(step, len(message)/100); step == 0 {
		step = len(message)
	}
	var writing sync.WaitGroup
	defer writing.Wait()
	writing.Go(func() {
		for piece := range slices.Chunk(message, step) {
			if _, err := c.Write(piece); err != nil {
				return // it was answered already
			}
		}
	})
	buf := make([]byte, 16<<10)
	for stopped := false; ; {
		_ = c.SetReadDeadline(time.Now().Add(quiet))
		n, err := c.Read(buf)
		all = append(all, buf[:n]...)
		if timeout, ok := err.(net.Error); ok && timeout.Timeout() && !stopped {
			writing.Wait()
			_ = c.(*net.TCPConn).CloseWrite()
			stopped, quiet = true, patient
		} else if err != nil {
			return all, errors.Is(err, syscall.ECONNRESET)
		}
	}
}
