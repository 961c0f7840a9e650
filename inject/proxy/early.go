package proxy

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"time"

	"bearerd/engine"
)

// early is what has become of a request of the fast path that net/http's half is given, with the connection: where upstream has
// answered, and that is no common answer, it goes on from there instead of sending the request once more.
type early struct {
	route  *route // nil: the request was not sent
	client string // who has sent the request: it is not asked again
	token  *engine.Token
	resp   *http.Response // its body ends with the connection to upstream
	err    error
}

// unsent is a request that net/http is given as it came.
func unsent() *early { return &early{} }

// readEarly reads an answer that has begun with said. It owns upstream.
func (rt *route) readEarly(client string, token *engine.Token, method string, said []byte, upstream net.Conn) *early {
	start, e := time.Now(), &early{route: rt, client: client, token: token}
	head := &io.LimitedReader{R: io.MultiReader(bytes.NewReader(bytes.Clone(said)), upstream), N: int64(rt.limits.MaxAnswerHead)}
	r := bufio.NewReader(head)
	for e.resp == nil || informational(e.resp.StatusCode) {
		if e.resp, e.err = http.ReadResponse(r, &http.Request{Method: method}); e.err != nil {
			_ = upstream.Close()
			if head.N <= 0 {
				e.err = errAnswerHead
			}
			return rt.earlyError(client, token, start, e.err)
		}
	}
	head.N = 1 << 62 // of the body there may be any number
	delete(e.resp.Header, ReasonHeader)
	e.resp.Body = &earlyBody{ReadCloser: e.resp.Body, upstream: upstream}
	return e
}

// informational reports whether another answer follows (RFC 9110 §15.2).
func informational(status int) bool {
	return status >= http.StatusContinue && status < http.StatusOK && status != http.StatusSwitchingProtocols
}

// earlyError is a request that upstream did not answer.
func (rt *route) earlyError(client string, token *engine.Token, start time.Time, err error) *early {
	return &early{route: rt, client: client, token: token, err: rt.unanswered(start, err)}
}

func (e *early) close() {
	if e.resp != nil {
		_ = e.resp.Body.Close()
	}
}

type earlyKey struct{}

// in is a context in which earlyOf finds e, whose answer ends when that does.
func (e *early) in(ctx context.Context) context.Context {
	if e.resp != nil {
		body := e.resp.Body.(*earlyBody)
		body.stop = context.AfterFunc(ctx, func() { _ = body.upstream.Close() })
	}
	return context.WithValue(ctx, earlyKey{}, e)
}

// earlyOf is what has come of a request that the fast path has sent; nil: it has not.
func earlyOf(ctx context.Context) *early {
	e, _ := ctx.Value(earlyKey{}).(*early)
	return e
}

type earlyBody struct {
	io.ReadCloser
	upstream net.Conn
	stop     func() bool // nil: it ends with nothing but its end
}

func (b *earlyBody) Close() error {
	if b.stop != nil {
		b.stop()
	}
	return b.upstream.Close() // not read first: it may never come
}
