package stdio

import (
	"context"
	"io"
	"log/slog"
	"os"
	"sync"
	"syscall"
	"time"

	"bearerd/config"
	"bearerd/engine"
	"bearerd/inject/relay"
	"bearerd/secrets"
)

// Spawned is what a process is to be started with.
type Spawned struct {
	Server *config.Server
	Launch *Launch
	Token  *engine.Token  // the one that the process holds; nil: none, or none that ends
	Source *engine.Source // of Token; nil: what becomes of those after it is not looked at
}

// Keeper serves one client with the processes of one server, one after the other: it exchanges a process when its token
// nears its end, and starts another when one has ended by itself.
type Keeper struct {
	Name  string
	Spawn func(context.Context) (*Spawned, error) // gets the token; without one it is an error
	In    *os.File                                // the client's
	Out   *os.File
	Err   io.Writer
	Umask int
	Note  func(Trouble) // for status; the zero Trouble: all is well again
	Log   *slog.Logger

	session *relay.Session // nil: the process has the client's pipes
	changed chan struct{}  // holds one value: the settings are other ones
	pauses  pauses
	tasks   sync.WaitGroup

	mu       sync.Mutex
	children map[*child]bool  // guarded by mu: those that have not ended
	later    []secrets.Secret // guarded by mu: the last ones of Hide
}

// Trouble is why a server does not serve its client at the moment.
type Trouble struct {
	State  string    // restarting, crash_loop, not_started, no_token; "": none
	Reason string    // for people
	Ended  int       // times in a row that it has ended by itself
	Next   time.Time // the next attempt

	held bool // requests wait for it
}

// NewKeeper makes a keeper that serves this process's own streams; the exported fields may be set until Run. From now on it
// may be told of changes and signals.
func NewKeeper(name string, spawn func(context.Context) (*Spawned, error), log *slog.Logger) *Keeper {
	return &Keeper{
		Name: name, Spawn: spawn, In: os.Stdin, Out: os.Stdout, Err: os.Stderr, Umask: -1, Log: log,
		changed: make(chan struct{}, 1), children: map[*child]bool{},
	}
}

// Run serves the client until it ends, until ctx is done, or until the process has ended by itself and is not started again.
// It returns the exit code of the last process, 128+n for signal n. Without a first process there is an error.
func (k *Keeper) Run(ctx context.Context) (int, error) {
	first, err := k.Spawn(ctx)
	if err != nil {
		return 1, err
	}
	if !first.Server.Relayed() || IsTerminal(k.In) {
		return k.inherit(ctx, first)
	}
	k.session = relay.New(k.Name, k.Out, k.Log)
	return k.relay(ctx, first)
}

// Changed says that the settings or the values that a process is started with are other ones now.
func (k *Keeper) Changed() {
	select {
	case k.changed <- struct{}{}:
	default: // it is known
	}
}

// Signal passes a signal on to every process.
func (k *Keeper) Signal(sig syscall.Signal) {
	k.each(func(c *child) { c.process.Signal(sig) })
}

// SignalChild sends a signal to the process alone, not to what it has started.
func (k *Keeper) SignalChild(sig syscall.Signal) {
	k.each(func(c *child) { c.process.SignalChild(sig) })
}

// mostHidden is how many secrets of Hide are looked for: processes may still print the last few.
const mostHidden = 4

// Hide masks, in what processes print, a secret that they were not started with, such as the newest token of a token file.
func (k *Keeper) Hide(secret secrets.Secret) {
	k.mu.Lock()
	k.later = append(k.later, secret)
	k.later = k.later[max(0, len(k.later)-mostHidden):]
	k.mu.Unlock()
	k.each(func(c *child) { c.launch.hide(k.later) })
}

func (k *Keeper) each(do func(*child)) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for c := range k.children {
		do(c)
	}
}

// inherit serves with processes that have the client's own pipes.
func (k *Keeper) inherit(ctx context.Context, next *Spawned) (int, error) {
	life, end := context.WithCancel(ctx)
	defer k.tasks.Wait()
	defer end()
	k.tasks.Go(func() {
		if HungUp(life, k.In) {
			end()
		}
	})
	for {
		c, err := k.start(next)
		if err != nil {
			return 1, err
		}
		k.pauses.serves()
		if k.pauses.ends < loopOf {
			k.report(Trouble{})
		}
		k.await(life, c)
		if life.Err() != nil {
			c.process.Stop(ctx)
		}
		code := c.process.Wait()
		c.code = code
		k.forget(c)
		switch {
		case life.Err() != nil:
			return code, nil
		case !c.server.Restarts(code != 0, false):
			k.farewell(c)
			return code, nil
		}
		trouble := k.pauses.ended(code)
		k.Log.Warn("the server has ended by itself and is started again", "server", k.Name, "exit_code", code, "next", trouble.Next)
		if next = k.again(life, trouble); next == nil {
			return code, nil
		}
	}
}

// await waits until a process has ended by itself or the client has gone.
func (k *Keeper) await(life context.Context, c *child) {
	calm := time.NewTimer(time.Until(k.pauses.up.Add(steady)))
	defer calm.Stop()
	for {
		select {
		case <-c.process.Exited():
			return
		case <-life.Done():
			return
		case <-calm.C:
			k.pauses.reset()
			k.report(Trouble{})
		}
	}
}

// again gives what the next process is to be started with, once there is a token for it. nil: the client has gone.
func (k *Keeper) again(life context.Context, trouble Trouble) *Spawned {
	for {
		k.report(trouble)
		if !pause(life, trouble.Next, nil, nil) {
			return nil
		}
		next, err := k.Spawn(life)
		if err == nil {
			return next
		}
		trouble = k.failed(err)
		k.Log.Warn("the server cannot be started again", "server", k.Name, "error", err, "next", trouble.Next)
	}
}

func (k *Keeper) report(t Trouble) {
	if k.Note != nil {
		k.Note(t)
	}
}
