package bridge

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"bearerd/inject/jsonrpc"
)

// goneError says that the server has not acted, since it does not know the session any more or has another url by now.
type goneError struct {
	refusal error // what the server said; nil: it was not asked
}

func (*goneError) Error() string { return "the session is lost" }

// ownWord is a method that the server refuses, in a fresh session too, with a status that could speak of the session.
type ownWord struct {
	method string
	until  time.Time
}

// send passes a message on, in a new session if the present one is lost.
func (b *Bridge) send(run, ctx context.Context, line []byte, calls []*call) error {
	for try := 0; ; try++ {
		s := b.current()
		err := b.once(run, ctx, &s, line, calls)
		gone, lost := errors.AsType[*goneError](err)
		switch {
		case !lost:
			return err
		case gone.refusal != nil && b.itsOwn(calls, try > 0):
			return gone.refusal
		case s.turn == 0, stateless(calls): // there is no session to set up
			continue
		case try > 0 && !s.way.moved():
			return b.sayRetry(reasonSession, "has lost the session again before a message could be sent")
		}
		b.unsent(calls, true)
		err = b.renew(run, ctx, s.turn)
		if wanted := b.unsent(calls, false); err != nil || !wanted {
			return errors.Join(err, ctx.Err())
		}
	}
}

// itsOwn reports whether a refusal has nothing to do with the session: a fresh one was refused the same, now or lately.
func (b *Bridge) itsOwn(calls []*call, fresh bool) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	method := ""
	if c := only(calls); c != nil {
		method = c.method
	}
	if fresh {
		b.insists = ownWord{method, time.Now().Add(time.Minute)}
	}
	return method == b.insists.method && time.Now().Before(b.insists.until)
}

// unsent notes that calls wait for a session, or do not any more. It reports false if the client wants none of them.
func (b *Bridge) unsent(calls []*call, unsent bool) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	wanted := len(calls) == 0
	for _, c := range calls {
		wanted = wanted || !c.cancelled
		c.unsent = unsent || c.cancelled
	}
	return wanted
}

// once passes a message on in session s, and the answer back until each of calls has one.
func (b *Bridge) once(run, ctx context.Context, s *session, line []byte, calls []*call) error {
	one := only(calls)
	if stateless(calls) {
		return b.stateless(ctx, line, one)
	}
	switch {
	case s.lost():
		return &goneError{}
	case s.old != nil:
		return b.sayOld(ctx, s, line, calls)
	}
	h := s.header()
	if one != nil && one.method == methodInitialize {
		h.Del(headerSession)
	}
	inSession := h.Get(headerSession) != ""
	resp, err := b.post(ctx, s.way, s.way.url, line, h, one)
	if err != nil {
		return err
	}
	if resp.StatusCode/100 != 2 {
		err := b.refused(resp)
		_ = resp.Body.Close()
		if inSession && forgotten(resp.StatusCode, err, one) {
			return &goneError{err}
		}
		return err
	}
	b.accepted(s)
	if one != nil && one.began != nil {
		one.began(resp.Header)
	}
	if len(calls) == 0 {
		b.discard(resp)
		return nil
	}
	defer resp.Body.Close()
	return b.receive(run, ctx, resp, s, calls)
}

// discard reads the rest of an answer that says nothing, so that the connection can be used again; not for long.
func (b *Bridge) discard(resp *http.Response) {
	b.work.Go(func() {
		late := time.AfterFunc(time.Second, func() { _ = resp.Body.Close() })
		defer late.Stop()
		_, _ = io.CopyN(io.Discard, resp.Body, 64<<10)
		_ = resp.Body.Close()
	})
}

func stateless(calls []*call) bool {
	one := only(calls)
	return one != nil && one.modern != ""
}

func only(calls []*call) *call {
	if len(calls) == 1 {
		return calls[0]
	}
	return nil
}

// forgotten reports whether a refusal says that the session is not known: 404, or, as many servers answer, 400 and an error
// that speaks of it. One that answers c itself, and does not speak of it, is about c. c may be nil.
func forgotten(status int, err error, c *call) bool {
	f, _ := errors.AsType[*failure](err)
	speaks := f != nil && f.status == 0 && strings.Contains(strings.ToLower(f.message), "session")
	switch status {
	case http.StatusNotFound:
		return speaks || f == nil || c == nil || f.to != c.key
	case http.StatusBadRequest:
		return speaks
	}
	return false
}

// post sends a message. c may be nil.
func (b *Bridge) post(ctx context.Context, w *way, to *url.URL, line []byte, h http.Header, c *call) (*http.Response, error) {
	h.Set("Content-Type", "application/json")
	h.Set("Accept", "application/json, text/event-stream")
	if c != nil {
		ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{WroteRequest: func(httptrace.WroteRequestInfo) { c.sent() }})
	}
	return b.request(ctx, w, http.MethodPost, to, line, h)
}

