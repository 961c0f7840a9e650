package proxy

import (
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"bearerd/engine/oauth/oauthtest"
)

// A 401 without a Bearer challenge may come after the server has acted: whatever becomes of the token, the answer must not
// say that the request may be sent again.
func TestRetryIsNotPromisedAfterAPlain401(t *testing.T) {
	for name, test := range map[string]struct {
		challenge, replay, body string
		fault                   oauthtest.Fault
		reason, retry           string
	}{
		"the authorization server is away": {"", "", call, oauthtest.TooMany("60"), reasonNoToken, `"retry":false`},
		"the same, with a challenge":       {bearer, "", call, oauthtest.TooMany("60"), reasonNoToken, `"retry":true`},
		"it says no":                       {"", "", call, oauthtest.OAuthError(400, "invalid_client", ""), reasonNoToken, `"retry":false`},
		"too large":                        {"", "always", strings.Repeat("x", 2000), nil, reasonRenewed, `"retry":false`},
		"too large, with a challenge":      {bearer, "always", strings.Repeat("x", 2000), nil, reasonRenewed, `"retry":true`},
	} {
		t.Run(name, func(t *testing.T) {
			onBothPaths(t, func(t *testing.T, f *fixture) {
				f.cfg.Proxy.ReplayBytes = 1000
				var refuse atomic.Bool
				up := upstream(t, func(w http.ResponseWriter, _ *http.Request) {
					if refuse.Load() {
						w.Header().Set("WWW-Authenticate", test.challenge)
						w.WriteHeader(http.StatusUnauthorized)
					}
				})
				s := f.server("search", up.URL)
				s.Replay = test.replay
				f.serve(s)
				f.post("search")
				refuse.Store(true)
				if test.fault != nil {
					f.as.Fail(1, test.fault)
				}
				a := f.do(f.request(http.MethodPost, "search", test.body))
				if a.StatusCode != 502 || a.Header.Get(ReasonHeader) != test.reason || !strings.Contains(a.body, test.retry) {
					t.Errorf("%d %s, want %s and %s", a.StatusCode, a.body, test.reason, test.retry)
				}
			})
		})
	}
}

// With replay = "always" the request goes once more. When that one cannot be sent, the first one may have acted all the same.
func TestRetryIsNotPromisedAfterAReplayThatDidNotArrive(t *testing.T) {
	for _, refusals := range []int{1, 2} { // the second is for want of a scope, and may be repeated
		onBothPaths(t, func(t *testing.T, f *fixture) { wantNoRetryWithout(t, f, refusals) })
	}
}

func wantNoRetryWithout(t *testing.T, f *fixture, refusals int) {
	t.Helper()
	var listener net.Listener
	n := 0
	up := upstream(t, func(w http.ResponseWriter, _ *http.Request) {
		if n++; n == 1+refusals {
			_ = listener.Close()
			w.Header().Set("Connection", "close")
		}
		switch n {
		case 2:
			w.WriteHeader(http.StatusUnauthorized)
		case 3:
			w.Header().Set("WWW-Authenticate", `Bearer error="insufficient_scope", scope="write"`)
			w.WriteHeader(http.StatusForbidden)
		}
	})
	listener = up.Listener
	s := f.server("search", up.URL)
	s.Replay = "always"
	f.serve(s)
	f.post("search")
	a := f.post("search")
	if a.StatusCode != 502 || a.Header.Get(ReasonHeader) != reasonUnreachable || !strings.Contains(a.body, `"retry":false`) {
		t.Errorf("%d refusals: %d %s", refusals, a.StatusCode, a.body)
	}
}

// One relayed 401 while the authorization server is away takes the token from no other request.
func TestOneRelayed401InAnOutage(t *testing.T) {
	onBothPaths(t, func(t *testing.T, f *fixture) {
		n := 0
		up := upstream(t, func(w http.ResponseWriter, _ *http.Request) {
			if n++; n == 2 {
				f.as.Fail(100, oauthtest.TooMany("60")) // a pause that nobody waits for
				w.WriteHeader(http.StatusUnauthorized)
			}
		})
		f.serve(f.server("search", up.URL))
		f.post("search")
		wantRefused(t, f.post("search"), 502, "search", "HTTP 429")
		for range 3 {
			if a := f.post("search"); a.StatusCode != http.StatusOK {
				t.Errorf("upstream takes the token: %d %s", a.StatusCode, a.body)
			}
		}
		if f.tokenRequests() != 2 {
			t.Errorf("%d token requests", f.tokenRequests())
		}
	})
}
