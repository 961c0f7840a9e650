package proxy

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"runtime"
	"runtime/debug"
	"sync"
	"time"

	"bearerd/inject/proxy/h1"
)

const (
	fastHead = 4 << 10  // bytes that are read at a time; a head that has more is not common
	fastBody = 64 << 10 // bytes of a request body; one that has more is not common

	atOnce = 100 * time.Millisecond // for the whole body, once its head is there; one that takes longer is not common
)

// lane is the fast path for one connection of a caller: it passes on one common request after the other, on connections to
// upstream that are kept open. What is not common, in a request or in its answer, makes net/http take over for good, with the
// bytes that were read. So there is nothing here that has to be right about unusual messages but telling them apart. That is
// done in four places: newQuick for a server, h1 for the form of a message, commonRequest and commonAnswer for what is in it.
//
// A request goes to upstream only when all of it is there, and never twice, but see mayRepeat: with an answer that is not common,
// or none, net/http goes on from what upstream has said.
type lane struct {
	front     *front
	conn      *conn
	watch     *watch
	in        []byte  // what the caller has sent and what was not passed on yet
	out       *[]byte // what is written next; nil between requests, as said
	said      *[]byte // what upstream has sent
	body      int     // where the body begins in said
	end       int     // of the request in in
	req       h1.Request
	tolerated int // line ends that may still come before the next request
	resp      h1.Response
}

// attend serves a connection until it ends, or until net/http has it.
func (f *front) attend(c *conn) {
	ctx, leave := context.WithCancel(context.Background()) // ends when the caller leaves
	defer leave()
	defer func() { // a fault of ours costs this connection, as it does in net/http's half
		if fault := recover(); fault != nil {
			f.log.Error("serving a connection has failed: report this", "fault", fault, "stack", string(debug.Stack()))
			_ = c.Close()
		}
	}()
	l := &lane{front: f, conn: c, watch: &watch{conn: c.Conn, leave: leave, blind: &c.blind, lookout: &f.conns.lookout, done: make(chan struct{}, 1)}, in: make([]byte, 0, fastHead)}
	c.fast.Store(true)
	c.cut.Store(l.watch.left)
	for l.next(ctx) {
	}
}

// next passes on one request; false: the connection is closed, or net/http has it.
func (l *lane) next(ctx context.Context) bool {
	head, err := l.readHead()
	if errors.Is(err, h1.ErrUncommon) {
		return l.handOver(nil)
	}
	if err != nil {
		_ = l.conn.Close() // it left, or says nothing
		return false
	}
	rt := (*l.front.routes.Load())[string(l.req.Path)]
	if rt == nil || rt.quick == nil || !l.commonRequest(rt) {
		return l.handOver(unsent())
	}
	client, why := rt.guard.refusal(l.caller())
	if why != "" {
		return l.handOver(unsent())
	}
	end := head + int(l.req.Length)
	if err := l.readBody(end); err != nil {
		return l.handOver(unsent()) // net/http waits for the rest, or learns that the caller has left
	}
	return l.pass(ctx, rt, client, head, end)
}

// pass sends the request that is l.in up to end, with its body from head on, and answers it.
func (l *lane) pass(ctx context.Context, rt *route, client string, head, end int) bool {
	start := time.Now()
	l.end = end
	l.out, l.said = scratch.Get().(*[]byte), scratch.Get().(*[]byte)
	defer l.done()
	l.watch.start()
	l.front.conns.busy.Add(1)
	upstream, early := l.exchange(ctx, rt, client, l.in[head:end])
	ok := upstream != nil && l.answer(rt, upstream)
	l.front.conns.busy.Add(-1)
	more := l.watch.stop()
	switch {
	case upstream == nil && ctx.Err() == nil:
		l.in = append(l.in, more...)
		return l.handOver(early)
	case !ok:
		if early != nil {
			early.close()
		}
		_ = l.conn.Close() // so that a truncated answer is seen as such
		return false
	}
	if rt.log.Enabled(ctx, slog.LevelDebug) {
		rt.log.Debug("proxied", "server", rt.name, "method", l.req.Method, "status", l.resp.Status, "duration", time.Since(start))
	}
	l.forget()
	l.in = append(l.in, more...)
	if l.tolerated = 0; l.req.Method == http.MethodPost {
		l.tolerated = 4
	}
	return true
}

var scratch = sync.Pool{New: func() any {
	b := make([]byte, 0, fastHead)
	return &b
}}

// done gives back what only a request needs: of idle connections there may be many.
func (l *lane) done() {
	giveBack(&l.out)
	giveBack(&l.said)
}

func giveBack(b **[]byte) {
	if *b != nil && cap(**b) <= 4*fastHead {
		**b = (**b)[:0]
		scratch.Put(*b)
	}
	*b = nil
}

// forget drops the request from l.in.
func (l *lane) forget() {
	rest := l.in[l.end:]
	l.end = 0
	if cap(l.in) > 2*fastHead { // a large body is not what the next one is like
		l.in = append(make([]byte, 0, max(fastHead, len(rest))), rest...)
		return
	}
	l.in = l.in[:copy(l.in, rest)]
}

// thin gives back what an answer that may be silent for long does not need: of such there may be many.
func (l *lane) thin() {
	if l.said == nil {
		return
	}
	giveBack(&l.said)
	if l.forget(); len(l.in) == 0 {
		l.in, l.req.Fields, l.resp.Fields = nil, nil, nil
	}
}

