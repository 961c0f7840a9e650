package stdio

import (
	"context"
	"errors"
	"fmt"
	"time"

	"bearerd/inject/relay"
)

// parting is how long before its end a process may close its stdout.
const parting = 500 * time.Millisecond

// errSilent is why a process was stopped that could answer no more.
var errSilent = errors.New("its stdout was closed while it ran")

// attend waits for the end of a process, or brings it about.
func (k *Keeper) attend(ctx context.Context, c *child) {
	defer close(c.over)
	select {
	case <-c.process.Exited():
	case <-c.link.Read():
		c.fault = c.silenced()
	case <-c.stopping:
	}
	k.session.Hold(c.link)
	byItself := true
	select {
	case <-c.process.Exited():
	default:
		if byItself = c.fault != nil; byItself {
			k.Log.Warn("the server is stopped", "server", k.Name, "pid", c.process.PID(), "error", c.fault)
			k.conclude(c, 1)
		}
		c.link.Sent(hurriedDrain)
		_ = c.in.Close()
		c.process.Stop(ctx)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		c.code = c.process.Wait()
	}()
	c.drain(ctx, ended)
	_ = c.in.Close()
	<-ended
	switch {
	case !byItself:
		c.link.Fail(hasEnded)
	case c.fault == nil:
		k.conclude(c, c.code)
	case c.code == 0:
		c.code = 1
	}
	k.forget(c)
}

// conclude says what becomes of requests that are open at a process which has ended by itself, or ends as it cannot serve.
func (k *Keeper) conclude(c *child, code int) {
	if !c.server.Restarts(code != 0, k.session.Answered()) {
		c.final = c.link.End(sessionEnded("the session has ended, as its process " + c.ending() + " and is not started again"))
	}
	c.link.Fail(hasEnded)
}

func sessionEnded(text string) relay.Reason { return relay.Reason{Code: "session_ended", Text: text} }

// silenced is why a process whose stdout is not read any more cannot serve. nil: it has ended, or is wanted no longer.
func (c *child) silenced() error {
	if err := c.link.Fault(); err != nil {
		return fmt.Errorf("what it says on stdout cannot be read: %w", err)
	}
	select {
	case <-c.process.Exited():
		return nil
	case <-c.stopping:
		return nil
	case <-time.After(parting):
	}
	return errSilent
}

// ending is how a process has ended, for people.
func (c *child) ending() string {
	if c.fault != nil {
		return fmt.Sprintf("was stopped: %v,", c.fault)
	}
	return fmt.Sprintf("has ended with exit code %d", c.code)
}

// drain waits until everything that the process wrote has been passed on. A client that reads slowly has the time that it
// needs, unless ctx is done; who holds the pipe open beyond the end of the process, and writes nothing, has not.
func (c *child) drain(ctx context.Context, ended <-chan struct{}) {
	const look = 500 * time.Millisecond
	tick := time.NewTicker(look)
	defer tick.Stop()
	defer func() { _ = c.out.Close() }()
	for {
		select {
		case <-c.link.Read():
			return
		case <-tick.C:
		}
		select {
		case <-ended:
			if ctx.Err() != nil || !readable(c.out) {
				return
			}
		default:
		}
	}
}
