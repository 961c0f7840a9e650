package engine

import (
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"bearerd/config"
	"bearerd/engine/oauth/oauthtest"
)

// refuser is an upstream whose callers do as the proxy does: they tell the source what it says, and send a request once more.
type refuser struct {
	t      *testing.T
	s      *Source
	mu     sync.Mutex
	takes  func(*Token) bool
	served int
	seen   map[*Token]time.Time // when each token came first
	order  []*Token
}

func newRefuser(t *testing.T, s *Source, takes func(*Token) bool) *refuser {
	return &refuser{t: t, s: s, takes: takes, seen: map[*Token]time.Time{}}
}

func (u *refuser) send(t *Token) bool {
	u.mu.Lock()
	if _, ok := u.seen[t]; !ok {
		u.seen[t], u.order = time.Now(), append(u.order, t)
	}
	ok := u.takes(t)
	if ok {
		u.served++
	}
	u.mu.Unlock()
	if ok {
		t.Taken()
	}
	return ok
}

var bearerChallenge = http.Header{"Www-Authenticate": {`Bearer error="invalid_token"`}}

func (u *refuser) request() error {
	t, err := u.s.TokenOrNone(u.t.Context())
	if err != nil || u.send(t) {
		return err
	}
	next, again, err := u.s.Challenged(u.t.Context(), t, http.StatusUnauthorized, bearerChallenge)
	if err != nil {
		return err
	}
	if !again {
		return errors.New("not again")
	}
	if !u.send(next) {
		u.s.Refused(next)
		return errors.New("refused again")
	}
	return nil
}

// crowd sends requests by many callers, each several times a second, for a while.
func (u *refuser) crowd(callers int, each, d time.Duration) {
	var wg sync.WaitGroup
	end := time.Now().Add(d)
	for i := range callers {
		wg.Go(func() {
			time.Sleep(time.Duration(i) * each / time.Duration(callers))
			for time.Now().Before(end) {
				_ = u.request()
				time.Sleep(each)
			}
		})
	}
	wg.Wait()
}

// gaps are the times between the first uses of one token and the next.
func (u *refuser) gaps() (gaps []time.Duration) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for i := 1; i < len(u.order); i++ {
		gaps = append(gaps, u.seen[u.order[i]].Sub(u.seen[u.order[i-1]]).Round(time.Second))
	}
	return gaps
}

// TestUpstreamThatRefusesForEver: docs/delivery.md, "When upstream refuses a token".
func TestUpstreamThatRefusesForEver(t *testing.T) {
	as := authorizationServer(t)
	as.SetLifetime(10 * time.Hour)
	synctest.Test(t, func(t *testing.T) {
		b := start(t, server(as, "a"))
		b.KeepFresh()
		u := newRefuser(t, b.source(t, "a"), func(*Token) bool { return false })
		u.crowd(20, 500*time.Millisecond, time.Hour)
		// The first is followed by another at once, the next comes 5 s later, and each of those three was refused.
		want := []time.Duration{0, 5 * time.Second, 10 * time.Second, 20 * time.Second, 40 * time.Second, 80 * time.Second, 160 * time.Second,
			320 * time.Second, 640 * time.Second, 900 * time.Second, 900 * time.Second}
		gaps := u.gaps()
		if len(gaps) != len(want) {
			t.Fatalf("the tokens came after %v, want %v", gaps, want)
		}
		for i, gap := range gaps {
			if (gap - want[i]).Abs() > time.Second {
				t.Errorf("gap %d is %v, want %v", i, gap, want[i])
			}
		}
		wantAsked(t, as, len(want)+1)
		st := u.s.Status()
		if !strings.Contains(st.Error, "refuses") || st.Remedy == "" || st.NextTry == nil || time.Until(*st.NextTry) > longestChallenge {
			t.Errorf("the status says %q, %q, next at %v", st.Error, st.Remedy, st.NextTry)
		}
		var e *Error
		if err := u.request(); !errors.As(err, &e) || !errors.Is(err, ErrNotHelped) || e.RetryAfter < time.Minute || e.Remedy == "" {
			t.Errorf("a request in the pause gets %v", err)
		}
		if n := strings.Count(b.log.String(), "upstream refuses each new token"); n != len(want)-1 {
			t.Errorf("%d lines say so in the log", n)
		}
	})
}