// request makes one HTTP request. An error is ctx's, a failure, or a goneError: w was left before anything was sent.
func (b *Bridge) request(ctx context.Context, w *way, method string, to *url.URL, body []byte, h http.Header) (*http.Response, error) {
	var from io.Reader
	if body != nil {
		from = bytes.NewReader(body)
	}
	var sent atomic.Bool // some of it may have been
	traced := httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { sent.Store(true) }})
	r, err := http.NewRequestWithContext(traced, method, to.String(), from)
	if err != nil {
		return nil, b.say("bad_url", "has an address that cannot be asked: %v", err)
	}
	h.Set("User-Agent", "bearerd")
	h.Set("Accept-Encoding", "identity") // nothing here decodes another one
	r.Header = h
	b.mu.Lock()
	rt := w.rt
	b.mu.Unlock()
	resp, err := rt.RoundTrip(r)
	switch {
	case w.moved() && !sent.Load(): // its token was taken away before it had it
		if err == nil {
			_ = resp.Body.Close()
		}
		return nil, &goneError{}
	case err == nil:
		return resp, nil
	case ctx.Err() != nil:
		return nil, ctx.Err()
	}
	b.log.Warn("the request to the server failed", "error", err)
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "dial" {
		return nil, noted(b.sayRetry("unreachable", "cannot be reached: is it running, and is url right?"))
	}
	return nil, noted(b.lost())
}

// receive passes on the answer to a message that the server has accepted.
func (b *Bridge) receive(run, ctx context.Context, resp *http.Response, s *session, calls []*call) error {
	kind, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	switch {
	case kind == "text/event-stream":
		return b.follow(run, ctx, resp.Body, s, calls)
	case kind != "application/json":
		return b.say("no_message", "answered a request with HTTP %d and no message (%s): is url the address of its MCP endpoint?",
			resp.StatusCode, described(kind))
	}
	data, err := readAll(resp)
	if err != nil {
		return b.cut(ctx, err)
	}
	if c := only(calls); c != nil && valid(data) {
		if m, err := jsonrpc.ParseOne(data); err == nil && m.Response() && m.ID == nil {
			return b.remote(m) // it could not read the id; this is what it answers
		}
	}
	b.hear(data, s.turn)
	if !answered(calls) {
		return b.say("no_message", "answered a request with what is not the JSON-RPC response to it")
	}
	return nil
}

// cut is the failure of a request whose answer broke off.
func (b *Bridge) cut(ctx context.Context, err error) error {
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, errTooLong):
		return b.say("too_long", "answers with more than is passed on: %v", err)
	}
	b.log.Warn("the answer of the server broke off", "error", err)
	return noted(b.lost())
}

func readAll(resp *http.Response) ([]byte, error) {
	var data bytes.Buffer
	if n := resp.ContentLength; n > 0 && n <= limit {
		data.Grow(int(min(n, 1<<20)) + bytes.MinRead)
	}
	n, err := data.ReadFrom(io.LimitReader(resp.Body, limit+1))
	if n > limit {
		return nil, errTooLong
	}
	return data.Bytes(), err
}

// refused is the failure that an HTTP answer other than 2xx means: the JSON-RPC error in it, or its status.
func (b *Bridge) refused(resp *http.Response) error {
	data, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if m, err := jsonrpc.ParseOne(data); err == nil && m.Response() && m.Error != nil {
		return b.remote(m)
	}
	what := strings.TrimSpace(fmt.Sprintf("HTTP %d %s", resp.StatusCode, http.StatusText(resp.StatusCode)))
	switch status := resp.StatusCode; {
	case status/100 == 3:
		return b.status(status, "answered with a redirect, which is not followed: set url to the final address")
	case status == http.StatusUnauthorized || status == http.StatusForbidden:
		return b.status(status, "refuses the request (%s): see which token and rights it wants", what)
	case status == http.StatusNotFound || status == http.StatusMethodNotAllowed:
		return b.status(status, "answered %s: is url the address of its MCP endpoint?", what)
	case status == http.StatusTooManyRequests || status == http.StatusServiceUnavailable:
		return b.status(status, "answered %s: it wants to be left alone for a while", what)
	case status >= http.StatusInternalServerError:
		return b.status(status, "answered %s, and no reason: see its log, or that of what stands before it", what)
	}
	return b.status(resp.StatusCode, "answered %s, and no reason", what)
}

func described(kind string) string {
	if kind == "" {
		return "no content type"
	}
	return kind
}

// remote is the error that a server answers.
func (b *Bridge) remote(m jsonrpc.Message) error {
	f, err := decodeError(m.Error)
	if err == nil {
		f.to = jsonrpc.Key(m.ID)
	}
	if err != nil {
		return b.say("no_message", "answered with an error that cannot be read")
	}
	return f
}
