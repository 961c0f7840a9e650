package stdio

import (
	"context"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"bearerd/config"
	"bearerd/engine"
	"bearerd/inject/relay"
)

// child is one process as its keeper sees it.
type child struct {
	server  *config.Server
	launch  *Launch
	token   *engine.Token
	source  *engine.Source
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
	fault    error         // why it was stopped although it was wanted, once it is over; nil: it was not
	final    bool          // it has ended by itself and no other takes its place, once it is over
	revoked  atomic.Bool   // a token that came after its own was dropped
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
		server: s.Server, launch: s.Launch, token: s.Token, source: s.Source, process: p, started: time.Now(),
		stopping: make(chan struct{}), due: make(chan struct{}), over: make(chan struct{}),
	}
	k.Log.Debug("started", "server", k.Name, "pid", p.PID())
	k.mu.Lock()
	defer k.mu.Unlock()
	k.children[c] = true
	c.launch.hide(k.later)
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
	if c.token != nil {
		k.session.Until(c.link, c.token.Expires)
	}
	k.tasks.Go(func() { k.attend(ctx, c) })
	k.tasks.Go(func() { k.watchToken(c) })
	return c, nil
}

// stop begins the end of a process; over is closed when it is done.
func (c *child) stop() { c.halt.Do(func() { close(c.stopping) }) }
