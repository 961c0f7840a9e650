package bridge

import (
	"context"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/http/httptrace"
	"strconv"
	"time"
)

const (
	shortPause = 100 * time.Millisecond // however soon a server wants to be asked again
	firstPause = time.Second
	lastPause  = 30 * time.Second
	longPause  = time.Minute     // however late a server wants to be asked again (Retry-After)
	tries      = 5               // to resume an answer, in a row
	linger     = 2 * time.Second // for a stream whose requests are all answered
)

// pause is the backoff between attempts to get a stream back.
type pause struct {
	asked bool          // the server has said how long it is
	base  time.Duration // what it said, up to lastPause
	least time.Duration // what the next one must be at least
	n     int           // attempts that brought nothing
}

// next is how long to wait. What a server has asked for is kept to, but not without bound.
func (p *pause) next() time.Duration {
	doubled := min(p.n, 10)
	d := min(firstPause<<doubled, lastPause)
	if p.asked {
		d = min(max(p.base, shortPause<<doubled), lastPause)
	}
	d = max(d, p.least)
	p.least = 0
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

// drink reads a stream until it ends, and gives what its messages hold; message reports whether it is worth a stream. err is
// why it ended.
func (p *place) drink(body io.Reader, message func(data []byte) (brought bool)) (err error) {
	began := time.Now()
	e := newEvents(body)
	e.last = p.last
	for {
		var ev event
		if ev, err = e.next(); err != nil {
			break
		}
		if (ev.name == "" || ev.name == "message") && message(ev.data) {
			p.pause.n = 0
		}
	}
	if time.Since(began) > lastPause {
		p.pause.n = 0
	}
	p.last = e.last
	if e.asked {
		p.pause.base, p.pause.asked = e.retry, true
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
	err := at.drink(body, func(data []byte) bool {
		b.hear(data, turn)
		if late == nil && answered(calls) {
			late = time.AfterFunc(linger, func() { _ = body.Close() })
		}
		return true
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
		at.pause.least = retryAfter(resp)
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
	return b.request(ctx, s.way, http.MethodGet, s.way.url, nil, h)
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

// retryAfter is how long a server asks to wait (RFC 9110 §10.2.3), up to longPause; 0: it does not.
func retryAfter(resp *http.Response) time.Duration {
	if resp.StatusCode != http.StatusTooManyRequests && resp.StatusCode != http.StatusServiceUnavailable {
		return 0
	}
	value := resp.Header.Get("Retry-After")
	if seconds, err := strconv.ParseUint(value, 10, 31); err == nil {
		return min(time.Duration(seconds)*time.Second, longPause)
	}
	if at, err := http.ParseTime(value); err == nil {
		return min(max(time.Until(at), 0), longPause)
	}
	return 0
}

// attend passes on what the server says unasked in the session called turn, until ctx is done or the server offers no stream
// for that. It calls asked when the server has got the first request for it, or does not get it.
func (b *Bridge) attend(run, ctx context.Context, turn int, asked func()) {
	defer asked()
	traced := httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{WroteRequest: func(httptrace.WroteRequestInfo) { asked() }})
	var at place
	var ended time.Time // when the last stream was there; zero: none has been
	for {
		s := b.current()
		if s.turn != turn {
			return
		}
		resp, err := b.get(traced, &s, at.last)
		asked()
		switch {
		case ctx.Err() != nil:
			return
		case err != nil: // logged
		case isStream(resp):
			_ = at.drink(resp.Body, func(data []byte) bool {
				b.hear(data, turn)
				return true
			})
			_ = resp.Body.Close()
			ended = time.Now()
		case !b.mend(run, ctx, resp, &at, turn, ended):
			return
		}
		if !sleep(ctx, at.pause.next()) {
			return
		}
	}
}

// mend deals with a stream that was refused in the session called turn. It reports whether to ask again.
func (b *Bridge) mend(run, ctx context.Context, resp *http.Response, at *place, turn int, ended time.Time) bool {
	err := b.refused(resp)
	_ = resp.Body.Close()
	s, status := b.current(), resp.StatusCode
	f, _ := errors.AsType[*failure](err)
	switch {
	case status == http.StatusMethodNotAllowed || s.turn != turn:
		return false
	case f.reason == reasonRefused: // a token that was fresh: only a person mends it
		at.pause.least = lastPause
		return true
	case passing(status):
		at.pause.least = retryAfter(resp)
		return true
	case at.last != "":
		at.last = "" // it does not know that event any more
		return true
	case s.id != "" && (status == http.StatusNotFound || forgotten(status, f, nil)) && !ended.IsZero() && s.worked.Before(ended):
		b.revive(run, ctx, turn)
		return false
	}
	b.log.Info("the server offers no stream for what it says unasked", "status", status)
	return false
}
