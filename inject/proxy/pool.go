package proxy

import (
	"context"
	"net"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	poolSize = 1024             // idle connections to one upstream
	poolAge  = 50 * time.Second // of an idle connection: below the minute after which many servers close
)

// pool keeps the idle connections of the fast path to one upstream. The one that was used last is used first, so that the
// others grow old.
type pool struct {
	dial func(ctx context.Context) (net.Conn, error)

	mu     sync.Mutex
	idle   []*pooled // guarded by mu, the oldest first
	sweep  *time.Timer
	closed bool
}

// pooled is a connection to upstream.
type pooled struct {
	net.Conn
	raw    syscall.RawConn
	look   func(fd uintptr) (done bool) // peek, made once
	since  time.Time                    // when it was put back
	age    time.Duration                // that it may reach when it is idle
	reused bool
	silent bool // as of the last look
}

// get gives a connection: one that is idle and that upstream has left open, or a new one.
func (p *pool) get(ctx context.Context) (*pooled, error) {
	for c := p.last(); c != nil; c = p.last() {
		if time.Since(c.since) < c.age && c.isSilent() {
			c.reused = true
			return c, nil
		}
		_ = c.Close()
	}
	raw, err := p.dial(ctx)
	if err != nil {
		return nil, err
	}
	c := &pooled{Conn: raw}
	c.look = c.peek
	if s, ok := raw.(syscall.Conn); ok {
		c.raw, _ = s.SyscallConn()
	}
	return c, nil
}

func (p *pool) last() *pooled {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.idle) == 0 {
		return nil
	}
	c := p.idle[len(p.idle)-1]
	p.idle[len(p.idle)-1] = nil
	p.idle = p.idle[:len(p.idle)-1]
	return c
}

// put takes back a connection on which nothing is under way, to be used until it is as old as age. One that cannot be looked at is
// not kept.
func (p *pool) put(c *pooled, age time.Duration) {
	c.age = age
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || c.raw == nil || c.age <= 0 || len(p.idle) >= poolSize {
		_ = c.Close()
		return
	}
	c.since = time.Now()
	p.idle = append(p.idle, c)
	if p.sweep == nil {
		p.sweep = time.AfterFunc(poolAge, p.rest)
	}
}

// ageOf is how old an idle connection may become, by the value of a Keep-Alive field: Node.js, for one, closes after 5 s, and a
// request that is sent at that moment is lost.
func ageOf(keepAlive []byte) time.Duration {
	for parameter := range strings.SplitSeq(string(keepAlive), ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(parameter), "=")
		if seconds, err := strconv.ParseUint(value, 10, 16); err == nil && strings.EqualFold(name, "timeout") {
			return min(poolAge, time.Duration(seconds)*time.Second-time.Second)
		}
	}
	return poolAge
}

// rest closes the connections that have been idle for too long.
func (p *pool) rest() {
	p.mu.Lock()
	defer p.mu.Unlock()
	old := 0
	for old < len(p.idle) && time.Since(p.idle[old].since) >= poolAge {
		_ = p.idle[old].Close()
		old++
	}
	p.idle = append([]*pooled(nil), p.idle[old:]...)
	p.sweep = nil
	if len(p.idle) > 0 && !p.closed {
		p.sweep = time.AfterFunc(poolAge-time.Since(p.idle[0].since), p.rest)
	}
}

// close closes what is idle; what is in use is closed when it is put back.
func (p *pool) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	for _, c := range p.idle {
		_ = c.Close()
	}
	p.idle = nil
	if p.sweep != nil {
		p.sweep.Stop()
	}
}

// glance waits for the time of some system calls: a server beside this one may have answered by then, and to sleep and be
// woken takes longer.
func (c *pooled) glance() {
	const looks = 20
	for range looks {
		if c.raw == nil || !c.isSilent() {
			return
		}
	}
}

// isSilent reports whether upstream has neither closed the connection nor said what nobody asked for.
func (c *pooled) isSilent() bool {
	return c.raw.Read(c.look) == nil && c.silent
}

// hasMore reports whether a read would not wait.
func (c *pooled) hasMore() bool { return c.raw == nil || !c.isSilent() }