func TestUpstreamThatRecovers(t *testing.T) {
	as := authorizationServer(t)
	as.SetLifetime(10 * time.Hour)
	synctest.Test(t, func(t *testing.T) {
		b := start(t, server(as, "a"))
		var mu sync.Mutex
		broken, dead := true, map[*Token]bool{}
		u := newRefuser(t, b.source(t, "a"), func(tok *Token) bool {
			mu.Lock()
			defer mu.Unlock()
			return !broken && !dead[tok]
		})
		breaks := func(yes bool, tok *Token) {
			mu.Lock()
			defer mu.Unlock()
			broken = yes
			if tok != nil {
				dead[tok] = true
			}
		}
		u.crowd(5, time.Second, 6*time.Minute)
		before := asked(as, "/token")
		breaks(false, nil)
		if err := u.request(); err != nil {
			t.Fatalf("the token that it refused before is not tried: %v", err)
		}
		wantAsked(t, as, before)
		if st := u.s.Status(); st.Error != "" || st.NextTry != nil {
			t.Errorf("the status still says %q", st.Error)
		}
		time.Sleep(time.Minute)
		for range 10 { // it ends tokens that it has taken: nobody waits longer than 5 s for the next
			breaks(false, u.s.current.Load())
			if err := u.request(); err != nil {
				t.Fatalf("a token that was taken, and then ended: %v", err)
			}
			time.Sleep(challengePause)
		}
		wantAsked(t, as, before+10)
		breaks(true, nil)
		u.crowd(5, time.Second, 16*time.Second)
		wantAsked(t, as, before+10+3) // after 0, 5 and 10 s: the one that had been taken does not count
	})
}

// TestPausesOutliveAReload: an edit that hands the token over hands over what upstream made of tokens too.
func TestPausesOutliveAReloadAndEndWithAWish(t *testing.T) {
	as := authorizationServer(t)
	as.SetLifetime(10 * time.Hour)
	synctest.Test(t, func(t *testing.T) {
		one := server(as, "a")
		b := start(t, one)
		u := newRefuser(t, b.source(t, "a"), func(*Token) bool { return false })
		u.crowd(3, time.Second, 5*time.Minute)
		n := asked(as, "/token")
		edited := *one
		edited.Headers = nil
		oauthConfig := *one.OAuth
		oauthConfig.TokenExpiryBuffer = 200
		edited.OAuth = &oauthConfig
		b.Prepare(&config.Config{Servers: []*config.Server{&edited}}).Commit()
		if b.source(t, "a") != u.s {
			t.Fatal("the source was replaced")
		}
		u.crowd(3, time.Second, 10*time.Second)
		wantAsked(t, as, n)
		if _, err := u.s.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		if st := u.s.Status(); st.Error != "" {
			t.Errorf("the status still says %q", st.Error)
		}
		u.crowd(3, time.Second, 11*time.Second) // the wish, then at once and after 5 s: the third gets a pause of 10 s
		wantAsked(t, as, n+1+2)
	})
}

// TestAnOutageInThePauseIsNoWayAround: the fetch that a refusal has begun fails; who comes next must not begin others.
func TestAnOutageInThePauseIsNoWayAround(t *testing.T) {
	as := authorizationServer(t)
	as.SetLifetime(10 * time.Hour)
	synctest.Test(t, func(t *testing.T) {
		b := start(t, server(as, "a"))
		u := newRefuser(t, b.source(t, "a"), func(*Token) bool { return false })
		u.crowd(3, time.Second, time.Minute)
		n := asked(as, "/token")
		as.Fail(100, oauthtest.Answer(http.StatusServiceUnavailable, "text/plain", ""))
		u.crowd(3, time.Second, 10*time.Minute)
		if got := asked(as, "/token") - n; got > 12 {
			t.Errorf("%d token requests in 10 minutes of an outage", got)
		}
	})
}

// TestATakenTokenEndsTheRow, also if it was replaced for another reason than a refusal.
func TestATakenTokenEndsTheRow(t *testing.T) {
	as := authorizationServer(t)
	as.SetLifetime(10 * time.Hour)
	synctest.Test(t, func(t *testing.T) {
		b := start(t, server(as, "a"))
		takes := false
		u := newRefuser(t, b.source(t, "a"), func(*Token) bool { return takes })
		u.crowd(1, time.Second, time.Minute)
		takes = true
		if err := u.request(); err != nil {
			t.Fatal(err)
		}
		if err := u.s.Invalidate(t.Context()); err != nil {
			t.Fatal(err)
		}
		u.s.Refused(b.token(t, "a"))
		if n := u.s.disbelief.inRow; n != 1 {
			t.Errorf("it is the refused token number %d in a row", n)
		}
	})
}
