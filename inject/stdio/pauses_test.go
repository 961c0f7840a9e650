package stdio

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// about reports whether a pause is of that length, give or take a fifth.
func about(t *testing.T, what string, next time.Time, want time.Duration) {
	t.Helper()
	if got := time.Until(next); got < want*4/5 || got > want*6/5 {
		t.Errorf("%s: the pause is %v, want about %v", what, got, want)
	}
}

func TestPausesDouble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p pauses
		for i, want := range []time.Duration{1, 2, 4, 8, 16, 32, 60, 60, 60} {
			p.serves()
			time.Sleep(time.Second)
			trouble := p.ended(3)
			about(t, "an end", trouble.Next, want*time.Second)
			state, held := "restarting", true
			if i >= 2 {
				state, held = "crash_loop", false
			}
			if trouble.State != state || trouble.held != held || trouble.Ended != i+1 {
				t.Errorf("after %d ends: %+v", i+1, trouble)
			}
		}
		p.serves()
		time.Sleep(30 * time.Second)
		p.serves() // another has taken its place: the uptime counts from the first
		time.Sleep(30 * time.Second)
		trouble := p.ended(137)
		about(t, "after a minute of uptime", trouble.Next, time.Second)
		if trouble.Ended != 1 || trouble.State != "restarting" || trouble.Reason != "it has ended with exit code 137: its stderr says more" {
			t.Errorf("after a minute of uptime: %+v", trouble)
		}
		if trouble = p.ended(1); !strings.HasPrefix(trouble.Reason, "it has ended 2 times in a row, the last time with exit code 1") {
			t.Errorf("the second time: %q", trouble.Reason)
		}
		p.reset()
		about(t, "after a reset", p.ended(1).Next, time.Second)
	})
}

// An attempt that fails is no end: it makes the pauses longer. Requests wait until there were three in a row, but not for a
// token.
func TestAttemptsThatFail(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p pauses
		p.ended(1)
		for i, want := range []time.Duration{2, 4, 8, 16, 32, 60} {
			trouble := p.failed(errors.New("it does not answer"), false)
			about(t, "a failure", trouble.Next, want*time.Second)
			if trouble.State != "not_started" || trouble.Reason != "it does not answer" || trouble.Ended != 1 || trouble.held != (i < 1) {
				t.Errorf("attempt %d: %+v", i+1, trouble)
			}
		}
		p.serves()
		if trouble := p.failed(errors.New("x"), true); trouble.State != "no_token" || trouble.held {
			t.Errorf("without a token: %+v", trouble)
		}
	})
}

// Where nothing has ended, a process that serves makes the next pause short again.
func TestPausesBeginAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p pauses
		for range 5 {
			p.failed(errors.New("x"), true)
		}
		p.serves()
		about(t, "after a process that serves", p.failed(errors.New("x"), true).Next, time.Second)
	})
}

// Many clients of one server must not all come again in the same moment.
func TestPausesAreSpread(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		seen := map[time.Time]bool{}
		for range 20 {
			var p pauses
			seen[p.ended(1).Next] = true
		}
		if len(seen) < 10 {
			t.Errorf("20 pauses have %d lengths", len(seen))
		}
	})
}

func TestPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begun := time.Now()
		if !pause(t.Context(), begun.Add(time.Minute), nil, nil) || time.Since(begun) != time.Minute {
			t.Errorf("it has waited for %v", time.Since(begun))
		}
		if !pause(t.Context(), begun, nil, nil) || time.Since(begun) != time.Minute {
			t.Error("it waits for what has passed")
		}
		sooner := make(chan struct{}, 1)
		sooner <- struct{}{}
		if !pause(t.Context(), begun.Add(time.Hour), sooner, nil) || time.Since(begun) != time.Minute {
			t.Error("it waits although there is news")
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if pause(ctx, begun.Add(time.Hour), nil, nil) || time.Since(begun) != time.Minute+time.Second {
			t.Errorf("it has waited for %v", time.Since(begun))
		}
		sooner <- struct{}{}
		if pause(ctx, begun, sooner, nil) {
			t.Error("it goes on after the end")
		}
	})
}
