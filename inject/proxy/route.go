package proxy

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"bearerd/config"
	"bearerd/engine"
	"bearerd/engine/oauth"
	"bearerd/secrets"
)

// patience is how long a request waits for a token: MCP clients give up after 60 s.
const patience = 50 * time.Second

// route serves one url server: requests to its path go to exactly the configured URL.
type route struct {
	name      string
	address   string                             // of the listener, as configured
	server    *config.Server                     // what it was made of
	front     *front                             // that it is served at, once a plan was committed
	present   *atomic.Pointer[map[string]*route] // those of all servers, by name, as of the last Commit
	path      string                             // the path that local callers use
	target    *url.URL
	guard     guard
	source    *engine.Source // nil: delivered without a token
	inQuery   bool           // send the token as ?access_token= (RFC 6750 §2.3)
	headers   *headers
	quick     *quick // nil: its requests are never common
	transport atomic.Pointer[http.Transport]
	bound     bound         // that present the certificates of tokens
	oauth     *config.OAuth // the certificates for upstream; nil: none
	resolve   *secrets.Resolver
	limits    config.Limits
	fast      bool // common requests may take the fast path
	budget    *budget
	log       *slog.Logger
	warned    sync.Map // what was said → when
	last      atomic.Pointer[Outcome]
	clients   *clients
	delivered func(Delivery) // nil: nobody wants to know
}

// newRoute prepares a server; source may be nil. With certificates that cannot be read it is unavailable until they can.
// Those that may come over the network are read by the first request.
func (p *Proxy) newRoute(of *config.Proxy, address string, s *config.Server, source *engine.Source) (*route, error) {
	target, err := url.Parse(s.URL)
	if err != nil {
		return nil, err // the loader has parsed it before
	}
	rt := &route{
		name: s.Name, address: address, server: s, path: localPath(s), target: target, source: source,
		present: &p.servers, limits: of.Limits, fast: of.FastPath, budget: &p.budget, log: p.log, resolve: p.resolve, clients: p.deliveredBefore(s.Name, source), delivered: p.delivered,
		guard:   guard{server: s.Name, keys: p.keys, local: s.Local, unix: isUnix(address)},
		headers: &headers{server: s.Name, refs: s.Headers, resolve: p.resolve, log: p.log, reading: make(chan struct{}, 1)},
		inQuery: source != nil && !s.OAuth.TokenInHeaderOnly,
	}
	if source != nil {
		rt.oauth = s.OAuth
	}
	if rt.oauth != nil && (remote(rt.oauth.CABundlePath) || remote(rt.oauth.ClientCertPath) || remote(rt.oauth.ClientKeyPath)) {
		return rt, nil
	}
	if err := rt.connect(context.Background()); err != nil { // it reads files at the most
		p.log.Error("requests to this server are answered with 502 until its certificates can be used", "server", s.Name, "error", err)
	}
	rt.quick = newQuick(rt)
	return rt, nil
}

// connect makes the transport, unless it is there.
func (rt *route) connect(ctx context.Context) error {
	if rt.transport.Load() != nil {
		return nil
	}
	t, err := rt.newTransport(ctx)
	if err == nil {
		rt.transport.CompareAndSwap(nil, t) // another request may have been faster
	}
	return err
}

// renew replaces the transport, as a certificate has changed; the present one serves on when the new one cannot be used.
func (rt *route) renew(ctx context.Context) {
	t, err := rt.newTransport(ctx)
	if err != nil {
		rt.log.Error("the changed certificates of this server cannot be used: the ones before stay in use", "server", rt.name, "error", err)
		return
	}
	if old := rt.transport.Swap(t); old != nil {
		old.CloseIdleConnections()
		rt.closeIdle()
	}
}

func (rt *route) newTransport(ctx context.Context) (*http.Transport, error) {
	t := &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		DialContext:         (&net.Dialer{Timeout: 10 * time.Second, ControlContext: control}).DialContext,
		TLSHandshakeTimeout: 10 * time.Second,
		ForceAttemptHTTP2:   true,
		// A connection that died while the laptop slept is noticed.
		HTTP2:                 &http.HTTP2Config{SendPingTimeout: 15 * time.Second, PingTimeout: 15 * time.Second},
		DisableCompression:    true, // bodies pass as they are
		MaxIdleConns:          poolSize,
		MaxIdleConnsPerHost:   poolSize,
		IdleConnTimeout:       poolAge,
		ExpectContinueTimeout: time.Second,

		MaxResponseHeaderBytes: int64(rt.limits.MaxAnswerHead),
	}
	if rt.server.Made {
		reach := oauth.NewReach(rt.server)
		t.Proxy, t.DialContext = reach.Proxy, guarded(reach)
	}
	if rt.oauth != nil {
		var err error
		if t.TLSClientConfig, err = oauth.TLSConfig(ctx, rt.oauth, rt.resolve); err != nil {
			return nil, err
		}
	}
	return t, nil
}

