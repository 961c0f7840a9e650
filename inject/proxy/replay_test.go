package proxy

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
)

// TestReplay: docs/delivery.md, "When upstream refuses a token". What was not sent again can be, as the token is new.
func TestReplay(t *testing.T) {
	const basic = `Basic realm="x"`
	for _, test := range []struct {
		replay, challenge string
		again             bool
		retry             string // of the answer, where it was not sent again
	}{
		{"", bearer, true, ""},
		{"", basic, false, `"retry":false`},
		{"challenge", bearer, true, ""},
		{"challenge", "", false, `"retry":false`},
		{"always", bearer, true, ""},
		{"always", basic, true, ""},
		{"always", "", true, ""},
		{"never", bearer, false, `"retry":true`},
		{"never", "", false, `"retry":false`},
	} {
		for _, method := range []string{http.MethodPost, http.MethodGet, http.MethodDelete} {
			for _, fast := range []bool{true, false} {
				t.Run(fmt.Sprintf("%q/%q/%s/fast=%v", test.replay, test.challenge, method, fast), func(t *testing.T) {
					f, rec := newFixture(t), &recorder{}
					f.cfg.Proxy.FastPath = fast
					up := upstream(t, rec.around(f.wantsToken(test.challenge, say("ok"))))
					s := f.server("search", up.URL)
					s.Replay = test.replay
					f.serve(s)
					body := ""
					if method == http.MethodPost {
						body = call
					}
					send := func() answer { return f.do(f.request(method, "search", body)) }
					if a := send(); a.StatusCode != 200 {
						t.Fatalf("%d %s", a.StatusCode, a.body)
					}
					f.as.Revoke(rec.tokens[0])
					a := send()
					if test.again {
						if a.StatusCode != 200 || rec.count() != 3 || rec.bodies[2] != body || rec.tokens[2] == rec.tokens[1] {
							t.Fatalf("%d %s after %d requests", a.StatusCode, a.body, rec.count())
						}
						return
					}
					if a.StatusCode != 502 || a.Header.Get(ReasonHeader) != reasonRenewed || !strings.Contains(a.body, test.retry) || rec.count() != 2 {
						t.Fatalf("%d %s after %d requests, want %s", a.StatusCode, a.body, rec.count(), test.retry)
					}
					if a := send(); a.StatusCode != 200 || f.tokenRequests() != 2 {
						t.Errorf("sent again: %d %s after %d token requests", a.StatusCode, a.body, f.tokenRequests())
					}
				})
			}
		}
	}
}

// TestReplayAlwaysNeedsTheWholeBody: what was not kept cannot be sent again, whatever the setting.
func TestReplayAlwaysNeedsTheWholeBody(t *testing.T) {
	for _, fast := range []bool{true, false} {
		f, rec := newFixture(t), &recorder{}
		f.cfg.Proxy.FastPath = fast
		up := upstream(t, rec.around(f.wantsToken("", say("ok"))))
		s := f.server("search", up.URL)
		s.Replay = "always"
		f.serve(s)
		f.post("search")
		f.as.Revoke(rec.tokens[0])
		a := f.do(f.request(http.MethodPost, "search", strings.Repeat("x", f.cfg.Proxy.ReplayBytes+1)))
		if a.StatusCode != 502 || !strings.Contains(a.body, "not retried") || rec.count() != 2 {
			t.Errorf("fast path %v: %d %s after %d requests", fast, a.StatusCode, a.body, rec.count())
		}
	}
}

// TestUpstreamThatRefusesEachToken: a person reads why and when, and the authorization server is asked no more than documented.
func TestUpstreamThatRefusesEachToken(t *testing.T) {
	for _, fast := range []bool{true, false} {
		f := newFixture(t)
		f.cfg.Proxy.FastPath = fast
		up := upstream(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("WWW-Authenticate", bearer)
			w.WriteHeader(http.StatusUnauthorized)
		})
		f.serve(f.server("search", up.URL))
		a := f.post("search")
		wantRefused(t, a, 502, "search", "freshly renewed", "OAUTH_AUDIENCE")
		if st := f.source("search").Status(); !strings.Contains(st.Error, "refuses") || st.NextTry == nil || st.Remedy == "" {
			t.Errorf("after the first request the status says %q", st.Error)
		}
		for range 20 {
			a = f.post("search")
			wantRefused(t, a, 502, "search", "just renewed", "OAUTH_AUDIENCE")
			wait, err := strconv.Atoi(a.Header.Get("Retry-After"))
			if err != nil || wait < 1 || wait > 5 || a.Header.Get(ReasonHeader) != reasonRefused {
				t.Fatalf("Retry-After %q, reason %q", a.Header.Get("Retry-After"), a.Header.Get(ReasonHeader))
			}
		}
		if f.tokenRequests() != 2 {
			t.Errorf("fast path %v: %d token requests", fast, f.tokenRequests())
		}
	}
}

// TestUpstreamTakesATokenAgain: its answer is what ends the pauses, whichever path it came by and whatever it says.
func TestUpstreamTakesATokenAgain(t *testing.T) {
	for _, fast := range []bool{true, false} {
		for _, status := range []int{200, 404, 500} {
			f, answers := newFixture(t), make(chan int, 3)
			f.cfg.Proxy.FastPath = fast
			up := upstream(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(<-answers) })
			f.serve(f.server("search", up.URL))
			answers <- 401
			f.post("search")
			answers <- 401
			f.post("search")
			if f.source("search").Status().Error == "" {
				t.Fatal("the status says nothing")
			}
			answers <- status
			if a := f.post("search"); a.StatusCode != status {
				t.Fatalf("%d %s", a.StatusCode, a.body)
			}
			if st := f.source("search").Status(); st.Error != "" {
				t.Errorf("fast path %v, %d: the status still says %q", fast, status, st.Error)
			}
		}
	}
}
