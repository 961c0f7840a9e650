package proxy

import (
	"crypto/tls"
	"net/http"
	"slices"
	"sync"

	"bearerd/engine"
	"bearerd/engine/oauth"
)

// mostBound is how many certificates are presented at once: the present one, and the one before while its token is in use.
const mostBound = 2

// bound are the transports of a route that each present one client certificate: a token that is bound to a certificate
// (RFC 8705 §3) goes over no connection that was made with another.
type bound struct {
	mu   sync.Mutex
	list []boundTo // guarded by mu; the last one is the newest
}

type boundTo struct {
	base      *http.Transport // that it was made of
	cert      *tls.Certificate
	transport *http.Transport
}

// transportFor is the one for requests that carry token, which may be nil. That of the certificate before keeps no connection
// beyond its use.
func (rt *route) transportFor(token *engine.Token) *http.Transport {
	base := rt.transport.Load()
	if token == nil || token.Certificate == nil || base.TLSClientConfig == nil {
		return base
	}
	b := &rt.bound
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, have := range b.list {
		if have.base == base && have.cert == token.Certificate {
			return have.transport
		}
	}
	next := base.Clone()
	oauth.Present(next.TLSClientConfig, token.Certificate)
	b.closeIdle()
	b.list = append(b.list, boundTo{base, token.Certificate, next})
	if over := len(b.list) - mostBound; over > 0 {
		b.list = slices.Delete(b.list, 0, over)
	}
	return next
}

// closeIdle closes the connections that are idle, and those in use once they are. mu is held.
func (b *bound) closeIdle() {
	for _, have := range b.list {
		have.transport.CloseIdleConnections()
	}
}

// closeIdle closes the connections to upstream: the idle ones now, those in use once they are.
func (rt *route) closeIdle() {
	if t := rt.transport.Load(); t != nil {
		t.CloseIdleConnections()
	}
	rt.bound.mu.Lock()
	defer rt.bound.mu.Unlock()
	rt.bound.closeIdle()
}
