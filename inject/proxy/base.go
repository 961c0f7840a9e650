package proxy

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"sync"

	"bearerd/config"
)

// base is net/http's half of a front: it serves the connections that are put into it, with any request that HTTP knows.
type base struct {
	server *http.Server
	inbox  *inbox
	served sync.WaitGroup
}

func newBase(h http.Handler, limits *config.Limits, log *slog.Logger) *base {
	b := &base{inbox: &inbox{conns: make(chan net.Conn), done: make(chan struct{})}}
	b.server = &http.Server{
		Handler:           h,
		ReadHeaderTimeout: limits.HeadTimeout,
		IdleTimeout:       limits.IdleTimeout,
		MaxHeaderBytes:    limits.MaxHeadBytes,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
		Protocols:         &http.Protocols{},
		ConnContext:       attached,
		ConnState:         noteState,
	}
	b.server.Protocols.SetHTTP1(true)
	b.server.Protocols.SetUnencryptedHTTP2(true)
	b.served.Go(func() { _ = b.server.Serve(b.inbox) }) // it always ends with the error of being closed
	return b
}

// attached is the context of the requests on a connection. It ends with that: net/http does not see the end of one behind a
// request that came too early.
func attached(ctx context.Context, raw net.Conn) context.Context {
	ctx, cut := context.WithCancel(context.WithValue(ctx, connKey{}, raw))
	c := raw.(*conn)
	c.cut.Store(func() { cut() })
	if c.closed.Load() { // before there was anything to cut
		cut()
	}
	return ctx
}

func noteState(c net.Conn, state http.ConnState) {
	if c, ok := c.(*conn); ok && (state == http.StateActive || state == http.StateIdle) {
		c.rests(state == http.StateIdle)
	}
}

// put leaves a connection to net/http, unless it takes none any more.
func (b *base) put(c *conn) bool {
	c.base = b
	select {
	case b.inbox.conns <- c:
		return true
	case <-b.inbox.done:
		return false
	}
}

// close lets requests in flight finish until ctx ends, then cuts them.
func (b *base) close(ctx context.Context) {
	if b.server.Shutdown(ctx) != nil {
		_ = b.server.Close()
	}
	b.served.Wait()
}

// inbox is a listener of connections that somebody else has accepted.
type inbox struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func (in *inbox) Accept() (net.Conn, error) {
	select {
	case c := <-in.conns:
		return c, nil
	case <-in.done:
		return nil, net.ErrClosed
	}
}

func (in *inbox) Close() error {
	in.once.Do(func() { close(in.done) })
	return nil
}

func (in *inbox) Addr() net.Addr { return &net.UnixAddr{Net: "unix", Name: "inbox"} }
