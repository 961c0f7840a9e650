package proxy

import (
	"fmt"
	"maps"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"bearerd/engine"
)

// Delivery is the first delivery of a token to a client.
type Delivery struct {
	Server string
	Client string // the name inside its local key; "socket" or "anyone", where no key is asked for
	Token  string // its fingerprint
}

// Observe has f called for the first delivery of each token to each client, as upstream is sent the request. f must not
// block. It is called once, before Prepare.
func (p *Proxy) Observe(f func(Delivery)) { p.delivered = f }

// Outcome is what became of the latest request to a server. The zero one: there was none yet.
type Outcome struct {
	At    time.Time `json:"at,omitzero"`     // up to a second early
	Error string    `json:"error,omitempty"` // why the server could not be used; "": it answered
}

// Last tells what became of the latest request that a server was sent; false: no url server has this name. A request that
// the client gave up, or that was not sent for want of a token, leaves it as it was.
func (p *Proxy) Last(server string) (Outcome, bool) {
	rt := (*p.servers.Load())[server]
	if rt == nil {
		return Outcome{}, false
	}
	if last := rt.last.Load(); last != nil {
		return *last, true
	}
	return Outcome{}, true
}

// note keeps an outcome. One like that before is kept once a second: this is on the way of every request.
func (rt *route) note(problem string) {
	now := time.Now()
	if last := rt.last.Load(); last != nil && last.Error == problem && now.Sub(last.At) < time.Second {
		return
	}
	rt.last.Store(&Outcome{At: now, Error: problem})
}

// noteStatus keeps the outcome of a request that upstream has answered.
func (rt *route) noteStatus(status int) {
	switch {
	case status == http.StatusUnauthorized || status == http.StatusForbidden:
		rt.note(fmt.Sprintf("it refuses the request, or its token (HTTP %d)", status))
	case status >= http.StatusInternalServerError:
		rt.note(strings.TrimSpace(fmt.Sprintf("it answers HTTP %d %s", status, http.StatusText(status))))
	default:
		rt.note("")
	}
}

// clients are those that were delivered a token, each with its latest two: a request may still carry the one before. The map
// is never written to; there are as many clients as there are local keys in use.
type clients struct {
	known atomic.Pointer[map[string]*atomic.Pointer[[2]*engine.Token]]
}

// isFirst reports whether t was not delivered to the client before.
func (c *clients) isFirst(client string, t *engine.Token) bool {
	held := c.of(client)
	for {
		last := held.Load()
		if last != nil && (last[0] == t || last[1] == t) {
			return false
		}
		next := &[2]*engine.Token{t}
		if last != nil {
			next[1] = last[0]
		}
		if held.CompareAndSwap(last, next) {
			return last == nil || last[0].Access().Fingerprint() != t.Access().Fingerprint() // it may have been read anew
		}
	}
}

func (c *clients) of(client string) *atomic.Pointer[[2]*engine.Token] {
	for {
		known := c.known.Load()
		if known != nil {
			if held := (*known)[client]; held != nil {
				return held
			}
		}
		next := map[string]*atomic.Pointer[[2]*engine.Token]{client: {}}
		if known != nil {
			maps.Copy(next, *known)
		}
		c.known.CompareAndSwap(known, &next)
	}
}

// deliver tells of a token that a client gets for the first time. t is nil for a request without one.
func (rt *route) deliver(client string, t *engine.Token) {
	if t != nil && rt.delivered != nil && rt.clients.isFirst(client, t) {
		rt.delivered(Delivery{Server: rt.name, Client: client, Token: t.Access().Fingerprint()})
	}
}

// deliveredBefore are the clients of the present route of a server: a new one goes on with them.
func (p *Proxy) deliveredBefore(server string, source *engine.Source) *clients {
	if rt := (*p.servers.Load())[server]; rt != nil && rt.source == source {
		return rt.clients
	}
	return &clients{}
}
