package proxy

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync/atomic"
	"testing"

	"bearerd/config"
	"bearerd/secrets"
)

// counted starts an upstream that counts the connections to it, and tells of each that is closed.
func counted(t *testing.T, h http.HandlerFunc) (s *httptest.Server, opened *atomic.Int64, closed <-chan struct{}) {
	t.Helper()
	ends := make(chan struct{}, 100)
	opened = &atomic.Int64{}
	s = httptest.NewUnstartedServer(h)
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		switch state {
		case http.StateNew:
			opened.Add(1)
		case http.StateClosed:
			ends <- struct{}{}
		}
	}
	s.Start()
	t.Cleanup(s.Close)
	return s, opened, ends
}

// plain is a server without a token.
func plain(name, url string) *config.Server {
	return &config.Server{Name: name, URL: url, Local: config.Local{LocalAuth: "key"}}
}

// A server that is loaded anew with the same values keeps its connections; of one that has changed they are closed.
func TestUnchangedServersKeepTheirConnections(t *testing.T) {
	f := newFixture(t)
	stays, opened, _ := counted(t, say("stays"))
	changes, _, gone := counted(t, say("changes"))
	f.serve(plain("stays", stays.URL), plain("changes", changes.URL))
	f.post("stays")
	f.post("changes")
	for i := range 5 {
		edited := plain("changes", changes.URL)
		edited.Headers = map[string]secrets.Ref{"X-Version": secrets.LiteralRef(strconv.Itoa(i))}
		f.serve(edited, plain("stays", stays.URL))
		receive(t, gone, "closing the connections of the server before")
		if a := f.post("stays"); a.body != "stays" {
			t.Errorf("after a reload: %s", a.body)
		}
		f.post("changes")
	}
	if n := opened.Load(); n != 1 {
		t.Errorf("%d connections to a server that never changed", n)
	}
}

// A request that has no token yet when its server is edited gets the new one, at the new address.
func TestWaitingRequestsGoToTheSuccessor(t *testing.T) {
	f := newFixture(t)
	slow, asked, release := slowTokens(t, 0)
	old := upstream(t, func(http.ResponseWriter, *http.Request) { t.Error("the old address was asked") })
	up := upstream(t, f.wantsToken("Bearer", say("new")))
	before := f.server("search", old.URL)
	before.OAuth.TokenURL = slow.URL
	f.serve(before)
	answers := make(chan answer, 1)
	req := f.request(http.MethodPost, "search", call)
	go func() { answers <- f.do(req) }()
	receive(t, asked, "the token request")
	f.serve(f.server("search", up.URL))
	close(release) // the token request before holds the lock of the server
	if a := receive(t, answers, "the answer"); a.StatusCode != http.StatusOK || a.body != "new" {
		t.Errorf("the waiting request was answered with %d %s", a.StatusCode, a.body)
	}
}

// What is open at a listener that goes may end well, until ctx ends.
func TestListenerThatGoes(t *testing.T) {
	for name, cut := range map[string]bool{"in time": false, "cut": true} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			waiting, release := make(chan struct{}), make(chan struct{})
			up := upstream(t, func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body)
				close(waiting)
				select {
				case <-release:
					_, _ = io.WriteString(w, "whole")
				case <-r.Context().Done():
				}
			})
			own := plain("own", up.URL)
			own.Listen = "127.0.0.1:" + freePort(t)
			f.serve(own, plain("search", up.URL))
			req := f.request(http.MethodPost, "own", call)
			req.URL.Host, req.URL.Path = own.Listen, "/"
			answers := make(chan string, 1)
			go func() {
				resp, err := f.client.Do(req)
				if err != nil {
					answers <- "cut"
					return
				}
				defer resp.Body.Close()
				body, _ := io.ReadAll(resp.Body)
				answers <- string(body)
			}()
			receive(t, waiting, "the request")

			cfg := *f.cfg
			cfg.Servers = []*config.Server{plain("search", up.URL)}
			plan := must(f.proxy.Prepare(&cfg, f.engine.Prepare(&cfg).Source))(t)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			plan.Commit(ctx)
			wantFree(t, own.Listen)
			want := "whole"
			if cut {
				cancel()
				want = "cut"
			} else {
				close(release)
			}
			if got := receive(t, answers, "the end of the request"); got != want {
				t.Errorf("the request ended with %q, want %q", got, want)
			}
		})
	}
}
