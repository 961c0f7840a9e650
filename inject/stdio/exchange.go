package stdio

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"bearerd/engine"
	"bearerd/inject/relay"
)

const (
	lastGrace  = 2 * time.Second  // for requests that are open when a token has ended
	unhurried  = time.Minute      // how long an exchange waits for a quiet moment when no token ends
	mostSplay  = 30 * time.Second // between the exchanges of many clients' processes
	mostMargin = 10 * time.Second // before the end of a token: new requests go to the next process
)

var (
	hasEnded   = relay.Reason{Code: "server_ended", Text: "its process has ended before it answered; the session goes on, it is safe to send the request again"}
	tokenEnded = relay.Reason{Code: "token_expired", Text: "its process was replaced, as its token had expired before it answered; the session goes on, it is safe to send the request again"}
)

// errStopped is why no process takes the place of another: the client has gone.
var errStopped = errors.New("the client has gone")

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
			c.stop()
			k.each(func(c *child) { c.stop() })
			<-c.over
			if errors.Is(err, errStopped) {
				err = nil
			}
			return c.exitCode(err), err
		}
		c = next
	}
}

func (c *child) exitCode(err error) int {
	if err != nil {
		return 1
	}
	return c.code
}

// next waits until another process is to take the place of c, and gives it. nil: the end.
func (k *Keeper) next(ctx, life context.Context, c *child) (*child, error) {
	calm := time.NewTimer(time.Until(k.pauses.up.Add(steady)))
	defer calm.Stop()
	for {
		select {
		case <-life.Done():
			return nil, errStopped
		case <-calm.C:
			k.pauses.reset()
			k.report(Trouble{})
		case <-c.due:
			return k.replace(ctx, life, c)
		case <-k.changed:
			return k.replace(ctx, life, c)
		case <-c.over:
			if !c.server.Restarts(c.code != 0, k.session.Answered()) || life.Err() != nil {
				return nil, errStopped
			}
			trouble := k.pauses.ended(c.code)
			k.Log.Warn("the server has ended by itself and is started again", "server", k.Name, "exit_code", c.code, "times", trouble.Ended)
			k.say(trouble)
			if !pause(life, trouble.Next, k.changed) {
				return nil, errStopped
			}
			return k.replace(ctx, life, c)
		}
	}
}

// say tells of trouble where it is looked for: in status, and in the answers to requests that would wait too long.
func (k *Keeper) say(t Trouble) {
	k.report(t)
	if !t.held {
		k.session.Refuse(relay.Reason{Code: t.State, Text: fmt.Sprintf("%s; the next attempt is at %s",
			t.Reason, t.Next.Format(time.TimeOnly))})
	}
}

// replace gives the process that has taken the place of old. It goes on trying until there is one, or the client has gone.
func (k *Keeper) replace(ctx, life context.Context, old *child) (*child, error) {
	for {
		next, err := k.exchange(ctx, life, old)
		switch {
		case err == nil:
			k.replaced(next)
			return next, nil
		case life.Err() != nil:
			return nil, errStopped
		case errors.Is(err, relay.ErrChanged):
			if k.lastOut(life, old, err) {
				return nil, fmt.Errorf("server %q: %w: its client must begin a new session", k.Name, err)
			}
			continue
		}
		trouble := k.failed(err)
		k.Log.Warn("no process can take over", "server", k.Name, "error", err, "next", trouble.Next)
		k.say(trouble)
		if !pause(life, trouble.Next, k.changed) {
			return nil, errStopped
		}
	}
}

// replaced notes that a process has taken over.
func (k *Keeper) replaced(c *child) {
	k.pauses.serves()
	if k.pauses.ends < loopOf { // else it is looked at first whether it stays
		k.report(Trouble{})
	}
	if c.spent() {
		k.Log.Warn("the token had ended before the process was ready: it lives shorter than the start takes", "server", k.Name)
		k.session.Hold(c.link)
	}
}

// lastOut waits until old can serve no longer, as what would take its place offers less. false: it is worth another try, or
// the client has gone.
func (k *Keeper) lastOut(life context.Context, old *child, why error) bool {
	if old.spent() {
		return true
	}
	k.Log.Error("a fresh process offers less than the client was promised: it does not take over", "server", k.Name, "error", why)
	k.report(Trouble{State: "not_started", Reason: k.plain(why).Error(), Next: time.Now().Add(unhurried)})
	watch, cancel := context.WithCancel(life)
	defer cancel()
	var end <-chan struct{}
	if old.token != nil {
		end = until(watch, old.token.Expires)
	}
	select {
	case <-end:
		return true
	case <-old.over:
		return true
	case <-k.changed:
	case <-life.Done():
	}
	return false
}

// exchange tries once to let a fresh process take over.
func (k *Keeper) exchange(ctx, life context.Context, old *child) (*child, error) {
	limited, cancel := context.WithTimeout(life, relay.ReplayLimit)
	s, err := k.Spawn(limited)
	cancel()
	if err != nil {
		return nil, err
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
		c.stop()
		<-c.over
		return nil, c.whyNot(err)
	}
	k.tasks.Go(func() { k.retire(life, old, s.Server.OnRotateBusy == "wait") })
	return c, nil
}

// whyNot says why a process, which has ended, did not take over. What the process said may hold its secrets.
func (c *child) whyNot(err error) error {
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("a fresh process did not answer within %v", relay.ReplayLimit)
	case errors.Is(err, relay.ErrChanged):
		return err
	}
	return fmt.Errorf("a fresh process cannot take over: %.500s (exit code %d)", c.launch.Mask(printable([]byte(err.Error()))), c.code)
}

// busy is closed when a client that always has a request open is to be helped: shortly before the end of the token, and soon
// when none ends.
func (c *child) busy(ctx context.Context) <-chan struct{} {
	wait := unhurried
	if c.token != nil && !c.token.Expires.IsZero() {
		left := time.Until(c.token.Expires.Round(0))
		left -= min(mostMargin, left/4)
		select {
		case <-c.due:
			wait = left
		default:
			wait = min(wait, left)
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
		c.stop()
		<-c.over
		return nil, c.whyNot(err)
	}
	return c, nil
}

// failed notes that no process could be started.
func (k *Keeper) failed(err error) Trouble {
	_, noToken := errors.AsType[*engine.Error](err)
	return k.pauses.failed(k.plain(err), noToken)
}

// plain is an error as a client may read it.
func (k *Keeper) plain(err error) error {
	if failed, ok := errors.AsType[*engine.Error](err); ok {
		return fmt.Errorf("there is no token: %s; %s", failed.Reason, failed.Remedy)
	}
	return errors.New(strings.TrimPrefix(err.Error(), fmt.Sprintf("server %q: ", k.Name)))
}
