package bridge

import (
	"context"
	"net/http"
	"net/url"
	"time"
)

const (
	headerSession = "Mcp-Session-Id"
	headerVersion = "Mcp-Protocol-Version"
)

// way is how the server is reached. An edit may change the round tripper in it; another url is another way.
type way struct {
	url  *url.URL
	rt   http.RoundTripper // guarded by Bridge.mu
	left chan struct{}     // closed when it is not the present one any more
}

// session is what the server knows the client by (2025-11-25 and before).
type session struct {
	turn    int  // how many sessions there were before
	way     *way // its ids are not shown to another url
	id      string
	version string // the protocol version agreed on; "": not yet
	old     *channel
	end     context.CancelFunc // ends what attends it; nil: nothing does
	worked  time.Time          // when the server has last accepted a message
}

// moved reports whether the server has another url by now.
func (w *way) moved() bool {
	select {
	case <-w.left:
		return true
	default:
		return false
	}
}

func (s *session) lost() bool { return s.way.moved() || s.old != nil && s.old.closed() }

// close ends the streams of a session that is not in use any more, or never came into use.
func (s *session) close() {
	if s.end != nil {
		s.end()
	}
	if s.old != nil {
		s.old.end()
	}
}

func (s *session) header() http.Header {
	h := http.Header{}
	if s.id != "" {
		h.Set(headerSession, s.id)
	}
	if s.version != "" {
		h.Set(headerVersion, s.version)
	}
	return h
}

func (b *Bridge) current() session {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.session
}

// none is what a message is sent in that is of no session.
func (b *Bridge) none() *session {
	b.mu.Lock()
	defer b.mu.Unlock()
	return &session{way: b.way}
}

// accepted notes that the server knows a session.
func (b *Bridge) accepted(s *session) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.session.turn == s.turn {
		b.session.worked = time.Now()
	}
}

// until is ctx until w is left.
func (b *Bridge) until(ctx context.Context, w *way) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	b.work.Go(func() {
		select {
		case <-w.left:
			cancel()
		case <-ctx.Done():
		}
	})
	return ctx, cancel
}

// followMoves sets the session up at the new url when it has changed: the server may have something to say unasked.
func (b *Bridge) followMoves(run context.Context) {
	for {
		b.mu.Lock()
		w := b.way
		b.mu.Unlock()
		select {
		case <-w.left:
		case <-run.Done():
			return
		}
		b.mu.Lock()
		turn, begun := b.session.turn, b.said.version != ""
		w = b.way
		b.mu.Unlock()
		if begun {
			ctx, cancel := b.until(run, w)
			b.revive(run, ctx, turn)
			cancel()
		}
	}
}

// part tells the server that a session is not needed any more.
func (b *Bridge) part(ctx context.Context, s *session) {
	if s.id == "" {
		return
	}
	resp, err := b.request(ctx, s.way, http.MethodDelete, s.way.url, nil, s.header())
	if err != nil {
		b.log.Debug("the session was not ended", "error", err)
		return
	}
	_ = resp.Body.Close()
	what := "the session was ended"
	if resp.StatusCode/100 != 2 {
		what = "the session was not ended"
	}
	b.log.Debug(what, "status", resp.StatusCode)
}

// partLater is part for a session that another one has taken the place of.
func (b *Bridge) partLater(run context.Context, s session) {
	s.close()
	if s.id == "" {
		return
	}
	b.work.Go(func() {
		ctx, cancel := context.WithTimeout(run, parting)
		defer cancel()
		b.part(ctx, &s)
	})
}
