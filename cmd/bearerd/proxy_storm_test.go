package main_test

import (
	"context"
	"net/http"
	"net/http/httptrace"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"bearerd/engine/oauth/oauthtest"
)

const stormCallers = 500

// storm has all callers send one request at once. then is called when they have; every request must be answered "done".
func (j *judged) storm(then func()) {
	j.t.Helper()
	var wg sync.WaitGroup
	var sent, failed atomic.Int64
	trace := &httptrace.ClientTrace{WroteRequest: func(httptrace.WroteRequestInfo) { sent.Add(1) }}
	ctx := httptrace.WithClientTrace(j.t.Context(), trace)
	start := time.Now()
	for range stormCallers {
		wg.Go(func() {
			status, body, err := j.caller.post(ctx)
			if (err != nil || status != http.StatusOK || body != "done") && failed.Add(1) <= 5 {
				j.t.Errorf("a request failed: %d %s %v", status, body, err)
			}
		})
	}
	eventually(j.t, "all requests were sent", func() bool { return sent.Load() >= stormCallers || failed.Load() > 0 })
	then()
	wg.Wait()
	_, requests, refused := j.judge.verdict()
	j.t.Logf("%d callers: %d failed, the last was answered after %s; so far upstream took %d and refused %d, and there were %d token requests",
		stormCallers, failed.Load(), time.Since(start).Round(time.Millisecond), requests, refused, len(j.as.RequestsTo("/token")))
}

// The renewal takes longer than the rest of the token's life, and hundreds come at the moment of its end: there is one token
// request, and nobody is turned away.
func TestProxyStormAtExpiry(t *testing.T) {
	alone(t)
	onBothPaths(t, func(t *testing.T, fast bool) {
		const life = 2 * time.Second
		asked, release := make(chan time.Time, stormCallers), make(chan struct{})
		letGo := sync.OnceFunc(func() { close(release) })
		t.Cleanup(letGo)
		hold := func(*oauthtest.Server) oauthtest.Fault {
			return func(w http.ResponseWriter, r *http.Request, next http.Handler) {
				asked <- time.Now()
				if len(asked) > 1 {
					<-release
				}
				next.ServeHTTP(w, r)
			}
		}
		j := startJudged(t, fast, life, hold)
		eventually(t, "the token is renewed", func() bool { return len(asked) > 1 })
		j.as.SetLifetime(time.Hour)
		time.Sleep(time.Until((<-asked).Add(life + 100*time.Millisecond))) // the first token has ended then
		j.storm(letGo)
		tokens, requests, refused := j.judge.verdict()
		if n := len(j.as.RequestsTo("/token")); n != 2 || tokens != 1 {
			t.Errorf("%d token requests, and %d tokens were used; want 2, the first for the token that has ended, and 1", n, tokens)
		}
		if requests != stormCallers || refused != 0 {
			t.Errorf("upstream took %d requests and refused %d", requests, refused)
		}
	})
}

// The token is revoked behind bearerd's back, and hundreds are refused at once: there is one token request, and each request is
// sent again with the new token.
func TestProxyStormAtRevocation(t *testing.T) {
	alone(t)
	onBothPaths(t, func(t *testing.T, fast bool) {
		j := startJudged(t, fast, time.Hour, nil)
		if status, body, err := j.caller.post(context.WithoutCancel(t.Context())); status != http.StatusOK || body != "done" {
			t.Fatalf("the first request: %d %q %v", status, body, err)
		}
		j.as.Revoke(j.judge.only(t))
		j.storm(func() {})
		tokens, requests, refused := j.judge.verdict()
		if n := len(j.as.RequestsTo("/token")); n != 2 || tokens != 2 {
			t.Errorf("%d token requests, and %d tokens were used; want 2 in all", n, tokens)
		}
		if requests != 1+stormCallers || refused == 0 || refused > stormCallers {
			t.Errorf("upstream took %d requests and refused %d", requests, refused)
		}
	})
}
