package proxy

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"

	"bearerd/config"
	"bearerd/engine"
	"bearerd/secrets"
)

// Upstream sends requests to one url server with its token, exactly as the proxy does: it renews the token once after a
// 401, never follows a redirect, and answers in upstream's place, as a JSON-RPC error in an HTTP response, when there is no
// token or no server. It is an http.RoundTripper. Unlike the proxy it sends to any path of the server's origin: the older
// HTTP+SSE transport lets the server name the path of its messages.
type Upstream struct {
	route *route
	next  atomic.Pointer[Upstream] // which has taken its place
}

// NewUpstream prepares a url server; source may be nil: it is sent no token. With certificates that cannot be read it answers
// 502 until they can.
func NewUpstream(s *config.Server, source *engine.Source, resolve *secrets.Resolver, log *slog.Logger) (*Upstream, error) {
	of := config.DefaultProxy()
	rt, err := New(Keys{}, resolve, log).newRoute(&of, "", s, source)
	if err != nil {
		return nil, fmt.Errorf("server %q: %w", s.Name, err)
	}
	return &Upstream{route: rt}, nil
}

// RoundTrip sends a request whose body, if it has GetBody, is sent again after a 401, whatever its size. An error says that
// r's context has ended or that r's body cannot be read. When a reload has taken the source away the answer is 503: the
// successor is another Upstream.
func (u *Upstream) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := bodyOf(r)
	if err != nil {
		return nil, err
	}
	if !sameOrigin(r.URL, u.route.target) {
		return u.route.instead(http.StatusBadGateway, body, reasonOrigin, fmt.Sprintf("the server %q asks for a request to another origin "+
			"than that of its url: it is not sent, as it would carry the token there", u.route.name)), nil
	}
	to := *r.URL
	to.User, to.Fragment, to.RawFragment = u.route.target.User, "", ""
	resp, err := u.route.forward(r, &to, "", body)
	for next := u.next.Load(); errors.Is(err, engine.ErrGone) && next != nil && next.route.target.String() == u.route.target.String(); next = next.next.Load() {
		resp, err = next.route.forward(r, &to, "", body) // nothing was sent: it had no token yet
	}
	if err != nil && r.Context().Err() == nil {
		resp, err = u.route.noToken(body, err), nil
	}
	if resp != nil {
		resp.Request = r
	}
	return resp, err
}

// Yield names the successor that a reload is about to put in u's place: requests that have no token yet are sent by it, if it is
// for the same url. A token for another one is not sent to this.
func (u *Upstream) Yield(next *Upstream) { u.next.Store(next) }

// sameOrigin compares scheme, host and port (RFC 6454).
func sameOrigin(a, b *url.URL) bool { return origin(a) == origin(b) }

// origin is scheme, host and port, in one form for all addresses that share them.
func origin(u *url.URL) string {
	scheme, port := strings.ToLower(u.Scheme), u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[scheme]
	}
	return scheme + "://" + strings.ToLower(u.Hostname()) + ":" + port
}

// Renew reads the certificates for the server again when its CA bundle is among paths.
func (u *Upstream) Renew(ctx context.Context, paths []string) { u.route.follow(ctx, paths) }

// Close closes the connections that are idle.
func (u *Upstream) Close() { u.route.closeIdle() }

// follow reads the CA bundle again when it is among paths.
func (rt *route) follow(ctx context.Context, paths []string) {
	if rt.oauth != nil && slices.Contains(paths, rt.oauth.CABundlePath.Name) {
		rt.renew(ctx)
	}
}
