package proxy

import (
	"context"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"bearerd/inject/peer"
	"bearerd/secrets"
)

// conn is a connection of a caller. It counts against max_connections until it is closed.
//
// It must not embed a *net.TCPConn: io.Copy would read around pending.
type conn struct {
	net.Conn
	peer    *peer.User // of a unix socket; nil: not known
	front   *front
	base    *base                          // that has it; nil: the fast path
	pending []byte                         // read already: net/http reads it first
	early   atomic.Pointer[early]          // what has become of the request in pending; nil: there may be none
	idle    atomic.Int64                   // since when, in Unix nanoseconds, below 0 before its first request; 0: a request is under way
	writing atomic.Int64                   // since when a piece of an answer is written, in Unix nanoseconds; 0: none is
	fast    atomic.Bool                    // it is not net/http's
	cut     atomic.Value                   // a func(), called when it is closed: ends what is under way for it
	blind   atomic.Bool                    // of the fast path, see watch
	root    atomic.Pointer[secrets.Secret] // of the key that its last request has shown; nil: none was asked for
	closed  atomic.Bool
	once    sync.Once
}

func (c *conn) Read(p []byte) (int, error) {
	if len(c.pending) > 0 {
		n := copy(p, c.pending)
		if c.pending = c.pending[n:]; len(c.pending) == 0 {
			c.pending = nil
		}
		return n, nil
	}
	return c.Conn.Read(p)
}

// Write ends with an error when the caller does not read: see overdue.
func (c *conn) Write(p []byte) (int, error) {
	c.writing.Store(time.Now().UnixNano())
	defer c.writing.Store(0)
	return c.Conn.Write(p)
}

// overdue reports whether the connection has lasted for too long: while its caller takes nothing of an answer, or between two
// requests.
func (c *conn) overdue(now time.Time) bool {
	limits, writing, idle := c.front.limits.Load(), c.writing.Load(), c.idle.Load()
	switch {
	case writing != 0:
		return now.UnixNano()-writing > int64(limits.WriteTimeout)
	case idle == 0:
		return false
	case idle < 0:
		return now.UnixNano()+idle > int64(limits.HeadTimeout)
	}
	return now.UnixNano()-idle > int64(limits.IdleTimeout)
}

// lost reports whether a request is under way that a key has opened which a rotation has made worthless.
func (c *conn) lost(keys Keys) bool {
	root := c.root.Load()
	return root != nil && c.idle.Load() == 0 && keys.cuts(root)
}

func (c *conn) Close() error {
	err := net.ErrClosed
	c.once.Do(func() {
		c.closed.Store(true)
		c.front.conns.leave(c)
		err = c.Conn.Close() // first, so that no answer is made up for what is cut
		if cut, ok := c.cut.Load().(func()); ok {
			cut()
		}
		if e := c.takeEarly(); e != nil {
			e.close()
		}
	})
	return err
}

// owe notes what has become of the request that net/http reads next; nil: there may be none.
func (c *conn) owe(e *early) {
	if e != nil {
		c.front.owed.Add(1)
		c.early.Store(e)
	}
}

// takeEarly is what has become of the request that net/http has read; nil: it was read by net/http alone.
func (c *conn) takeEarly() *early {
	e := c.early.Swap(nil)
	if e != nil {
		c.front.owed.Done()
	}
	return e
}

// CloseWrite lets net/http end an answer to a request that it did not read to its end.
func (c *conn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}

// rests notes that the connection waits for a request, or that one is under way.
func (c *conn) rests(idle bool) {
	if idle {
		c.root.Store(nil) // before the next request shows its own
		c.idle.Store(time.Now().UnixNano())
	} else {
		c.idle.Store(0)
	}
}

type connKey struct{}

// connOf is the connection that a request came on; nil: none of a front.
func connOf(ctx context.Context) *conn {
	c, _ := ctx.Value(connKey{}).(*conn)
	return c
}

// conns are the open connections of all fronts.
type conns struct {
	keys    Keys
	lookout lookout
	busy    atomic.Int64 // requests that the fast path has under way

	mu    sync.Mutex
	open  map[*conn]struct{}
	timer *time.Timer // guarded by mu: of the next sweep; it runs while there are connections
}

// enter takes a connection in. When there are most already, the one that has been idle the longest is closed for it; false:
// none is idle.
func (cs *conns) enter(c *conn, most int) bool {
	c.idle.Store(-time.Now().UnixNano())
	cs.mu.Lock()
	var oldest *conn
	if len(cs.open) >= most {
		if oldest = cs.oldest(); oldest == nil {
			cs.mu.Unlock()
			return false
		}
		delete(cs.open, oldest)
	}
	if cs.open[c] = struct{}{}; cs.timer == nil {
		cs.timer = time.AfterFunc(sweepEvery, cs.sweep)
	} else if len(cs.open) == 1 {
		cs.timer.Reset(sweepEvery)
	}
	cs.mu.Unlock()
	if oldest != nil {
		_ = oldest.Close() // whoever serves it finds that out
	}
	return true
}

func (cs *conns) oldest() (found *conn) {
	var since int64
	for c := range cs.open {
		if idle := max(c.idle.Load(), -c.idle.Load()); idle != 0 && (found == nil || idle < since) {
			found, since = c, idle
		}
	}
	return found
}

func (cs *conns) leave(c *conn) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	if delete(cs.open, c); len(cs.open) == 0 {
		cs.timer.Stop()
	}
}

// sweepEvery is how exact the limits of time are that sweep holds.
const sweepEvery = 500 * time.Millisecond

// sweep cuts the connections that are overdue, those with a request or stream whose key is not taken any more, and those whose
// caller has left where net/http does not see it: behind a request that came too early. Looking at all of them now and then costs less than deadlines, which each request
// would have to move.
func (cs *conns) sweep() {
	var cut []*conn
	cs.mu.Lock()
	now := time.Now()
	for c := range cs.open {
		if c.overdue(now) || c.lost(cs.keys) || (c.blind.Load() || !c.fast.Load()) && c.idle.Load() == 0 && c.hungUp() {
			cut = append(cut, c)
		}
	}
	if len(cs.open) > 0 {
		cs.timer.Reset(sweepEvery)
	}
	cs.mu.Unlock()
	for _, c := range cut {
		_ = c.Close() // whoever serves it finds that out
	}
}

// of lists the connections of a front.
func (cs *conns) of(f *front) (list []*conn) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	for c := range cs.open {
		if c.front == f {
			list = append(list, c)
		}
	}
	return list
}

// wake ends the wait of a connection for its next request.
func (c *conn) wake() {
	if c.fast.Load() && c.idle.Load() != 0 {
		_ = c.Conn.SetReadDeadline(time.Now())
	}
}
