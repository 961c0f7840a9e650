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
	"bearerd/engine/oauth"
)

// early is what upstream has answered to a request of the fast path, where that is no common answer: net/http's half is given
// the connection with the request, and goes on from there instead of sending it once more.
type early struct {
	route *route
	token *engine.Token
	resp  *http.Response // its body ends with the connection to upstream
	err   error
}

// maxInformational is how many 1xx answers may come before the answer, as in net/http.
const maxInformational = 5

// readEarly reads an answer that has begun with said. It owns upstream.
func (rt *route) readEarly(token *engine.Token, method string, said []byte, upstream net.Conn) *early {
	start, e := time.Now(), &early{route: rt, token: token}
	head := &io.LimitedReader{R: io.MultiReader(bytes.NewReader(bytes.Clone(said)), upstream), N: int64(rt.limits.MaxAnswerHead)}
	r := bufio.NewReader(head)
	for range maxInformational {
		if e.resp, e.err = http.ReadResponse(r, &http.Request{Method: method}); e.err != nil {
			_ = upstream.Close()
			return rt.earlyError(token, start, e.err)
		}
		if e.resp.StatusCode >= http.StatusOK || e.resp.StatusCode == http.StatusSwitchingProtocols {
			break
		}
	}
	head.N = 1 << 62 // of the body there may be any number
	delete(e.resp.Header, ReasonHeader)
	e.resp.Body = &earlyBody{ReadCloser: e.resp.Body, upstream: upstream}
	return e
}

// earlyError is a request that upstream did not answer.
func (rt *route) earlyError(token *engine.Token, start time.Time, err error) *early {
	return &early{route: rt, token: token, err: &unanswered{oauth.PlainError(rt.target.Host, time.Since(start), err), phaseOf(err)}}
}

func (e *early) close() {
	if e.resp != nil {
		_ = e.resp.Body.Close()
	}
}

type earlyKey struct{}

// in is a context in which begun finds e, whose answer ends when that does.
func (e *early) in(ctx context.Context) context.Context {
	if e.resp != nil {
		body := e.resp.Body.(*earlyBody)
		body.stop = context.AfterFunc(ctx, func() { _ = body.upstream.Close() })
	}
	return context.WithValue(ctx, earlyKey{}, e)
}

// begun is what has come of a request that the fast path has sent; all nil: it has not.
func begun(ctx context.Context) (*engine.Token, *http.Response, error) {
	e, _ := ctx.Value(earlyKey{}).(*early)
	if e == nil {
		return nil, nil, nil
	}
	return e.token, e.resp, e.err
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
