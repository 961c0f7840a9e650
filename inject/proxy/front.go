package proxy

import (
	"context"
	"io"
	"log/slog"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"bearerd/config"
	"bearerd/inject/peer"
)

// front is one configured address: one or two sockets and the routes behind them.
type front struct {
	address string
	sockets []net.Listener
	routes  atomic.Pointer[table]
	limits  atomic.Pointer[config.Limits]
	conns   *conns
	log     *slog.Logger
	served  sync.WaitGroup // accepting, and the connections that net/http does not have
	owed    sync.WaitGroup // the answers that net/http was left with and has not taken up yet
	ending  atomic.Bool

	base   atomic.Pointer[base]
	former []*base // those of other limits; touched by Commit and close only
}

func (p *Proxy) bind(address string) (*front, error) {
	sockets, err := Listen(address)
	if err != nil {
		return nil, err
	}
	return &front{address: address, sockets: sockets, conns: p.conns, log: p.log}, nil
}

// serve takes connections in, as the limits say. Called again, it is for other limits: those of sizes hold for new
// connections, those of time and number for all at once.
func (f *front) serve(limits *config.Limits) {
	old := f.base.Load()
	if old != nil && *f.limits.Load() == *limits {
		return
	}
	f.limits.Store(limits)
	f.base.Store(newBase(f, limits, f.log))
	if old != nil {
		f.former = append(f.former, old) // its connections end with their next answer: to close them now would lose requests on their way
		_ = old.inbox.Close()
		return
	}
	for _, s := range f.sockets {
		f.served.Go(func() { f.accept(s) })
	}
}

// put leaves a connection to net/http, under the limits that hold now.
func (f *front) put(c *conn) {
	for b := f.base.Load(); !b.put(c); {
		next := f.base.Load()
		if next == b {
			_ = c.Close() // the front has ended
			return
		}
		b = next
	}
}

const full = "HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nContent-Type: text/plain; charset=utf-8\r\n" +
	ReasonHeader + ": too_many\r\nRetry-After: 1\r\n\r\ntoo many connections: see max_connections in docs/configuration.md\n"

// accept takes connections in until the socket is closed.
func (f *front) accept(socket net.Listener) {
	const shortest, longest = 5 * time.Millisecond, time.Second
	pause := shortest
	for {
		raw, err := socket.Accept()
		if err != nil {
			if t, ok := err.(interface{ Temporary() bool }); !ok || !t.Temporary() { // net/http tells them apart by this too
				return
			}
			f.log.Warn("a connection could not be accepted", "address", f.address, "error", cause(err))
			time.Sleep(pause)
			pause = min(2*pause, longest)
			continue
		}
		pause = shortest
		c := &conn{Conn: raw, front: f}
		if isUnix(f.address) {
			c.peer, _ = peer.Of(raw) // the guard refuses one that is not known
		}
		if !f.conns.enter(c, f.limits.Load().MaxConnections) {
			_ = raw.SetWriteDeadline(time.Now().Add(time.Second))
			_, _ = io.WriteString(raw, full)
			_ = raw.Close()
			continue
		}
		f.served.Go(func() { f.attend(c) })
	}
}

// close ends the front: requests in flight may finish until ctx ends.
func (f *front) close(ctx context.Context) {
	for _, s := range f.sockets {
		_ = s.Close()
	}
	f.ending.Store(true)
	for _, c := range f.conns.of(f) {
		c.wake()
	}
	stop := context.AfterFunc(ctx, func() {
		for _, c := range f.conns.of(f) {
			_ = c.Close()
		}
	})
	defer stop()
	bases := slices.Concat(f.former, []*base{f.base.Load()})
	for _, b := range bases {
		b.server.SetKeepAlivesEnabled(false)
	}
	f.served.Wait()
	f.owed.Wait() // net/http drops a request that it reads after Shutdown
	var wg sync.WaitGroup
	for _, b := range bases {
		wg.Go(func() { b.close(ctx) })
	}
	wg.Wait()
	f.routes.Load().rest(&table{})
}
