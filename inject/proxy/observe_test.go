package proxy

import (
	"context"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"bearerd/config"
	"bearerd/engine"
	"bearerd/secrets"
)

// deliveries keeps what a proxy has told.
type deliveries struct {
	mu   sync.Mutex
	list []Delivery
}

func (f *fixture) observed() *deliveries {
	d := &deliveries{}
	f.proxy.Observe(func(one Delivery) {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.list = append(d.list, one)
	})
	return d
}

func (d *deliveries) take() []Delivery {
	d.mu.Lock()
	defer d.mu.Unlock()
	list := d.list
	d.list = nil
	return list
}

func (f *fixture) postAs(path, client string) answer {
	f.t.Helper()
	req := f.request(http.MethodPost, path, call)
	req.Header.Set("Authorization", "Bearer "+f.keys.Issue(path, client).Reveal())
	return f.do(req)
}

func (f *fixture) source(name string) *engine.Source {
	f.t.Helper()
	return must(f.engine.Source(name))(f.t)
}

func TestFirstDeliveries(t *testing.T) {
	f := newFixture(t)
	d := f.observed()
	up := upstream(t, f.wantsToken("Bearer", say("ok")))
	s := f.server("search", up.URL)
	f.serve(s, plain("other", up.URL))
	want := func(clients ...string) {
		t.Helper()
		token := f.source("search").Status().Fingerprint
		var wanted []Delivery
		for _, c := range clients {
			wanted = append(wanted, Delivery{"search", c, token})
		}
		if got := d.take(); !slices.Equal(got, wanted) {
			t.Errorf("deliveries %+v, want %+v", got, wanted)
		}
	}
	for _, client := range []string{"one", "two", "one", "one", "two"} {
		f.postAs("search", client)
	}
	want("one", "two")
	f.postAs("other", "one") // is sent no token
	wrong := f.request(http.MethodPost, "search", call)
	wrong.Header.Set("Authorization", "Bearer brd_three.wrong")
	f.do(wrong)
	want()
	must(f.source("search").Refresh(t.Context()))(t)
	for _, client := range []string{"one", "one", "two"} {
		f.postAs("search", client)
	}
	want("one", "two")

	f.as.Revoke(must(f.source("search").Token(t.Context()))(t).Access().Reveal())
	if a := f.postAs("search", "one"); a.body != "ok" {
		t.Fatal(a.body)
	}
	want("one") // the one that it was sent again with

	edited := f.server("search", up.URL)
	edited.Headers = map[string]secrets.Ref{"X-Version": secrets.LiteralRef("2")}
	f.serve(edited, plain("other", up.URL))
	f.postAs("search", "one")
	want() // an edit delivers nothing anew
}

func TestNamesOfClientsWithoutAKey(t *testing.T) {
	f := newFixture(t)
	d := f.observed()
	up := upstream(t, say("ok"))
	anyone := f.server("anyone", up.URL)
	anyone.LocalAuth = "none"
	socket := f.server("socket", up.URL)
	socket.Listen = "unix:" + socketPath(t)
	f.serve(anyone, socket)
	f.post("anyone")
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", strings.TrimPrefix(socket.Listen, "unix:"))
	}}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport}
	resp := must(client.Get("http://localhost/"))(t)
	_ = resp.Body.Close()
	list := d.take()
	if len(list) != 2 {
		t.Errorf("deliveries %+v", list)
	}
	for _, got := range list {
		if got.Server != got.Client || got.Token == "" {
			t.Errorf("delivery %+v", got)
		}
	}
}

// Many requests at once of many clients, while the token changes: one delivery for each token of each client.
func TestFirstDeliveriesAreToldOnce(t *testing.T) {
	f := newFixture(t)
	d := f.observed()
	up := upstream(t, say("ok"))
	f.serve(f.server("search", up.URL))
	for range 3 {
		var wg sync.WaitGroup
		for i := range 40 {
			wg.Go(func() { f.postAs("search", string(rune('a'+i%4))) })
		}
		wg.Wait()
		must(f.source("search").Refresh(t.Context()))(t)
	}
	seen := map[Delivery]int{}
	for _, one := range d.take() {
		if seen[one]++; seen[one] > 1 {
			t.Errorf("twice: %+v", one)
		}
	}
	if len(seen) != 12 {
		t.Errorf("%d deliveries, want 12", len(seen))
	}
}

