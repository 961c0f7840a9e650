package stdio

import (
	"context"
	"math/rand/v2"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"bearerd/config"
	"bearerd/engine"
	"bearerd/inject/relay"
)

// child is one process as its keeper sees it.
type child struct {
	server  *config.Server
	launch  *Launch
	token   *engine.Token
	process *Process
	started time.Time

	// With a relay:
	link     *relay.Link
	in, out  *os.File // the keeper's ends of its stdin and stdout
	halt     sync.Once
	stopping chan struct{} // closed when it is not wanted any more
	due      chan struct{} // closed when another one with a newer token should take its place
	over     chan struct{} // closed when nothing of it is left
	code     int           // its exit code, once it is over
}

// start starts a process that has the client's pipes.
func (k *Keeper) start(s *Spawned) (*child, error) {
	return k.startOn(s, k.In, k.Out)
}

func (k *Keeper) startOn(s *Spawned, in, out *os.File) (*child, error) {
	p, err := Start(s.Server, s.Launch, Files{In: in, Out: out, Err: k.Err}, k.Umask)
	if err != nil {
		_ = s.Launch.Close()
		return nil, err
	}
	c := &child{
		server: s.Server, launch: s.Launch, token: s.Token, process: p, started: time.Now(),
		stopping: make(chan struct{}), due: make(chan struct{}), over: make(chan struct{}),
	}
	k.Log.Debug("started", "server", k.Name, "pid", p.PID())
	k.mu.Lock()
	defer k.mu.Unlock()
	k.children[c] = true
	return c, nil
}

// forget removes what was kept for a process that has ended.
func (k *Keeper) forget(c *child) {
	k.mu.Lock()
	delete(k.children, c)
	k.mu.Unlock()
	_ = c.launch.Close()
}

// startRelayed starts a process behind the relay. Once ctx is done it is stopped in a hurry.
func (k *Keeper) startRelayed(ctx context.Context, s *Spawned) (*child, error) {
	inR, inW, err := os.Pipe()
	if err != nil {
		_ = s.Launch.Close()
		return nil, err
	}
	outR, outW, err := os.Pipe()
	if err != nil {
		_, _, _ = inR.Close(), inW.Close(), s.Launch.Close()
		return nil, err
	}
	c, err := k.startOn(s, inR, outW)
	_, _ = inR.Close(), outW.Close() // the process has its own
	if err != nil {
		_, _ = inW.Close(), outR.Close()
		return nil, err
	}
	c.in, c.out = inW, outR
	c.link = k.session.Attach(inW, outR, c.process.Stray)
	k.tasks.Go(func() { k.attend(ctx, c) })
	k.tasks.Go(func() { k.watchToken(c) })
	return c, nil
}

// stop begins the end of a process; over is closed when it is done.
func (c *child) stop() { c.halt.Do(func() { close(c.stopping) }) }

// attend waits for the end of a process, or brings it about.
func (k *Keeper) attend(ctx context.Context, c *child) {
	defer close(c.over)
	select {
	case <-c.process.Exited():
	case <-c.link.Read(): // without stdout it cannot serve
		c.link.Fail(hasEnded)
		_ = c.in.Close()
		c.process.Stop(ctx)
	case <-c.stopping:
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
	c.link.Fail(hasEnded)
	<-ended
	k.forget(c)
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

// readable reports whether there is something to read.
func readable(f *os.File) (yes bool) {
	conn, err := f.SyscallConn()
	if err != nil {
		return false
	}
	_ = conn.Control(func(fd uintptr) {
		fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		n, err := unix.Poll(fds, 0)
		yes = err == nil && n > 0 && fds[0].Revents&unix.POLLIN != 0
	})
	return yes
}

// watchToken closes due when a newer token has taken the place of the one that the process holds, and that nears its end,
// or has ended, or must not be used any more. From its end on, requests are held.
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
		if !t.Dropped() {
			select {
			case <-until(ctx, ripe(t)):
			case <-ctx.Done():
				return
			}
		}
	case <-end:
	case <-ctx.Done():
		return
	}
	close(c.due)
	if !t.Dropped() {
		select {
		case <-end:
		case <-ctx.Done():
			return
		}
	}
	k.session.Hold(c.link)
}

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