// guarded connects to addresses within reach, and sets the connection up as control does.
func guarded(reach oauth.Reach) func(ctx context.Context, network, address string) (net.Conn, error) {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := reach.Dial(ctx, network, address)
		if tcp, ok := conn.(*net.TCPConn); ok {
			if raw, err := tcp.SyscallConn(); err == nil {
				_ = control(ctx, network, address, raw)
			}
		}
		return conn, err
	}
}

// upstreamPath is the path of a url, for a listener that serves one server at the same place.
func upstreamPath(rawURL string) string {
	if u, err := url.Parse(rawURL); err == nil && u.EscapedPath() != "" {
		return u.EscapedPath()
	}
	return "/"
}

func (rt *route) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	start := time.Now()
	client, why := rt.letIn(r)
	if why != "" {
		refuse(w, http.StatusForbidden, nil, rt.name, why)
		return
	}
	if r.Method != http.MethodPost && r.Method != http.MethodGet && r.Method != http.MethodDelete {
		w.Header().Set("Allow", "POST, GET, DELETE")
		refuse(w, http.StatusMethodNotAllowed, nil, rt.name, "the method must be POST, GET or DELETE")
		return
	}
	body := newBody(w, r, rt.limits, rt.budget)
	defer body.release()
	if err := body.keep(); err != nil {
		rt.unread(w, body)
		return
	}
	status := rt.serve(w, r, client, body)
	if rt.log.Enabled(r.Context(), slog.LevelDebug) {
		rt.log.Debug("proxied", "server", rt.name, "method", r.Method, "status", status, "duration", time.Since(start))
	}
}

// letIn tells who may make a request, or why nobody may. Whoever upstream was asked for was let in.
func (rt *route) letIn(r *http.Request) (client, why string) {
	if e := earlyOf(r.Context()); e != nil {
		return e.client, ""
	}
	return rt.guard.refusal(callerOf(r))
}

// serve answers with what upstream, or bearerd in its place, says.
func (rt *route) serve(w http.ResponseWriter, r *http.Request, client string, body *body) (status int) {
	to := rt.to(r)
	resp, err := rt.forward(r, to, client, body)
	if next := rt.successor(r, err); next != nil {
		client, why := next.guard.refusal(callerOf(r))
		if why != "" {
			refuse(w, http.StatusForbidden, body.bytes(), next.name, why)
			return http.StatusForbidden
		}
		return next.serve(w, r.WithContext(context.WithValue(r.Context(), earlyKey{}, (*early)(nil))), client, body)
	}
	switch {
	case err == nil:
	case body.rest.failed(): // the context may have ended too: net/http ends it when reading fails
		return rt.unread(w, body)
	case r.Context().Err() != nil:
		panic(http.ErrAbortHandler) // else net/http would say 200 to a caller that still listens
	default:
		resp = rt.noToken(body, err)
	}
	rt.localize(r.Method, to, resp)
	defer resp.Body.Close()
	rt.pass(w, resp)
	return resp.StatusCode
}

// forward sends the request of a client to u with a token, renews the token once if upstream refuses it, and gives the answer: upstream's,
// or one in its place. An error says that the request cannot be answered any more, or, wrapping engine.ErrGone, that a
// reload took the source away before upstream has acted: nothing was sent, or the token was refused and the url is as before.
func (rt *route) forward(r *http.Request, u *url.URL, client string, body *body) (*http.Response, error) {
	if err := rt.connect(r.Context()); err != nil {
		if r.Context().Err() != nil {
			return nil, r.Context().Err()
		}
		rt.warn("the certificates for upstream cannot be used", err)
		return rt.instead(http.StatusBadGateway, body, reasonSettings,
			fmt.Sprintf("the certificates for server %q cannot be used: see the log of bearerd", rt.name)), nil
	}
	wait, cancel := context.WithTimeout(r.Context(), patience)
	defer cancel()
	e := earlyOf(r.Context())
	if e == nil {
		token, err := rt.token(wait)
		if err != nil {
			if r.Context().Err() != nil || errors.Is(err, engine.ErrGone) {
				return nil, err
			}
			return rt.noToken(body, err), nil
		}
		rt.deliver(client, token)
		resp, err := rt.send(r, u, body, token)
		e = &early{token: token, resp: resp, err: err}
	}
	token, resp, err := e.token, e.resp, e.err
	for refused := 0; err == nil && rt.source != nil && wantsToken(resp); refused++ {
		next, why := rt.challenged(wait, body, token, resp, refused)
		if resp.StatusCode == http.StatusForbidden && errors.Is(why, engine.ErrNotHelped) {
			rt.warn("upstream wants a scope that the token does not have: add it to OAUTH_SCOPE", nil)
			break
		}
		_ = resp.Body.Close() // not read first: it may never come
		if resp.StatusCode == http.StatusUnauthorized && body.whole && !body.acted && rt.stays(r, why) {
			return nil, why
		}
		if why != nil {
			return rt.dead(r, body, resp.StatusCode, why)
		}
		token = next
		rt.deliver(client, token)
		resp, err = rt.send(r, u, body, token)
	}
	if err != nil {
		return rt.failed(r, body, err)
	}
	return rt.accept(r, body, token, resp)
}

