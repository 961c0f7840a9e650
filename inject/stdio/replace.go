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

// next waits until another process is to take the place of c, and gives it. nil: the end, with an error if the session cannot go
// on.
func (k *Keeper) next(ctx, life context.Context, c *child) (*child, error) {
	why := ""
	calm := time.NewTimer(time.Until(k.pauses.up.Add(steady)))
	defer calm.Stop()
	for why == "" {
		select {
		case <-life.Done():
			return nil, nil
		case <-calm.C:
			k.pauses.reset()
			k.report(Trouble{})
		case <-c.over:
			why = "the one before has ended"
		case <-c.due:
			why = "the token of the one before nears its end"
		case <-k.changed:
			why = "the settings have changed"
		}
	}
	if !c.isOver() {
		return k.replace(ctx, life, c, why)
	}
	if c.final || life.Err() != nil {
		return nil, nil
	}
	trouble := k.pauses.ended(c.code)
	if c.fault != nil {
		trouble.Reason = fmt.Sprintf("it was stopped: %v", c.fault)
	}
	k.Log.Warn("the server has ended by itself and is started again", "server", k.Name, "exit_code", c.code, "times", trouble.Ended)
	k.say(trouble)
	if !pause(life, trouble.Next, k.changed, nil) {
		return nil, nil
	}
	return k.replace(ctx, life, c, "the one before has ended")
}

// say tells of trouble where it is looked for: in status, and in the answers to requests that would wait too long.
func (k *Keeper) say(t Trouble) {
	if !t.held {
		k.session.Refuse(relay.Reason{Code: t.State, Retry: true, Text: t.Reason, Next: t.Next})
	}
	if k.session.Serves() {
		t.Reason += "; the process before it serves on"
	}
	k.report(t)
}

// replace gives the process that has taken the place of old. It goes on trying until there is one; nil: the client has gone, or
// old has ended and none is to take its place.
func (k *Keeper) replace(ctx, life context.Context, old *child, why string) (*child, error) {
	try, cancel := context.WithCancel(life)
	defer cancel()
	k.tasks.Go(func() {
		select {
		case <-old.over:
			if old.final {
				cancel()
			}
		case <-try.Done():
		}
	})
	for {
		begun := time.Now()
		next, err := k.exchange(ctx, life, try, old)
		switch {
		case err == nil:
			k.Log.Info("a fresh process has taken over", "server", k.Name, "why", why, "after", time.Since(begun).Round(time.Millisecond))
			k.replaced(next)
			return next, nil
		case try.Err() != nil:
			return nil, nil
		case errors.Is(err, relay.ErrChanged):
			if k.lastOut(try, old, err) {
				return nil, fmt.Errorf("server %q: %w: its client must begin a new session", k.Name, err)
			}
			continue
		}
		trouble := k.failed(err)
		k.Log.Warn("no fresh process can take over", "server", k.Name, "error", err, "next", trouble.Next)
		k.say(trouble)
		var due <-chan struct{} // then there is a reason to try again that was none before
		if !old.isDue() {
			due = old.due
		}
		if !pause(try, trouble.Next, k.changed, due) {
			return nil, nil
		}
	}
}

// replaced notes that a process has taken over.
func (k *Keeper) replaced(c *child) {
	k.pauses.serves()
	if k.pauses.ends < loopOf { // else it is looked at first whether it stays
		k.report(Trouble{})
	}
	if spent(c.token) {
		k.Log.Warn("the token had ended before the process was ready: it lives shorter than the start takes", "server", k.Name)
		k.session.Hold(c.link)
	}
}

// lastOut waits until old can serve no longer, as what would take its place offers less. false: it is worth another try, or
// the client has gone.
func (k *Keeper) lastOut(try context.Context, old *child, why error) bool {
	if spent(old.token) || old.dropped() || old.isOver() {
		return true
	}
	k.Log.Error("a fresh process offers less than the client was promised: it does not take over", "server", k.Name, "error", why)
	k.report(Trouble{State: "not_started", Reason: k.plain(why).Error(), Next: time.Now().Add(unhurried)})
	watch, cancel := context.WithCancel(try)
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
	case <-try.Done():
	}
	return false
}

// failed notes that no process could be started.
func (k *Keeper) failed(err error) Trouble {
	if died, ok := errors.AsType[*diedError](err); ok {
		return k.pauses.ended(died.code)
	}
	_, noToken := errors.AsType[*engine.Error](err)
	t := k.pauses.failed(k.plain(err), noToken)
	if errors.Is(err, errStale) {
		t.State = "no_token"
	}
	if errors.Is(err, context.DeadlineExceeded) {
		t.held = false // what waits has waited for as long as a client does
	}
	return t
}

// plain is an error as a client may read it.
func (k *Keeper) plain(err error) error {
	if failed, ok := errors.AsType[*engine.Error](err); ok {
		return fmt.Errorf("there is no token: %s; %s", failed.Reason, failed.Remedy)
	}
	return errors.New(strings.TrimPrefix(err.Error(), fmt.Sprintf("server %q: ", k.Name)))
}

// farewell tells of a process that has ended by itself and is not started again.
func (k *Keeper) farewell(c *child) {
	switch {
	case c.server.OnRotate == "signal" && c.code == 128+int(Signals[c.server.Signal]):
		k.Log.Error("the server was ended by the signal that tells it of a new token: let it handle the signal, or choose another on_rotate",
			"server", k.Name, "signal", c.server.Signal)
	case c.code != 0:
		k.Log.Warn("the server has ended by itself", "server", k.Name, "exit_code", c.code)
	}
}