// readHead reads until l.in holds the head of a request, and gives its length.
func (l *lane) readHead() (int, error) {
	if cap(l.in) < fastHead {
		l.in = append(make([]byte, 0, fastHead), l.in...)
	}
	for timed := false; ; {
		l.skipLineEnds()
		if len(l.in) == 0 && l.conn.idle.Load() == 0 { // a new one has been idle since it came
			l.conn.rests(true)
		}
		if len(l.in) > 0 {
			n, err := l.req.Parse(l.in)
			if err == nil && timed {
				err = l.conn.Conn.SetReadDeadline(time.Time{})
			}
			if err == nil {
				return n, nil
			}
			if !errors.Is(err, h1.ErrIncomplete) || len(l.in) >= fastHead {
				return 0, h1.ErrUncommon
			}
		} else if l.front.ending.Load() {
			return 0, net.ErrClosed
		}
		if len(l.in) > 0 && !timed {
			timed = true
			_ = l.conn.Conn.SetReadDeadline(time.Now().Add(l.front.limits.Load().HeadTimeout))
		}
		n, err := l.conn.Conn.Read(l.in[len(l.in):fastHead])
		if err != nil {
			return 0, err
		}
		l.in = l.in[:len(l.in)+n]
		l.conn.rests(false)
	}
}

// skipLineEnds drops what old clients send behind the body of a POST, of which net/http takes as much.
func (l *lane) skipLineEnds() {
	for l.tolerated > 0 && len(l.in) > 0 && (l.in[0] == '\r' || l.in[0] == '\n') {
		l.in = l.in[:copy(l.in, l.in[1:])]
		l.tolerated--
	}
}

// readBody reads until l.in has size bytes.
func (l *lane) readBody(size int) error {
	if size > cap(l.in) {
		l.in = append(make([]byte, 0, size), l.in...)
	}
	if len(l.in) >= size {
		return nil
	}
	_ = l.conn.Conn.SetReadDeadline(time.Now().Add(atOnce))
	for len(l.in) < size {
		n, err := l.conn.Conn.Read(l.in[len(l.in):size])
		l.in = l.in[:len(l.in)+n]
		if err != nil {
			return err
		}
	}
	return l.conn.Conn.SetReadDeadline(time.Time{})
}

// handOver gives the connection to net/http, with what it has not passed on; e is what has become of the request that it begins
// with; nil: there may be none.
func (l *lane) handOver(e *early) bool {
	_ = l.conn.Conn.SetReadDeadline(time.Time{})
	l.conn.fast.Store(false)
	l.conn.pending = l.in
	l.conn.owe(e)
	l.front.put(l.conn)
	return false
}

// exchange sends a request and reads the head of its answer, with what came along, into l.said. Nil: the answer is no common
// one, and net/http goes on from it, or nothing was sent.
func (l *lane) exchange(ctx context.Context, rt *route, client string, body []byte) (*pooled, *early) {
	token, err := rt.tokenWithin(ctx)
	if err == nil {
		err = l.writeRequest(ctx, rt, token, body)
	}
	if err != nil {
		return nil, unsent() // net/http says why
	}
	rt.deliver(client, token)
	for start := time.Now(); ; {
		if ctx.Err() != nil {
			return nil, unsent() // nobody waits for the answer
		}
		upstream, err := rt.quick.pool.get(ctx)
		if err != nil {
			return nil, rt.earlyError(client, token, start, err)
		}
		l.watch.over(upstream.Conn)
		sent, err := upstream.Write(*l.out)
		*l.said = (*l.said)[:0]
		if err == nil {
			if l.front.conns.busy.Load() > 1 {
				runtime.Gosched() // the others go on, and the answer may be there at the first look
			} else {
				upstream.glance()
			}
			err = l.readAnswer(upstream.Conn)
		}
		if err == nil && l.commonAnswer() {
			rt.took(token, l.resp.Status)
			return upstream, nil
		}
		if len(*l.said) > 0 {
			e := rt.readEarly(client, token, l.req.Method, *l.said, upstream.Conn)
			l.watch.over(nil)
			return nil, e
		}
		_ = upstream.Close()
		l.watch.over(nil)
		if !l.mayRepeat(upstream, sent) {
			return nil, rt.earlyError(client, token, start, err)
		}
	}
}

// mayRepeat reports whether a request that got not one byte of an answer goes out once more. A connection that was kept may have
// been closed by upstream as the request set out; one that was made for it has no such excuse. What was not sent at all is not
// repeated; of the rest a GET alone, as net/http does it: upstream may have acted.
func (l *lane) mayRepeat(c *pooled, sent int) bool {
	return c.reused && (sent == 0 || l.req.Method == http.MethodGet)
}

// readAnswer reads until l.said holds the head of an answer. An error with something in l.said is an answer that is not common.
func (l *lane) readAnswer(upstream net.Conn) error {
	for {
		n, err := upstream.Read((*l.said)[len(*l.said):fastHead])
		*l.said = (*l.said)[:len(*l.said)+n]
		if err != nil {
			return err
		}
		l.body, err = l.resp.Parse(*l.said)
		if err == nil || !errors.Is(err, h1.ErrIncomplete) {
			return err
		}
		if len(*l.said) == fastHead {
			return h1.ErrUncommon
		}
	}
}
