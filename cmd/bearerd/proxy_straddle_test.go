package main_test

import (
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"bearerd/engine/oauth/oauthtest"
)

// The authorization server is away for a moment, and meanwhile upstream refuses the token, as it does one that ends on the way. Who was
// refused waits for the next try, and so does who comes after.
func TestProxyRefusedWhileRenewalFails(t *testing.T) {
	alone(t)
	onBothPaths(t, func(t *testing.T, fast bool) {
		var asked, away atomic.Int64
		j := startJudged(t, fast, 8*time.Second, func(*oauthtest.Server) oauthtest.Fault {
			return func(w http.ResponseWriter, r *http.Request, next http.Handler) {
				if asked.Add(1) == 2 { // the first try of the renewal; the next one comes two seconds later
					away.Add(1)
					oauthtest.Reset()(w, r, next)
					return
				}
				next.ServeHTTP(w, r)
			}
		})
		call := func() {
			if status, body, err := j.caller.post(t.Context()); status != http.StatusOK || body != "done" {
				t.Errorf("a request failed: %d %s %v", status, body, err)
			}
		}
		call()
		token := j.judge.only(t)
		eventually(t, "the renewal has failed", func() bool { return away.Load() == 1 })
		time.Sleep(300 * time.Millisecond) // it is told of
		j.as.Revoke(token)
		var wg sync.WaitGroup
		wg.Go(call)
		eventually(t, "the token was refused", func() bool { _, _, refused := j.judge.verdict(); return refused > 0 })
		time.Sleep(100 * time.Millisecond)
		wg.Go(call)
		wg.Wait()
	})
}
