package proxy

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"bearerd/config"
)

// slowTokens is a token endpoint that answers so many requests, then says when it is asked, and does not answer until release is
// closed.
func slowTokens(t *testing.T, quick int64) (s *httptest.Server, asked, release chan struct{}) {
	t.Helper()
	asked, release = make(chan struct{}, 10), make(chan struct{})
	var n atomic.Int64
	s = upstream(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // else net/http does not see the end of the connection
		if n.Add(1) <= quick {
			w.Header().Set("Content-Type", "application/json")
			_, _ = io.WriteString(w, `{"access_token":"of-the-old","token_type":"Bearer","expires_in":3600}`)
			return
		}
		asked <- struct{}{}
		select {
		case <-release:
		case <-r.Context().Done():
		}
	})
	return s, asked, release
}

// A request that waits for its token outlives the listener that it came to: the server is served at another one now.
func TestWaitingRequestsOutliveTheirListener(t *testing.T) {
	onBothPaths(t, func(t *testing.T, f *fixture) {
		slow, asked, release := slowTokens(t, 0)
		up := upstream(t, f.wantsToken("Bearer", say("new")))
		before := f.server("search", up.URL)
		before.OAuth.TokenURL, before.Listen = slow.URL, "127.0.0.1:"+freePort(t)
		f.serve(before, plain("other", up.URL))
		req := f.request(http.MethodPost, "search", call)
		req.URL.Host, req.URL.Path = before.Listen, "/"
		answers := make(chan answer, 1)
		go func() {
			resp, err := f.client.Do(req)
			if err != nil {
				answers <- answer{&http.Response{}, err.Error()}
				return
			}
			defer resp.Body.Close()
			body, _ := io.ReadAll(resp.Body)
			answers <- answer{resp, string(body)}
		}()
		receive(t, asked, "the token request")
		f.serve(f.server("search", up.URL))
		close(release)
		if a := receive(t, answers, "the answer"); a.body != "new" {
			t.Errorf("the waiting request was answered with %d %s", a.StatusCode, a.body)
		}
	})
}

// A request whose token was refused, and that waits for another one, goes on under the new settings if the url is the same.
func TestRefusedRequestsGoToTheSuccessor(t *testing.T) {
	onBothPaths(t, func(t *testing.T, f *fixture) {
		slow, asked, release := slowTokens(t, 1)
		rec := &recorder{}
		up := upstream(t, rec.around(f.wantsToken(`Bearer error="invalid_token"`, say("new"))))
		before := f.server("search", up.URL)
		before.OAuth.TokenURL = slow.URL
		f.serve(before)
		answers := make(chan answer, 1)
		req := f.request(http.MethodPost, "search", call)
		go func() { answers <- f.do(req) }()
		receive(t, asked, "the request for another token")
		f.serve(f.server("search", up.URL))
		close(release)
		if a := receive(t, answers, "the answer"); a.StatusCode != http.StatusOK || a.body != "new" || rec.count() != 2 {
			t.Errorf("the request was answered with %d %s after %d", a.StatusCode, a.body, rec.count())
		}
	})
}

// The address for messages of a session does not go to another origin with it.
func TestMessagesStayAtTheirOrigin(t *testing.T) {
	f := newFixture(t)
	slow, asked, release := slowTokens(t, 0)
	old := upstream(t, func(http.ResponseWriter, *http.Request) { t.Error("the old address was asked") })
	other := upstream(t, func(_ http.ResponseWriter, r *http.Request) { t.Errorf("the new origin was shown %s", r.URL) })
	before := f.server("search", old.URL)
	before.OAuth.TokenURL = slow.URL
	f.serve(before)
	rt := (*f.proxy.servers.Load())["search"]
	req := f.request(http.MethodPost, "search", call)
	req.URL.Path += marker + rt.mark("/message") + "/message"
	answers := make(chan answer, 1)
	go func() { answers <- f.do(req) }()
	receive(t, asked, "the token request")
	f.serve(f.server("search", other.URL))
	close(release)
	wantRefused(t, receive(t, answers, "the answer"), http.StatusServiceUnavailable, "ask again")
}

// A token for another url is not sent to this one, be it of the same origin.
func TestUpstreamYieldsNoTokenForAnotherURL(t *testing.T) {
	f := newFixture(t)
	up := upstream(t, func(_ http.ResponseWriter, r *http.Request) { t.Errorf("%s was asked", r.URL) })
	first, send := upstreamOf(f, up.URL+"/one")
	s := f.server("search", up.URL+"/two")
	s.OAuth.Scope = "other"
	cfg := *f.cfg
	cfg.Servers = []*config.Server{s}
	plan := f.engine.Prepare(&cfg)
	next := must(NewUpstream(s, plan.Source("search"), f.resolve, f.proxy.log))(t)
	t.Cleanup(next.Close)
	first.Yield(next)
	plan.Commit()
	a := send(up.URL+"/one", strings.NewReader(call))
	wantRefused(t, a, http.StatusServiceUnavailable, "ask again")
}

// Edits of the limits leave nothing that waits for connections.
func TestEditsOfLimitsLeaveNoGoroutine(t *testing.T) {
	f := newFixture(t)
	f.serve(plain("search", upstream(t, say("ok")).URL))
	stop, calls := make(chan struct{}), atomic.Int64{}
	done := make(chan struct{})
	requests := []*http.Request{f.request(http.MethodGet, "search", ""), f.request(http.MethodGet, "search?access=1", "")} // the second is net/http's
	go func() {
		defer close(done)
		for n := 0; ; n++ {
			select {
			case <-stop:
				return
			default:
			}
			if a := f.do(requests[n%2].Clone(t.Context())); a.body != "ok" {
				t.Errorf("%d %s", a.StatusCode, a.body)
			}
			calls.Add(1)
		}
	}()
	for i := range 50 {
		f.cfg.Proxy.Limits.MaxBodyBytes = 1<<20 + i
		f.serve(plain("search", (*f.proxy.servers.Load())["search"].server.URL))
	}
	eventually(t, "calls are made", func() bool { return calls.Load() > 20 })
	close(stop)
	<-done
	if n := handlers("proxy.(*inbox).Accept"); n > 1 {
		t.Errorf("%d goroutines wait for connections", n)
	}
}

// A fault of bearerd's costs one connection.
func TestAPanicCostsOneConnection(t *testing.T) {
	onBothPaths(t, func(t *testing.T, f *fixture) {
		first := true
		f.proxy.Observe(func(Delivery) {
			if first {
				first = false
				panic("a fault of a test")
			}
		})
		f.serve(f.server("search", upstream(t, say("ok")).URL))
		if resp, err := f.client.Do(f.request(http.MethodDelete, "search", "")); err == nil {
			t.Errorf("%s", resp.Status)
			_ = resp.Body.Close()
		}
		if a := f.post("search"); a.body != "ok" {
			t.Errorf("afterwards: %d %s", a.StatusCode, a.body)
		}
		f.client.CloseIdleConnections()
		f.wantNoneOpen()
	})
}
