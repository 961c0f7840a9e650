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

// busyEnded is said when requests wait for those that a process may finish although its token has ended.
var busyEnded = relay.Reason{Code: "busy", Retry: true, Text: "its process waits for requests that are open, and then is replaced, as its token has expired"}

// shownError is an error whose text a client may read: cut, printable, without secrets.
type shownError struct {
	text  string
	cause error
}

func (e *shownError) Error() string { return e.text }
func (e *shownError) Unwrap() error { return e.cause }

// exchange tries once, until try is done, to let a fresh process take over.
func (k *Keeper) exchange(ctx, life, try context.Context, old *child) (*child, error) {
	limited, cancel := context.WithTimeout(try, relay.ReplayLimit)
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
		return k.restart(ctx, try, old, s)
	}
	c, err := k.startRelayed(ctx, s)
	if err != nil {
		return nil, err
	}
	if err = c.link.Replay(try); err == nil {
		watch, cancel := context.WithCancel(try)
		err = k.session.Switch(try, c.link, old.busy(watch))
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
		return c.shown("", err)
	case died:
		return &diedError{c.code}
	case errors.Is(err, context.DeadlineExceeded):
		return &shownError{fmt.Sprintf("a fresh process did not answer within %v", relay.ReplayLimit), err}
	}
	return c.shown("a fresh process cannot take over: ", err)
}

func (c *child) shown(what string, err error) error {
	return &shownError{fmt.Sprintf("%s%.500s", what, c.launch.Mask(printable([]byte(err.Error())))), err}
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
	if c.dropped() {
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
	select {
	case <-old.link.Read(): // it has ended by itself: attend says so
	default:
		old.link.Fail(tokenEnded)
	}
	old.stop()
}

// limit is how long old may answer what is open. Zero: as long as it takes.
func (c *child) limit(wait bool) time.Time {
	switch {
	case wait || c.token == nil:
		return time.Time{}
	case c.dropped():
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
func (k *Keeper) restart(ctx, try context.Context, old *child, s *Spawned) (*child, error) {
	limited, cancel := context.WithCancel(try)
	defer cancel()
	if end := old.limit(s.Server.OnRotateBusy == "wait"); !end.IsZero() {
		limited, cancel = context.WithDeadline(try, end)
		defer cancel()
	}
	if err := k.park(limited); err != nil && try.Err() == nil {
		old.link.Fail(tokenEnded)
	}
	old.stop()
	<-old.over
	c, err := k.startRelayed(ctx, s)
	if err != nil {
		return nil, err
	}
	c.link.Bare()
	if err := k.session.Switch(try, c.link, nil); err != nil {
		return nil, c.giveUp(err)
	}
	return c, nil
}

// park waits until no request is open. Those that wait meanwhile, as the token has ended, are refused in time.
func (k *Keeper) park(ctx context.Context) error {
	for {
		limited, cancel := context.WithTimeout(ctx, relay.ReplayLimit)
		err := k.session.Park(limited)
		cancel()
		if err == nil || ctx.Err() != nil {
			return err
		}
		k.session.Refuse(busyEnded)
	}
}
