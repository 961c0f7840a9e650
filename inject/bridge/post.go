package bridge

import (
	"bytes"
	"context"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"

	"bearerd/inject/jsonrpc"
)

// errGone says that the server has not acted, since it does not know the session any more.
var errGone = errors.New("the session is lost")

// send passes a message on, in a new session if the present one is lost.
func (b *Bridge) send(run, ctx context.Context, line []byte, calls []*call) error {
	for try := 0; ; try++ {
		s := b.current()
		err := b.once(run, ctx, &s, line, calls)
		if !errors.Is(err, errGone) || try > 0 {
			return err
		}
		if err := b.renew(run, s.turn); err != nil {
			return err
		}
	}
}

// once passes a message on in session s, and the answer back until each of calls has one.
func (b *Bridge) once(run, ctx context.Context, s *session, line []byte, calls []*call) error {
	one := only(calls)
	if one != nil && one.modern != "" {
		return b.stateless(ctx, line, one)
	}
	switch {
	case s.lost():
		return errGone
	case s.old != nil:
		return b.sayOld(ctx, s, line, calls)
	}
	h := s.header()
	if one != nil && one.method == methodInitialize {
		h.Del(headerSession)
	}
	resp, err := b.post(ctx, b.target(), line, h, one)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode/100 != 2 {
		err := b.refused(resp)
		if s.id != "" && h.Get(headerSession) != "" && forgotten(resp.StatusCode, err) {
			return errGone
		}
		return err
	}
	if one != nil && one.began != nil {
		one.began(resp.Header)
	}
	return b.receive(run, ctx, resp, s, calls)
}

func only(calls []*call) *call {
	if len(calls) == 1 {
		return calls[0]
	}
	return nil
}

// forgotten reports whether a refusal says that the session is not known: 404, or, as many servers answer, 400 and an error
// that speaks of it.
func forgotten(status int, err error) bool {
	var f *failure
	return status == http.StatusNotFound ||
		status == http.StatusBadRequest && errors.As(err, &f) && f.code != codeBridge &&
			strings.Contains(strings.ToLower(f.message), "session")
}

// post sends a message. c may be nil.
func (b *Bridge) post(ctx context.Context, to *url.URL, line []byte, h http.Header, c *call) (*http.Response, error) {
	h.Set("Content-Type", "application/json")
	h.Set("Accept", "application/json, text/event-stream")
	if c != nil {
		ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{WroteRequest: func(httptrace.WroteRequestInfo) { c.sent() }})
	}
	return b.request(ctx, http.MethodPost, to, line, h)
}

// request makes one HTTP request. An error is ctx's or a failure.
func (b *Bridge) request(ctx context.Context, method string, to *url.URL, body []byte, h http.Header) (*http.Response, error) {
	var from io.Reader
	if body != nil {
		from = bytes.NewReader(body)
	}
	r, err := http.NewRequestWithContext(ctx, method, to.String(), from)
	if err != nil {
		return nil, b.say("has an address that cannot be asked: %v", err)
	}
	h.Set("User-Agent", "bearerd")
	r.Header = h
	b.mu.Lock()
	rt := b.way.rt
	b.mu.Unlock()
	resp, err := rt.RoundTrip(r)
	switch {
	case err == nil:
		return resp, nil
	case ctx.Err() != nil:
		return nil, ctx.Err()
	}
	b.log.Warn("the request to the server failed", "error", err)
	return nil, b.lost()
}

// receive passes on the answer to a message that the server has accepted.
func (b *Bridge) receive(run, ctx context.Context, resp *http.Response, s *session, calls []*call) error {
	kind, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	switch {
	case len(calls) == 0:
		_, _ = io.CopyN(io.Discard, resp.Body, 64<<10) // so that the connection can be used again
		return nil
	case kind == "text/event-stream":
		return b.follow(run, ctx, resp.Body, s, calls)
	case kind != "application/json":
		return b.say("answered a request with HTTP %d and no message (%s)", resp.StatusCode, described(kind))
	}
	data, err := readAll(resp)
	if err != nil {
		return b.cut(ctx, err)
	}
	m, err := jsonrpc.ParseOne(data)
	if c := only(calls); c != nil && err == nil && m.Response() && m.ID == nil {
		return b.remote(m) // it could not read the id; this is what it answers
	}
	b.hear(data, s.turn)
	if !answered(calls) {
		return b.say("answered a request with what is not the JSON-RPC response to it")
	}
	return nil
}

// cut is the failure of a request whose answer broke off.
func (b *Bridge) cut(ctx context.Context, err error) error {
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, errTooLong):
		return b.say("answers with more than is passed on: %v", err)
	}
	b.log.Warn("the answer of the server broke off", "error", err)
	return b.lost()
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
	kind, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	if resp.StatusCode/100 == 3 {
		return b.status(resp.StatusCode, "answered with a redirect, which is not followed: set url to the final address")
	}
	return b.status(resp.StatusCode, "answered with HTTP %d %s (%s)", resp.StatusCode, http.StatusText(resp.StatusCode), described(kind))
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
	if err != nil {
		return b.say("answered with an error that cannot be read")
	}
	return f
}
