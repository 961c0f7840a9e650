package main_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"bearerd/engine/oauth/oauthtest"
)

// tokenJudge is an upstream that takes a token only while the authorization server believes in it: by that server's own clock, at
// the moment of use.
type tokenJudge struct {
	*httptest.Server
	as *oauthtest.Server

	mu      sync.Mutex
	taken   map[string]int // guarded by mu: requests, by token
	refused int            // guarded by mu
}

func startJudge(t testing.TB, as *oauthtest.Server) *tokenJudge {
	t.Helper()
	j := &tokenJudge{as: as, taken: map[string]int{}}
	j.Server = httptest.NewServer(j)
	t.Cleanup(j.Close)
	return j
}

func (j *tokenJudge) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	_, valid := j.as.Introspect(token)
	j.mu.Lock()
	if valid {
		j.taken[token]++
	} else {
		j.refused++
	}
	j.mu.Unlock()
	if !valid {
		w.Header().Set("WWW-Authenticate", `Bearer error="invalid_token"`)
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	_, _ = io.WriteString(w, "done")
}

// verdict is how many tokens it has taken, in how many requests, and how many it has refused.
func (j *tokenJudge) verdict() (tokens, requests, refused int) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, n := range j.taken {
		requests += n
	}
	return len(j.taken), requests, j.refused
}

// only is the one token that it has taken so far.
func (j *tokenJudge) only(t testing.TB) string {
	t.Helper()
	j.mu.Lock()
	defer j.mu.Unlock()
	if len(j.taken) != 1 {
		t.Fatalf("%d tokens were used", len(j.taken))
	}
	for token := range j.taken {
		return token
	}
	return ""
}

// judged is a daemon before a tokenJudge, and a client of it.
type judged struct {
	*home
	as     *oauthtest.Server
	judge  *tokenJudge
	caller *caller
}

// startJudged puts a fault, which may be nil, before each token request. Requests are not logged: there are too many of them.
func startJudged(t *testing.T, fast bool, life time.Duration, fault func(as *oauthtest.Server) oauthtest.Fault) *judged {
	t.Helper()
	j := &judged{home: newHome(t)}
	var grant string
	j.as, grant = j.authServer()
	j.as.SetLifetime(life)
	if fault != nil {
		j.as.FailAt("/token", 10_000, fault(j.as))
	}
	j.judge = startJudge(t, j.as)
	j.configure(server("s", attribute("url", j.judge.URL), grant))
	text := strings.Replace(readConfiguration(t, j.path("bearerd.hcl")), `"debug"`, `"info"`, 1)
	j.write("bearerd.hcl", strings.Replace(text, "proxy { listen = ", fmt.Sprintf("proxy {\nfast_path = %t\nlisten = ", fast), 1))
	text = readConfiguration(t, j.path("bearerd.hcl"))
	j.write("bearerd.hcl", strings.Replace(text, " }\nadmin", "\n}\nadmin", 1))
	j.daemon()
	j.caller = j.home.caller(j.door(), "s")
	return j
}

// onBothPaths runs a test with the fast path and without it.
func onBothPaths(t *testing.T, test func(t *testing.T, fast bool)) {
	for _, fast := range []bool{true, false} {
		t.Run(fmt.Sprintf("fast_path=%t", fast), func(t *testing.T) {
			alone(t)
			test(t, fast)
		})
	}
}

// alone keeps what is to be measured from running beside other tests.
func alone(t *testing.T) {
	if !fullLength(t) {
		t.Parallel()
	}
}

// fullLength reports whether the tests run at full length, to measure.
func fullLength(t *testing.T) bool {
	if os.Getenv("BEARERD_FIGURES") == "" {
		return false
	}
	needFigures(t)
	return true
}

// served is what callers got.
type served struct {
	requests, failed int
	excused          int  // failed while the machine had no time for this test
	starved          bool // it had none now and then
	longest          time.Duration
}

// keepCalling makes requests from 64 connections, with a pause after each, until stop. Each must be answered "done".
// With the race detector a failure is excused if the machine had no time for this test, at most so long after.
func (j *judged) keepCalling(pause, after time.Duration) (stop func() served) {
	ctx, cancel := context.WithCancel(j.t.Context())
	var wg sync.WaitGroup
	var mu sync.Mutex
	var got served
	pulse, began := startPulse(j.t), time.Now()
	call := func() {
		start := time.Now()
		status, body, err := j.caller.post(context.WithoutCancel(ctx))
		took := time.Since(start)
		mu.Lock()
		defer mu.Unlock()
		got.requests++
		got.longest = max(got.longest, took)
		switch {
		case err == nil && status == http.StatusOK && body == "done":
		case raceEnabled && pulse.since(start.Add(-after)):
			got.excused++
		default:
			if got.failed++; got.failed <= 5 {
				j.t.Logf("a request failed after %s: %d %s %v", took, status, body, err)
			}
		}
	}
	for range 64 {
		wg.Go(func() {
			tick := time.NewTicker(pause)
			defer tick.Stop()
			for ctx.Err() == nil {
				call()
				select {
				case <-ctx.Done():
				case <-tick.C:
				}
			}
		})
	}
	stop = sync.OnceValue(func() served {
		cancel()
		wg.Wait()
		got.starved = pulse.since(began)
		return got
	})
	j.t.Cleanup(func() { stop() })
	return stop
}

// pulse notes when the machine had no time for this test, and so may have had none for the others: where a token lives for a second,
// a request may then be on its way for longer than that.
type pulse struct {
	mu   sync.Mutex
	late time.Time // guarded by mu: when the last beat came that was late
}

func startPulse(t testing.TB) *pulse {
	p := &pulse{}
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		for last := time.Now(); ; last = time.Now() {
			select {
			case <-tick.C:
			case <-stop:
				return
			}
			if time.Since(last) > 100*time.Millisecond {
				p.mu.Lock()
				p.late = time.Now()
				p.mu.Unlock()
			}
		}
	}()
	t.Cleanup(func() { close(stop); <-stopped })
	return p
}

// since reports whether a beat was late after a time.
func (p *pulse) since(start time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.late.After(start)
}

// used waits until upstream has taken so many tokens; each may take long.
func (j *judged) used(tokens int, each time.Duration) {
	j.t.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(30*time.Second + time.Duration(tokens)*each); ; <-tick.C {
		n, _, _ := j.judge.verdict()
		if n >= tokens || j.t.Failed() {
			return
		}
		if time.Now().After(deadline) {
			j.t.Fatalf("upstream has seen %d tokens, want %d", n, tokens)
		}
	}
}
