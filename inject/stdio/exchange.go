package stdio

import (
	"context"
	"errors"
	"fmt"
	"time"

	"bearerd/inject/relay"
)

const (
	lastGrace  = 2 * time.Second  // for requests that are open when a token has ended
	unhurried  = time.Minute      // how long an exchange waits for a quiet moment when no token ends
	mostSplay  = 30 * time.Second // between the exchanges of many clients' processes
	mostMargin = 10 * time.Second // before the end of a token: new requests go to the next process
)

// What is said of a request that was open: whether the process had acted on it nobody knows.
var (
	hasEnded = relay.Reason{Code: "server_ended", Text: "its process has ended before it answered. A fresh one takes its place; " +
		"if the request may have changed something, see whether it has before it is sent again"}
	tokenEnded = relay.Reason{Code: "token_expired", Retry: true, Text: "its process was replaced, as its token has expired before it answered. " +
		"It is safe to send the request again, unless it changes something and was carried out already"}
)

// errStale is why no process is started with the token that there is.
var errStale = errors.New("its token has ended, and there is no newer one yet: `bearerd status` says why")

// diedError is the error of a process that has ended by itself before it could take over.
type diedError struct{ code int }

func (e *diedError) Error() string {
	return fmt.Sprintf("a fresh process has ended with exit code %d before it could take over", e.code)
}

// relay serves with processes that a relay stands before.
func (k *Keeper) relay(ctx context.Context, first *Spawned) (int, error) {
	defer k.session.Written(ctx)
	defer k.tasks.Wait()
	life, end := context.WithCancel(ctx)
	defer end()
	go func() { // a read of stdin that blocks cannot be interrupted: it ends with stdin, or with bearerd
		_ = k.session.Serve(life, k.In) // an error is the end, too
		end()
	}()
	k.tasks.Go(func() {
		defer end()
		select {
		case <-k.session.Deaf():
		case <-life.Done():
		}
	})
	c, err := k.startRelayed(ctx, first)
	if err != nil {
		return 1, err
	}
	k.pauses.serves()
	if err := k.session.Switch(life, c.link, nil); err != nil && life.Err() == nil {
		k.Log.Debug("the first process has ended at once", "server", k.Name) // await sees it
	}
	for {
		next, err := k.next(ctx, life, c)
		if next == nil {
			if life.Err() == nil && err == nil {
				k.farewell(c)
			}
			c.stop()
			k.each(func(c *child) { c.stop() })
			<-c.over
			if err != nil {
				return 1, err
			}
			return c.code, nil
		}
		c = next
	}
}

// exchange tries once to let a fresh process take over.
func (k *Keeper) exchange(ctx, life context.Context, old *child) (*child, error) {
	limited, cancel := context.WithTimeout(life, relay.ReplayLimit)
	s, err := k.Spawn(limited)
	cancel()
	if err != nil {
		return nil, err
	}
	if s.Token != nil && (spent(s.Token) || s.Token == old.token && old.isDue()) {
		_ = s.Launch.Close()
		return nil, errStale
	}
	if s.Server.OnRotate == "restart" {
		return k.restart(ctx, life, old, s)
	}
	c, err := k.startRelayed(ctx, s)
	if err != nil {
		return nil, err
	}
	if err = c.link.Replay(life); err == nil {
		watch, cancel := context.WithCancel(life)
		err = k.session.Switch(life, c.link, old.busy(watch))
		cancel()
	}
	if err != nil {
		return nil, c.giveUp(err)
	}
	k.tasks.Go(func() { k.retire(life, old, s.Server.OnRotateBusy == "wait") })
	return c, nil
}

// giveUp ends a process that did not take over, and says why not. What the process said may hold its secrets.
func (c *child) giveUp(err error) error {
	died := errors.Is(err, relay.ErrEnded) && within(vanishing, c.process.Exited()) // by itself
	c.stop()
	<-c.over
	switch {
	case errors.Is(err, relay.ErrChanged):
		return err
	case died:
		return &diedError{c.code}
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("a fresh process did not answer within %v", relay.ReplayLimit)
	}
	return fmt.Errorf("a fresh process cannot take over: %.500s", c.launch.Mask(printable([]byte(err.Error()))))
}

// busy is closed when a client that always has a request open is to be helped: shortly before the end of the token, and soon
// when none ends.
func (c *child) busy(ctx context.Context) <-chan struct{} {
	wait := unhurried
	if c.token != nil && !c.token.Expires.IsZero() {
		left := time.Until(c.token.Expires.Round(0))
		left -= min(mostMargin, left/4)
		if wait = min(wait, left); c.isDue() {
			wait = left
		}
	}
	if c.token != nil && c.token.Dropped() {
		wait = 0 // what comes is held
	}
	return until(ctx, time.Now().Add(wait))
}

// retire lets old answer what is open, for as long as it may, and ends it.
func (k *Keeper) retire(life context.Context, old *child, wait bool) {
	ctx, cancel := context.WithCancel(life)
	defer cancel()
	if end := old.limit(wait); !end.IsZero() {
		var stop context.CancelFunc
		ctx, stop = context.WithDeadline(ctx, end)
		defer stop()
	}
	old.link.Finish(ctx)
	old.link.Fail(tokenEnded)
	old.stop()
}

// limit is how long old may answer what is open. Zero: as long as it takes.
func (c *child) limit(wait bool) time.Time {
	switch {
	case wait || c.token == nil:
		return time.Time{}
	case c.token.Dropped():
		return time.Now().Add(lastGrace)
	case c.token.Expires.IsZero():
		return time.Time{}
	}
	end := c.token.Expires.Round(0).Add(lastGrace)
	if soonest := time.Now().Add(lastGrace); end.Before(soonest) {
		return soonest
	}
	return end
}

// restart ends old before the next process starts, and replays nothing.
func (k *Keeper) restart(ctx, life context.Context, old *child, s *Spawned) (*child, error) {
	limited, cancel := context.WithCancel(life)
	defer cancel()
	if end := old.limit(s.Server.OnRotateBusy == "wait"); !end.IsZero() {
		limited, cancel = context.WithDeadline(life, end)
		defer cancel()
	}
	if err := k.session.Park(limited); err != nil && life.Err() == nil {
		old.link.Fail(tokenEnded)
	}
	old.stop()
	<-old.over
	c, err := k.startRelayed(ctx, s)
	if err != nil {
		return nil, err
	}
	c.link.Bare()
	if err := k.session.Switch(life, c.link, nil); err != nil {
		return nil, c.giveUp(err)
	}
	return c, nil
}
