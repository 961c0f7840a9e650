package bridge

import (
	"context"
	"errors"
	"io"
	"mime"
	"net/http"
	"time"
)

const (
	firstPause = time.Second
	lastPause  = 30 * time.Second
	tries      = 5               // to resume an answer, in a row
	linger     = 2 * time.Second // for a stream whose requests are all answered
)

// pause is the backoff between attempts to get a stream back.
type pause struct {
	base time.Duration // what the server asked for; only used when asked
	used bool
	n    int
}

func (p *pause) next() time.Duration {
	base := firstPause
	if p.used {
		base = p.base
	}
	d := min(base<<min(p.n, 10), max(lastPause, base))
	p.n++
	return d
}

// sleep reports whether the time has passed before ctx ended.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// place is where a stream has been read to.
type place struct {
	last  string // the id of its last event; "": it has none
	pause pause
}

// drink reads a stream until it ends, and gives what its messages hold. err is why it ended.
func (p *place) drink(body io.Reader, message func(data []byte)) (err error) {
	e := newEvents(body)
	e.last = p.last
	for {
		var ev event
		if ev, err = e.next(); err != nil {
			break
		}
		p.pause.n = 0
		if ev.name == "" || ev.name == "message" {
			message(ev.data)
		}
	}
	if p.last != e.last {
		p.last, p.pause.n = e.last, 0
	}
	if e.asked {
		p.pause.base, p.pause.used = e.retry, true
	}
	return err
}

// follow passes on an answer that is a stream until each of calls has its response. If the stream ends before and had event
// ids, it is resumed where it broke off.
func (b *Bridge) follow(run, ctx context.Context, body io.ReadCloser, s *session, calls []*call) error {
	var at place
	for {
		err := b.drinkFor(&at, body, s.turn, calls)
		_ = body.Close()
		switch one := only(calls); {
		case answered(calls):
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		case at.last == "", errors.Is(err, errTooLong), one != nil && one.modern != "":
			return b.cut(ctx, err)
		}
		if body, err = b.resume(ctx, &at, s); err != nil {
			return err
		}
	}
}

// drinkFor reads a stream for its calls. Servers that leave it open when all are answered are not waited for.
func (b *Bridge) drinkFor(at *place, body io.ReadCloser, turn int, calls []*call) error {
	var late *time.Timer
	err := at.drink(body, func(data []byte) {
		b.hear(data, turn)
		if late == nil && answered(calls) {
			late = time.AfterFunc(linger, func() { _ = body.Close() })
		}
	})
	if late != nil {
		late.Stop()
	}
	return err
}

// resume asks for what follows at (Last-Event-ID), as often as the server cannot be reached.
func (b *Bridge) resume(ctx context.Context, at *place, s *session) (io.ReadCloser, error) {
	for range tries {
		if !sleep(ctx, at.pause.next()) {
			return nil, ctx.Err()
		}
		resp, err := b.get(ctx, s, at.last)
		switch {
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case err != nil:
			continue
		case isStream(resp):
			return resp.Body, nil
		}
		_ = resp.Body.Close()
		if !passing(resp.StatusCode) {
			break
		}
	}
	return nil, b.lost()
}

// get opens a stream of the server's messages.
func (b *Bridge) get(ctx context.Context, s *session, last string) (*http.Response, error) {
	h := s.header()
	h.Set("Accept", "text/event-stream")
	if last != "" {
		h.Set("Last-Event-Id", last)
	}
	return b.request(ctx, http.MethodGet, b.target(), nil, h)
}

func isStream(resp *http.Response) bool {
	kind, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	return resp.StatusCode == http.StatusOK && kind == "text/event-stream"
}

// passing reports whether a status may be another one in a while.
func passing(status int) bool {
	return status >= 500 && status != http.StatusNotImplemented || status == http.StatusRequestTimeout ||
		status == http.StatusTooManyRequests
}

// attend passes on what the server says unasked in the session called turn, until ctx is done or the server offers no stream
// for that.
func (b *Bridge) attend(run, ctx context.Context, turn int) {
	var at place
	for {
		s := b.current()
		if s.turn != turn {
			return
		}
		resp, err := b.get(ctx, &s, at.last)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil: // logged
		case isStream(resp):
			_ = at.drink(resp.Body, func(data []byte) { b.hear(data, turn) })
			_ = resp.Body.Close()
		case !b.mend(run, resp, &at, &s):
			return
		}
		if !sleep(ctx, at.pause.next()) {
			return
		}
	}
}

// mend deals with a stream that was refused. It reports whether to ask again.
func (b *Bridge) mend(run context.Context, resp *http.Response, at *place, s *session) bool {
	err := b.refused(resp)
	_ = resp.Body.Close()
	switch status := resp.StatusCode; {
	case status == http.StatusMethodNotAllowed:
		return false
	case s.id != "" && forgotten(status, err):
		return b.renew(run, s.turn) != nil
	case passing(status):
		return true
	case at.last != "":
		at.last = "" // it does not know that event any more
		return true
	default:
		b.log.Info("the server offers no stream for what it says unasked", "status", status)
		return false
	}
}
