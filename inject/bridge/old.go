package bridge

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// endpointPatience is how long a server may take to name the address for messages.
const endpointPatience = 15 * time.Second

// channel is a connection of the older HTTP+SSE transport (2024-11-05): the session lasts as long as its stream, on which
// everything comes that the server says.
type channel struct {
	endpoint *url.URL // where messages are sent
	end      context.CancelFunc
	ended    chan struct{}
}

func (c *channel) closed() bool {
	select {
	case <-c.ended:
		return true
	default:
		return false
	}
}

// older reports whether the answer to initialize may be one of a server that knows nothing but the older transport.
func older(err error) bool {
	var f *failure
	if !errors.As(err, &f) {
		return false
	}
	return f.status == http.StatusBadRequest || f.status == http.StatusNotFound || f.status == http.StatusMethodNotAllowed
}

// connect opens a channel for a session. Its stream is read until it ends or run is done; then a new session is
// set up.
func (b *Bridge) connect(run, ctx context.Context, s *session) (*channel, error) {
	w, turn := s.way, s.turn
	streaming, end := context.WithCancel(run)
	c := &channel{end: end, ended: make(chan struct{})}
	named := make(chan error, 2) // holds all that comes, if nobody waits any more
	b.work.Go(func() {
		defer end()
		err := b.stream(streaming, c, w, turn, named)
		close(c.ended)
		named <- err
		if b.uses(c) {
			b.log.Info("the stream of the server has ended", "error", err)
			b.revive(run, run, turn)
		}
	})
	timeout := time.After(endpointPatience)
	select {
	case err := <-named:
		if err == nil {
			return c, nil
		}
		return nil, err
	case <-timeout:
		end()
		return nil, b.say(reasonEndpoint, "did not name the address for messages (event endpoint) within %v", endpointPatience)
	case <-ctx.Done():
		end()
		return nil, ctx.Err()
	}
}

// stream reads the stream of a channel. It gives nil to named once the endpoint is known.
func (b *Bridge) stream(ctx context.Context, c *channel, w *way, turn int, named chan error) error {
	resp, err := b.get(ctx, &session{way: w}, "")
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if !isStream(resp) {
		return b.refused(resp)
	}
	for e := newEvents(resp.Body); ; {
		ev, err := e.next()
		switch {
		case err != nil:
			return b.cut(ctx, err)
		case ev.name == "endpoint" && c.endpoint != nil:
			b.log.Warn("the server names another address for messages: the first one stays in use")
		case ev.name == "endpoint":
			endpoint, err := w.url.Parse(strings.TrimSpace(string(ev.data)))
			if err != nil || !sameOrigin(endpoint, w.url) {
				return b.say(reasonEndpoint, "names an address for messages that is not of its own origin: nothing is sent there")
			}
			c.endpoint = endpoint
			named <- nil
		case ev.name == "" || ev.name == "message":
			b.hear(ev.data, turn)
		}
	}
}

func (b *Bridge) uses(c *channel) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.session.old == c && c.endpoint != nil && b.said.version != ""
}

// sameOrigin compares scheme, host and port (RFC 6454).
func sameOrigin(a, b *url.URL) bool {
	port := func(u *url.URL) string {
		if p := u.Port(); p != "" {
			return p
		}
		return map[string]string{"http": "80", "https": "443"}[strings.ToLower(u.Scheme)]
	}
	return strings.EqualFold(a.Scheme, b.Scheme) && strings.EqualFold(a.Hostname(), b.Hostname()) && port(a) == port(b)
}

// sayOld sends a message over the older transport, and waits until each of calls has its response.
func (b *Bridge) sayOld(ctx context.Context, s *session, line []byte, calls []*call) error {
	sending, cancel := context.WithCancel(ctx)
	defer cancel()
	b.work.Go(func() { // some servers never answer a message for a stream that has ended
		select {
		case <-s.old.ended:
			cancel()
		case <-sending.Done():
		}
	})
	one := only(calls)
	resp, err := b.post(sending, s.way, s.old.endpoint, line, s.header(), one)
	if err == nil && resp.StatusCode/100 != 2 {
		err = b.refused(resp)
	}
	if resp != nil {
		_ = resp.Body.Close()
	}
	_, unsent := errors.AsType[*goneError](err)
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case unsent:
		return err
	case s.old.closed():
		return b.lost()
	case err != nil:
		return err
	}
	if one != nil && one.began != nil {
		one.began(http.Header{})
	}
	for _, c := range calls {
		select {
		case <-c.done:
		case <-s.old.ended:
			return b.lost()
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}
