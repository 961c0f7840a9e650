package proxy

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"bearerd/config"
	"bearerd/engine"
	"bearerd/engine/oauth"
	"bearerd/secrets"
)

const (
	replayLimit = 4 << 20          // bytes of a request body that are kept so that it can be sent again
	patience    = 50 * time.Second // how long a request waits for a token: MCP clients give up after 60 s
)

// route serves one url server: requests to its path go to exactly the configured URL.
type route struct {
	name      string
	path      string // the path that local callers use
	target    *url.URL
	guard     guard
	source    *engine.Source // nil: delivered without a token
	inQuery   bool           // send the token as ?access_token= (RFC 6750 §2.3)
	headers   *headers
	transport *http.Transport
	log       *slog.Logger
}

// newRoute prepares a server; source may be nil.
func newRoute(s *config.Server, source *engine.Source, resolve *secrets.Resolver, keys Keys, log *slog.Logger) (*route, error) {
	target, err := url.Parse(s.URL)
	if err != nil {
		return nil, err // the loader has parsed it before
	}
	rt := &route{
		name: s.Name, path: "/" + s.Name, target: target, source: source, log: log,
		guard:   guard{server: s.Name, keys: keys, local: s.Local},
		headers: &headers{refs: s.Headers, resolve: resolve},
		inQuery: source != nil && !s.OAuth.TokenInHeaderOnly,
	}
	if s.Listen != "" {
		rt.path = upstreamPath(s.URL)
	}
	rt.transport = &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           (&net.Dialer{Timeout: 10 * time.Second}).DialContext,
		TLSHandshakeTimeout:   10 * time.Second,
		ForceAttemptHTTP2:     true,
		HTTP2:                 &http.HTTP2Config{SendPingTimeout: 15 * time.Second, PingTimeout: 15 * time.Second}, // after a sleep
		DisableCompression:    true,                                                                                // bodies pass as they are
		MaxIdleConns:          1024,
		MaxIdleConnsPerHost:   1024,
		IdleConnTimeout:       50 * time.Second, // below the minute after which many servers close
		ExpectContinueTimeout: time.Second,
	}
	if source != nil {
		if rt.transport.TLSClientConfig, err = oauth.TLSConfig(s.OAuth); err != nil {
			return nil, err
		}
	}
	return rt, nil
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
	if why := rt.guard.refusal(r); why != "" {
		refuse(w, http.StatusForbidden, nil, rt.name, why)
		return
	}
	if r.Method != http.MethodPost && r.Method != http.MethodGet && r.Method != http.MethodDelete {
		w.Header().Set("Allow", "POST, GET, DELETE")
		refuse(w, http.StatusMethodNotAllowed, nil, rt.name, "the method must be POST, GET or DELETE")
		return
	}
	body, err := readBody(r)
	if err != nil {
		refuse(w, http.StatusBadRequest, nil, rt.name, "the request body could not be read")
		return
	}
	status := rt.forward(w, r, body)
	if rt.log.Enabled(r.Context(), slog.LevelDebug) {
		rt.log.Debug("proxied", "server", rt.name, "method", r.Method, "status", status, "duration", time.Since(start))
	}
}

