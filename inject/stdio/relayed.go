package stdio

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// relay serves with processes that a relay stands before.
func (k *Keeper) relay(ctx context.Context, first *Spawned) (int, error) {
	defer k.session.Written(ctx)
	defer k.tasks.Wait()
	life, end := context.WithCancelCause(ctx)
	defer end(nil)
	k.listen(life, end, first.Server.StopGrace)
	c, err := k.startRelayed(ctx, first)
	if err != nil {
		return 1, err
	}
	k.pauses.serves()
	if err := k.session.Switch(life, c.link, nil); err != nil && life.Err() == nil {
		k.Log.Debug("the first process has ended at once", "server", k.Name) // next sees it
	}
	k.tasks.Go(func() {
		<-life.Done()
		k.each(func(c *child) { c.stop() }) // all at once, also those that are being exchanged
	})
	for {
		next, err := k.next(ctx, life, c)
		if next == nil {
			return k.leave(life, c, err)
		}
		c = next
	}
}

// errGone is why a session ends that its client has ended.
var errGone = errors.New("its client has gone")

// unreadError is why a session ends whose client cannot be read on.
type unreadError struct{ error }

// listen passes on what the client says, in goroutines of its own, and calls end when there is no client any more.
func (k *Keeper) listen(life context.Context, end context.CancelCauseFunc, grace time.Duration) {
	served := make(chan struct{})
	go func() { // a read of stdin that blocks cannot be interrupted: it ends with stdin, or with bearerd
		defer close(served)
		err := k.session.Serve(life, k.In)
		if err == nil {
			end(errGone)
		} else {
			end(&unreadError{fmt.Errorf("server %q: what its client says cannot be read: %w", k.Name, err)})
		}
	}()
	k.tasks.Go(func() {
		select {
		case <-k.session.Deaf():
			end(errGone)
		case <-life.Done():
		}
	})
	k.tasks.Go(func() {
		if !HungUp(life, k.In) {
			return
		}
		select {
		case <-served: // it has got to the end
		case <-time.After(grace): // its server does not read, or there is none
		case <-life.Done():
		}
		end(errGone)
	})
}

// leave ends the session and its processes, of which c is the last that has served.
func (k *Keeper) leave(life context.Context, c *child, err error) (int, error) {
	cause := context.Cause(life)
	if unread, ok := errors.AsType[*unreadError](cause); ok && err == nil {
		err = unread
	}
	switch {
	case err != nil:
		k.session.End(sessionEnded("the session has ended: " + k.plain(err).Error()))
	case cause == nil:
		k.farewell(c)
	case cause != errGone: // what such a client has said last is still answered, if it is in time
		k.session.End(sessionEnded("the session has ended, as bearerd is being stopped"))
	}
	c.stop()
	k.each(func(c *child) { c.stop() })
	<-c.over
	if err != nil {
		return 1, err
	}
	return c.code, nil
}