// accept gives upstream's answer to a request with token, unless it is one that no client may see.
func (rt *route) accept(r *http.Request, body *body, token *engine.Token, resp *http.Response) (*http.Response, error) {
	if token != nil && resp.StatusCode != http.StatusUnauthorized {
		token.Taken()
	}
	if resp.StatusCode < http.StatusOK { // 101, or none that HTTP knows
		_ = resp.Body.Close()
		return rt.failed(r, body, &unanswered{fmt.Errorf("it answered with the status %d", resp.StatusCode), sending})
	}
	if redirect(resp.StatusCode) {
		_ = resp.Body.Close()
		return rt.redirected(body), nil
	}
	rt.noteStatus(resp.StatusCode)
	if rt.source == nil {
		return resp, nil
	}
	delete(resp.Header, "Www-Authenticate") // a client would start an OAuth of its own
	return resp, nil
}

// token waits for a token. There may be none, and no error: upstream's answer is to tell who gives one.
func (rt *route) token(ctx context.Context) (*engine.Token, error) {
	if rt.source == nil {
		return nil, nil
	}
	return rt.source.TokenOrNone(ctx)
}

// successor is the route that a reload has put in this one's place before it had a token for a request, wherever it is served
// now. A request that has one finishes on the old settings.
func (rt *route) successor(r *http.Request, err error) *route {
	if !errors.Is(err, engine.ErrGone) || rt.front == nil {
		return nil
	}
	next := (*rt.present.Load())[rt.name]
	if next == nil || next == rt || next.guard.unix != rt.guard.unix {
		return nil
	}
	if _, _, session := rt.message(r.URL.EscapedPath()); session && (next.path != rt.path || origin(next.target) != origin(rt.target)) {
		return nil // it ends with the address that it belongs to
	}
	return next
}

// stays reports whether the successor serves the same url, to which a request that upstream has refused may go once more. An
// Upstream looks for itself.
func (rt *route) stays(r *http.Request, err error) bool {
	if rt.front == nil {
		return errors.Is(err, engine.ErrGone)
	}
	next := rt.successor(r, err)
	return next != nil && next.target.String() == rt.target.String()
}

// maxRefusals is how often one request is helped: its token may have ended, and then lack one scope after the other.
const maxRefusals = 4

// wantsToken reports whether upstream refused a request for its token (RFC 6750 §3.1).
func wantsToken(resp *http.Response) bool {
	return resp.StatusCode == http.StatusUnauthorized || lacksScope(resp)
}

// challenged gives the token to send the request with again, or says why there is none; refused counts the refusals before.
func (rt *route) challenged(ctx context.Context, body *body, token *engine.Token, resp *http.Response, refused int) (*engine.Token, error) {
	if refused == maxRefusals || refused > 0 && resp.StatusCode == http.StatusUnauthorized {
		if token != nil {
			rt.source.Refused(token)
		}
		return nil, errRefusedAgain
	}
	next, again, err := rt.source.Challenged(ctx, token, resp.StatusCode, resp.Header)
	unauthorized := resp.StatusCode == http.StatusUnauthorized
	body.acted = body.acted || unauthorized && !again
	switch {
	case err != nil:
		return nil, err
	case !again && rt.server.Replay != "always":
		return nil, errNotRetried
	case unauthorized && rt.server.Replay == "never":
		return nil, errNever
	}
	if !body.whole {
		return nil, body.unsent()
	}
	return next, nil
}

// send makes one upstream request.
func (rt *route) send(r *http.Request, to *url.URL, body *body, token *engine.Token) (*http.Response, error) {
	u := *to
	out := (&http.Request{Method: r.Method, URL: &u, Host: u.Host, Header: requestHeaders(r.Header)}).WithContext(r.Context())
	body.attach(out)
	if err := rt.headers.set(r.Context(), out.Header); err != nil {
		return nil, err
	}
	if token == nil {
		return rt.exchange(out, token)
	}
	authorization, _, err := token.Headers(r.Method, u.String())
	if err != nil {
		return nil, err
	}
	if rt.inQuery {
		_, bare, _ := strings.Cut(authorization, " ")
		u.RawQuery = joinQuery(u.RawQuery, "access_token="+url.QueryEscape(bare))
		out.Header.Set("Cache-Control", "no-store") // RFC 6750 §2.3
	} else {
		out.Header.Set("Authorization", authorization)
	}
	return rt.exchange(out, token)
}

func (rt *route) exchange(out *http.Request, token *engine.Token) (*http.Response, error) {
	start := time.Now()
	resp, err := rt.transportFor(token).RoundTrip(out)
	if err != nil {
		return nil, rt.unanswered(start, err)
	}
	delete(resp.Header, ReasonHeader) // bearerd's own word
	return resp, nil
}
