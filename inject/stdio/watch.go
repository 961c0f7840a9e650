package stdio

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"bearerd/engine"
)

// watchToken closes due when a newer token has taken the place of the one that the process holds, and that nears its end
// or has none, or when it has ended, or must not be used any more. From its end on, requests are held.
func (k *Keeper) watchToken(c *child) {
	t := c.token
	if t == nil {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	k.tasks.Go(func() {
		defer cancel()
		select {
		case <-c.over:
		case <-ctx.Done():
		}
	})
	end := until(ctx, t.Expires)
	select {
	case <-t.Superseded():
		if !t.Dropped() && !t.Expires.IsZero() && !k.ripens(ctx, c) {
			return
		}
	case <-end:
	case <-ctx.Done():
		return
	}
	close(c.due)
	if !c.dropped() {
		select {
		case <-end:
		case <-ctx.Done():
			return
		}
	}
	k.session.Hold(c.link)
}

// ripens waits until a process whose token was replaced should be exchanged; false: ctx is done.
func (k *Keeper) ripens(ctx context.Context, c *child) bool {
	watch, cancel := context.WithCancel(ctx)
	defer cancel()
	dropped := make(chan struct{})
	k.tasks.Go(func() {
		if c.source != nil && dropsLater(watch, c.source) {
			close(dropped)
		}
	})
	select {
	case <-until(watch, ripe(c.token)):
	case <-dropped:
		c.revoked.Store(true)
	case <-ctx.Done():
		return false
	}
	return true
}

// dropsLater waits until a newer token than one that was replaced is invalidated or revoked: that was meant for both, as
// there is one at a time. false: ctx is done, or the source has ended.
func dropsLater(ctx context.Context, source *engine.Source) bool {
	const again = 5 * time.Second
	for {
		t, err := source.Token(ctx)
		failed, _ := errors.AsType[*engine.Error](err)
		switch {
		case ctx.Err() != nil, errors.Is(err, engine.ErrGone):
			return false
		case failed != nil && failed.State == engine.Revoked:
			return true
		case err != nil:
			if !pause(ctx, time.Now().Add(again), nil, nil) {
				return false
			}
			continue
		}
		select {
		case <-t.Superseded():
			if t.Dropped() {
				return true
			}
		case <-ctx.Done():
			return false
		}
	}
}

// dropped reports whether the token of a process, or one that came after it, was invalidated or revoked.
func (c *child) dropped() bool { return c.token != nil && (c.token.Dropped() || c.revoked.Load()) }

// ripe is when a process whose token is t should be exchanged, once there is a newer one: not in the same moment for all the
// clients of one server. Zero: never.
func ripe(t *engine.Token) time.Time {
	if t.Expires.IsZero() {
		return time.Time{}
	}
	return t.Stale().Add(rand.N(min(t.Expires.Sub(t.Stale())/4, mostSplay) + 1))
}

// spent reports whether a token may not be used any more.
func spent(t *engine.Token) bool {
	return t != nil && (t.Dropped() || !t.Expires.IsZero() && !time.Now().Before(t.Expires))
}

// isDue reports whether another process with a newer token should take its place.
func (c *child) isDue() bool {
	select {
	case <-c.due:
		return true
	default:
		return false
	}
}

// isOver reports whether nothing is left of it.
func (c *child) isOver() bool {
	select {
	case <-c.over:
		return true
	default:
		return false
	}
}

// until is closed when the wall clock has reached t, also when the machine has slept meanwhile; never when t is zero, or
// after ctx is done.
func until(ctx context.Context, t time.Time) <-chan struct{} {
	if t.IsZero() {
		return nil
	}
	const look = 5 * time.Second // timers stand still while the machine sleeps
	reached := make(chan struct{})
	go func() { // ctx ends it
		for {
			left := time.Until(t.Round(0))
			if left <= 0 {
				close(reached)
				return
			}
			select {
			case <-time.After(min(left, look)):
			case <-ctx.Done():
				return
			}
		}
	}()
	return reached
}
