package main_test

import (
	"net/http"
	"sync"
	"testing"
	"time"

	"bearerd/engine/oauth/oauthtest"
)

// callPause is the pause of each of the 64 connections after a request: at full length they leave the machine no rest.
func callPause(t *testing.T) time.Duration {
	if fullLength(t) {
		return 5 * time.Millisecond
	}
	return 80 * time.Millisecond
}

// Tokens that live for 1 or 2 s are renewed again and again under 64 connections, and no request fails. With BEARERD_FIGURES
// there are ten times as many.
func TestProxyRotations(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes half a minute")
	}
	alone(t)
	onBothPaths(t, func(t *testing.T, fast bool) {
		rotations, pause := 36, callPause(t)
		if fullLength(t) {
			rotations = 360
		}
		j := startJudged(t, fast, time.Second, oneOrTwoSeconds)
		stop := j.keepCalling(pause, 2*time.Second)
		start := time.Now()
		j.used(1+rotations, 2*time.Second)
		j.judgment(stop(), time.Since(start))
	})
}

// oneOrTwoSeconds lets three of four tokens live for a second.
func oneOrTwoSeconds(as *oauthtest.Server) oauthtest.Fault {
	var mu sync.Mutex
	issued := 0
	return func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		mu.Lock()
		defer mu.Unlock()
		life := time.Second
		if issued++; issued%4 == 0 {
			life = 2 * time.Second
		}
		as.SetLifetime(life)
		next.ServeHTTP(w, r)
	}
}

// judgment looks at what must hold after any number of renewals, and says what was measured.
func (j *judged) judgment(got served, took time.Duration) {
	j.t.Helper()
	tokens, taken, refused := j.judge.verdict()
	asked := len(j.as.RequestsTo("/token"))
	j.t.Logf("%d renewals in %s under %d requests: %d failed, %d more are excused; upstream refused %d; the longest took %s; %d token requests",
		tokens-1, took.Round(time.Second), got.requests, got.failed, got.excused, refused, got.longest.Round(time.Millisecond), asked)
	failures, refusals, excuses := 0, 0, 0
	if raceEnabled && got.starved { // a request may be on its way for longer than its token lives, be sent again, and be too late again
		failures, refusals, excuses = got.requests/100, got.requests/20, got.requests/2
	}
	if bad := got.failed + got.excused; got.failed > failures || got.excused > excuses || taken < got.requests-bad {
		j.t.Errorf("%d of %d requests failed, and %d more are excused; upstream took %d", got.failed, got.requests, got.excused, taken)
	}
	if refused > refusals {
		j.t.Errorf("upstream was shown a token that had ended %d times in %d requests", refused, got.requests)
	}
	if least := tokens * 10; got.requests < least {
		j.t.Errorf("there were only %d requests, want at least %d", got.requests, least)
	}
}

// outage is an authorization server that is away for the last quarter of each token's life. It goes a little earlier, so that
// also a renewal that comes before its time finds it gone: that may be a tenth of a quarter.
type outage struct {
	life time.Duration

	mu   sync.Mutex
	last time.Time // guarded by mu: when the last token was issued
	met  int       // guarded by mu: requests that found it away
}

func (o *outage) fault(w http.ResponseWriter, r *http.Request, next http.Handler) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if age := time.Since(o.last); age > o.life*7/10 && age < o.life {
		o.met++
		oauthtest.Reset()(w, r, next)
		return
	}
	next.ServeHTTP(w, r)
	o.last = time.Now()
}

// Each renewal finds the authorization server away until the token has ended. Callers wait then; none is turned away.
func TestProxyOutageAtEndOfEachToken(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes half a minute")
	}
	alone(t)
	onBothPaths(t, func(t *testing.T, fast bool) {
		o, rotations, pause := &outage{life: 6 * time.Second}, 4, callPause(t)
		if fullLength(t) {
			rotations = 40
		}
		j := startJudged(t, fast, o.life, func(*oauthtest.Server) oauthtest.Fault { return o.fault })
		stop := j.keepCalling(pause, o.life)
		start := time.Now()
		j.used(1+rotations, 3*o.life)
		j.judgment(stop(), time.Since(start))
		o.mu.Lock()
		defer o.mu.Unlock()
		if o.met < rotations && !raceEnabled || o.met == 0 {
			t.Errorf("only %d token requests found the authorization server away, in %d renewals", o.met, rotations)
		}
	})
}