func TestOutcomesOfRequests(t *testing.T) {
	f := newFixture(t)
	var status atomic.Int64
	up := upstream(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Location", "/elsewhere")
		w.Header().Set("WWW-Authenticate", "Bearer")
		w.WriteHeader(int(status.Load()))
	})
	f.serve(f.server("search", up.URL), plain("bare", up.URL), plain("away", "http://127.0.0.1:"+freePort(t)+"/"), &config.Server{Name: "stdio"})
	outcome := func(name string) Outcome {
		t.Helper()
		last, ok := f.proxy.Last(name)
		if !ok {
			t.Fatalf("%s is not known", name)
		}
		return last
	}
	if _, ok := f.proxy.Last("stdio"); ok {
		t.Error("a server without a url is known")
	}
	if got := outcome("search"); got != (Outcome{}) {
		t.Errorf("before the first request: %+v", got)
	}
	for _, test := range []struct {
		server string
		status int64
		want   string
	}{
		{"search", 200, ""},
		{"search", 503, "it answers HTTP 503 Service Unavailable"},
		{"search", 404, ""},
		{"search", 599, "it answers HTTP 599"},
		{"search", 302, "it answered with a redirect, which is not followed: set url to the final address"},
		{"search", 403, "it refuses the request, or its token (HTTP 403)"},
		{"search", 405, ""},
		{"search", 401, "it refuses the request, or its token (HTTP 401)"},
		{"search", 202, ""},
		{"bare", 401, "it refuses the request, or its token (HTTP 401)"},
		{"away", 0, "no answer: " + must(url.Parse(f.cfg.Servers[2].URL))(t).Host + ": connection refused"},
	} {
		status.Store(test.status)
		before := time.Now()
		f.post(test.server)
		if got := outcome(test.server); got.Error != test.want || got.At.Before(before) {
			t.Errorf("%s, HTTP %d: %+v, want %q", test.server, test.status, got, test.want)
		}
	}
	kept := outcome("search")
	status.Store(200)
	f.post("search")
	if got := outcome("search"); !got.At.Equal(kept.At) {
		t.Error("an outcome like that before is kept anew at once")
	}
	f.serve(f.cfg.Servers...)
	if got := outcome("search"); got != kept {
		t.Errorf("after a reload: %+v", got)
	}
	f.serve(plain("bare", up.URL))
	if _, ok := f.proxy.Last("search"); ok {
		t.Error("a server that was removed is known")
	}
}

// What says nothing of the server leaves the outcome as it was.
func TestRequestsThatLeaveTheOutcome(t *testing.T) {
	f := newFixture(t)
	arrived := make(chan struct{}, 1)
	up := upstream(t, func(_ http.ResponseWriter, r *http.Request) {
		arrived <- struct{}{}
		<-r.Context().Done()
	})
	broken := f.server("search", up.URL)
	broken.OAuth.ClientSecret = secrets.LiteralRef("wrong")
	f.serve(broken, plain("bare", up.URL))
	if a := f.post("search"); a.StatusCode != http.StatusServiceUnavailable {
		t.Fatalf("%d %s", a.StatusCode, a.body)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if resp, err := f.client.Do(f.request(http.MethodGet, "bare", "").WithContext(ctx)); err == nil {
			_ = resp.Body.Close()
		}
	}()
	receive(t, arrived, "the request")
	cancel()
	receive(t, ended, "the end of the request")
	for _, name := range []string{"search", "bare"} {
		if last, _ := f.proxy.Last(name); last != (Outcome{}) {
			t.Errorf("%s: %+v", name, last)
		}
	}
}

// A request that began with the token before is no first delivery, nor is what follows it.
func TestOvertakenDeliveries(t *testing.T) {
	f := newFixture(t)
	f.serve(f.server("search", "http://127.0.0.1:1/"))
	old := must(f.source("search").Token(t.Context()))(t)
	next := must(f.source("search").Refresh(t.Context()))(t)
	c := &clients{}
	for i, test := range []struct {
		token *engine.Token
		first bool
	}{{old, true}, {next, true}, {old, false}, {next, false}} {
		if got := c.isFirst("one", test.token); got != test.first {
			t.Errorf("delivery %d: first %v", i, got)
		}
	}
	if !c.isFirst("two", old) {
		t.Error("another client")
	}
}

// BenchmarkDelivered and BenchmarkNoted are what each request pays for being observed.
func BenchmarkDelivered(b *testing.B) {
	rt := &route{clients: &clients{}, delivered: func(Delivery) {}}
	t := &engine.Token{}
	b.ReportAllocs()
	for b.Loop() {
		rt.deliver("claude", t)
	}
}

func BenchmarkNoted(b *testing.B) {
	rt := &route{}
	b.ReportAllocs()
	for b.Loop() {
		rt.noteStatus(http.StatusOK)
	}
}