// forward sends the request with a token, renews the token once if upstream refuses it, and passes the answer on.
func (rt *route) forward(w http.ResponseWriter, r *http.Request, body *body) (status int) {
	token, err := rt.token(r.Context())
	if err != nil {
		if r.Context().Err() == nil {
			rt.noToken(w, body.head, err)
		}
		return http.StatusServiceUnavailable
	}
	resp, err := rt.send(r, body, token)
	if err == nil && resp.StatusCode == http.StatusUnauthorized && rt.source != nil {
		if resp, err = rt.challenged(r, body, token, resp); resp == nil {
			return rt.dead(w, r, body, err)
		}
	}
	if err != nil {
		return rt.failed(w, r, body, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode < http.StatusOK { // 101, or none that HTTP knows
		return rt.failed(w, r, body, fmt.Errorf("it answered with the status %d", resp.StatusCode))
	}
	if redirect(resp.StatusCode) {
		refuse(w, http.StatusBadGateway, body.head, rt.name, "upstream of server "+rt.name+" answered with a redirect, which is "+
			"not followed: set url to the final address")
		return http.StatusBadGateway
	}
	rt.pass(w, resp)
	return resp.StatusCode
}

// token waits for a token as long as an MCP client will wait for an answer.
func (rt *route) token(ctx context.Context) (*engine.Token, error) {
	if rt.source == nil {
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return rt.source.Token(ctx)
}

// challenged deals with a 401. It gives the answer to pass on, or no response and why the token is dead.
func (rt *route) challenged(r *http.Request, body *body, token *engine.Token, refused *http.Response) (*http.Response, error) {
	_, _ = io.CopyN(io.Discard, refused.Body, 64<<10) // so that the connection can be used again
	_ = refused.Body.Close()
	ctx, cancel := context.WithTimeout(r.Context(), patience)
	defer cancel()
	next, again, err := rt.source.Challenged(ctx, token, refused.StatusCode, refused.Header)
	if err != nil {
		return nil, err
	}
	if !again || !body.whole {
		return nil, errNotRetried
	}
	resp, err := rt.send(r, body, next)
	if err == nil && resp.StatusCode == http.StatusUnauthorized {
		_ = resp.Body.Close()
		return nil, errRefusedAgain
	}
	return resp, err
}

var (
	errNotRetried   = errors.New("upstream refused it; it has been renewed, but this request was not retried: send it again")
	errRefusedAgain = errors.New("upstream refuses a freshly renewed one: check OAUTH_AUDIENCE, OAUTH_RESOURCE and OAUTH_SCOPE")
)

// dead answers a request whose token upstream refused and that could not be helped.
func (rt *route) dead(w http.ResponseWriter, r *http.Request, body *body, err error) int {
	if r.Context().Err() != nil {
		return http.StatusBadGateway
	}
	message := "OAuth token invalid for server " + rt.name + ": " + err.Error()
	var e *engine.Error
	switch {
	case errors.As(err, &e):
		message = e.ForCaller()
	case !errors.Is(err, errNotRetried) && !errors.Is(err, errRefusedAgain) && !errors.Is(err, engine.ErrGone):
		return rt.failed(w, r, body, err)
	}
	refuse(w, http.StatusBadGateway, body.head, rt.name, message)
	return http.StatusBadGateway
}

// failed answers when there is no answer of upstream's to pass on. The cause goes to the log only.
func (rt *route) failed(w http.ResponseWriter, r *http.Request, body *body, err error) int {
	if r.Context().Err() != nil {
		return http.StatusBadGateway
	}
	rt.log.Warn("the request to upstream failed", "server", rt.name, "error", err)
	refuse(w, http.StatusBadGateway, body.head, rt.name, "the request to upstream of server "+rt.name+" failed: see the log of bearerd")
	return http.StatusBadGateway
}

// send makes one upstream request.
func (rt *route) send(r *http.Request, body *body, token *engine.Token) (*http.Response, error) {
	u := *rt.target
	u.RawQuery = joinQuery(u.RawQuery, withoutToken(r.URL.RawQuery))
	out := (&http.Request{Method: r.Method, URL: &u, Host: u.Host, Header: requestHeaders(r.Header)}).WithContext(r.Context())
	body.attach(out)
	if err := rt.headers.set(r.Context(), out.Header); err != nil {
		return nil, err
	}
	if token == nil {
		return rt.exchange(out)
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
	return rt.exchange(out)
}

func (rt *route) exchange(out *http.Request) (*http.Response, error) {
	start := time.Now()
	resp, err := rt.transport.RoundTrip(out)
	if err != nil {
		return nil, oauth.PlainError(rt.target.Host, time.Since(start), err)
	}
	return resp, nil
}

// body is a request body. What fits the limit is in memory, so that it can be sent again.
type body struct {
	head  []byte
	rest  io.Reader // what follows head, when the body is larger
	size  int64     // -1: not known
	whole bool      // head is all of it
}

func readBody(r *http.Request) (*body, error) {
	if r.Body == nil || r.Body == http.NoBody {
		return &body{whole: true}, nil
	}
	var buf bytes.Buffer
	if r.ContentLength > 0 {
		buf.Grow(int(min(r.ContentLength, replayLimit)) + bytes.MinRead)
	}
	n, err := buf.ReadFrom(io.LimitReader(r.Body, replayLimit+1))
	if err != nil {
		return nil, err
	}
	return &body{head: buf.Bytes(), rest: r.Body, size: r.ContentLength, whole: n <= replayLimit}, nil
}

func (b *body) attach(out *http.Request) {
	switch {
	case b.whole && len(b.head) == 0:
		out.Body = http.NoBody
	case b.whole:
		out.ContentLength = int64(len(b.head))
		out.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b.head)), nil }
		out.Body, _ = out.GetBody()
	default:
		out.ContentLength = b.size
		out.Body = io.NopCloser(io.MultiReader(bytes.NewReader(b.head), b.rest))
	}
}
