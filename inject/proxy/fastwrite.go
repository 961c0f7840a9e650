package proxy

import (
	"bytes"
	"context"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"bearerd/engine"
	"bearerd/inject/proxy/h1"
	"bearerd/secrets"
)

// quick is what the fast path needs of a route.
type quick struct {
	path  string // of the target, as it goes out
	query string // of the target
	host  string // the line of the target's Host header
	pool  pool
}

// newQuick is nil for a route whose requests are never common: net/http knows TLS, HTTP/2, proxies, and what a server that the
// API has made may reach.
func newQuick(rt *route) *quick {
	u, t := rt.target, rt.transport.Load()
	if !rt.fast || t == nil || u.Scheme != "http" || u.User != nil || u.ForceQuery || !plainHost(u.Host) || rt.inQuery || rt.server.Made || strings.Contains(rt.path, "%") {
		return nil
	}
	if via, err := t.Proxy(&http.Request{URL: u}); via != nil || err != nil {
		return nil
	}
	address := u.Host
	if u.Port() == "" {
		address = u.Hostname() + ":80"
		if strings.Contains(u.Hostname(), ":") {
			address = "[" + u.Hostname() + "]:80"
		}
	}
	path := u.EscapedPath()
	if path == "" {
		path = "/"
	}
	return &quick{path: path, query: u.RawQuery, host: "Host: " + u.Host + "\r\n", pool: pool{dial: func(ctx context.Context) (net.Conn, error) {
		return rt.transport.Load().DialContext(ctx, "tcp", address)
	}}}
}

// plainHost reports whether net/http writes a host as it is: no zone, no other letters than ASCII.
func plainHost(host string) bool {
	return !strings.ContainsFunc(host, func(r rune) bool { return r == '%' || r >= 0x80 })
}

// commonRequest reports whether a request has nothing in it that must not pass, but for single fields.
func (l *lane) commonRequest(rt *route) bool {
	return tokenless(string(l.req.Query)) && l.req.Length <= min(fastBody, int64(rt.limits.MaxBodyBytes)) && !slices.ContainsFunc(l.req.Fields, func(f h1.Field) bool {
		return f.Is("cookie") && bytes.Contains(f.Value, []byte(OwnCookies))
	})
}

// caller is what the guard looks at.
func (l *lane) caller() caller {
	c := caller{host: string(l.req.Host), peer: l.conn.peer, conn: l.conn}
	for _, f := range l.req.Fields {
		switch {
		case f.Is("origin"):
			c.origins = append(c.origins, string(f.Value))
		case f.Is("authorization") && c.authorization == "":
			c.authorization = string(f.Value)
		}
	}
	return c
}

// writeRequest puts what upstream gets into l.out: the same as send and requestHeaders make of it.
func (l *lane) writeRequest(ctx context.Context, rt *route, token *engine.Token, body []byte) error {
	extra, err := rt.headers.all(ctx)
	if err != nil {
		return err
	}
	q, b := rt.quick, (*l.out)[:0]
	b = append(b, l.req.Method...)
	b = append(b, ' ')
	b = append(b, q.path...)
	if q.query != "" || len(l.req.Query) > 0 {
		b = append(b, '?')
		b = append(b, q.query...)
		if q.query != "" && len(l.req.Query) > 0 {
			b = append(b, '&')
		}
		b = append(b, l.req.Query...)
	}
	b = append(b, " HTTP/1.1\r\n"...)
	b = append(b, q.host...)
	for _, f := range l.req.Fields {
		if !f.Is("authorization") && !f.Is("origin") && !named(extra, f) {
			b = appendField(b, f)
		}
	}
	for name, value := range extra {
		b = append(append(append(append(b, name...), ": "...), value.Reveal()...), "\r\n"...)
	}
	if token != nil {
		authorization, _, err := token.Headers(l.req.Method, "")
		if err != nil {
			return err
		}
		b = append(append(append(b, "Authorization: "...), authorization...), "\r\n"...)
	}
	if l.req.Method == http.MethodPost {
		b = append(b, "Content-Length: "...)
		b = append(strconv.AppendInt(b, l.req.Length, 10), "\r\n"...)
	}
	*l.out = append(append(b, "\r\n"...), body...)
	return nil
}

// named reports whether a field has one of the configured names.
func named(extra map[string]secrets.Secret, f h1.Field) bool {
	for name := range extra {
		if strings.EqualFold(name, string(f.Name)) {
			return true
		}
	}
	return false
}

func appendField(b []byte, f h1.Field) []byte {
	b = append(append(b, f.Name...), ": "...)
	return append(append(b, f.Value...), "\r\n"...)
}

// tokenWithin is token with a part of the patience of a caller: net/http waits for the rest, and says why there is none.
func (rt *route) tokenWithin(ctx context.Context) (*engine.Token, error) {
	if rt.source == nil {
		return nil, nil
	}
	if t := rt.source.Fresh(ctx); t != nil {
		return t, nil
	}
	ctx, cancel := context.WithTimeout(ctx, patience/10)
	defer cancel()
	return rt.token(ctx)
}

// took notes that upstream has answered.
func (rt *route) took(token *engine.Token, status int) {
	rt.noteStatus(status)
	if token != nil {
		token.Taken()
	}
}

// commonAnswer reports whether an answer passes as it is, but for single fields.
func (l *lane) commonAnswer() bool {
	a := &l.resp
	if a.Status == http.StatusUnauthorized || redirect(a.Status) {
		return false
	}
	return !slices.ContainsFunc(a.Fields, func(f h1.Field) bool {
		return f.Is("set-cookie") || f.Is("www-authenticate") && a.Status == http.StatusForbidden
	}) && (a.Length < 0 || !l.namesEndpoint())
}
