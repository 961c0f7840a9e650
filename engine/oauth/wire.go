package oauth

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"bearerd/config"
	"bearerd/secrets"
)

const (
	requestTimeout = 10 * time.Second // the whole exchange, body included
	maxAnswer      = 1 << 20
	maxRetryAfter  = 24 * time.Hour
)

const formType = "application/x-www-form-urlencoded"

var errTooLong = errors.New("the answer is over 1 MiB")

// wire carries one request. As the http.RoundTripper under x/oauth2 it sees every byte first, so that no library turns a
// body into an error text, follows a redirect or guesses how to authenticate.
type wire struct {
	op, id string
	plain  bool // plain http is taken
	log    *slog.Logger
	base   http.RoundTripper
	header http.Header    // set on the request
	secret secrets.Secret // the client's, once authenticate has read it; zero: none is sent
	before func() error   // see requestToken
	hidden []string       // values that must not come back in an error text
	sent   atomic.Bool    // the headers of the request are written: from here on the server may act on it
}

func newWire(
	ctx context.Context, log *slog.Logger, c *Target, r *secrets.Resolver, op, id string,
) (*wire, error) {
	tlsConfig, err := c.tlsConfig(ctx, r)
	if err != nil {
		return nil, err
	}
	w := &wire{op: op, id: id, plain: plainHTTP(c.OAuth), log: log, header: http.Header{}}
	w.base = &http.Transport{ // fresh for each call, so that edited files and addresses count at once
		Proxy:                  c.Reach.Proxy,
		DialContext:            c.Reach.Dial,
		TLSClientConfig:        tlsConfig,
		DisableKeepAlives:      true,
		DisableCompression:     true,
		MaxResponseHeaderBytes: 64 << 10,
	}
	return w, w.setHeaders(ctx, c.OAuth, r)
}

func (w *wire) setHeaders(ctx context.Context, c *config.OAuth, r *secrets.Resolver) error {
	w.header.Set("Accept", "application/json")
	w.header.Set("User-Agent", "bearerd")
	for name, ref := range c.CustomHeaders {
		switch key := http.CanonicalHeaderKey(name); key {
		case "Authorization", "Content-Type":
			return fmt.Errorf("OAUTH_CUSTOM_HEADERS may not set %s", key)
		}
		value, err := r.Resolve(ctx, ref)
		if err != nil {
			return fmt.Errorf("OAUTH_CUSTOM_HEADERS %q: %w", name, err)
		}
		w.hide(value.Reveal())
		w.header.Set(name, value.Reveal())
	}
	w.header.Set("X-Correlation-ID", w.id)
	w.header.Set("X-Request-ID", w.id)
	return nil
}

// RoundTrip sends the request and returns a judged, normalised success or an *Error.
func (w *wire) RoundTrip(req *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithTimeout(req.Context(), requestTimeout)
	defer cancel()
	if req.URL.Scheme == "http" && !w.plain { // such as one that was discovered before https was required
		return nil, unsent(w.op, w.id, fmt.Errorf("the address at %s is plain http, and https is required: use an https:// URL, or %s",
			req.URL.Host, allowHTTP))
	}
	if w.before != nil {
		if err := w.before(); err != nil {
			return nil, unsent(w.op, w.id, err)
		}
	}
	out := req.Clone(httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{WroteHeaders: func() { w.sent.Store(true) }}))
	maps.Copy(out.Header, w.header)
	start := time.Now()
	resp, body, err := w.exchange(out)
	took := time.Since(start)
	w.debug(out, resp, took)
	if err != nil {
		return nil, w.failed(out.URL.Host, took, resp, err)
	}
	body, e := w.judge(out.URL, resp, body)
	if e != nil {
		return nil, e
	}
	resp.Body = io.NopCloser(bytes.NewReader(body))
	resp.ContentLength = int64(len(body))
	resp.Header.Set("Content-Type", "application/json")
	return resp, nil
}

// failed is the error of an exchange that gave no whole answer. resp, if any, is one whose body broke off.
func (w *wire) failed(host string, took time.Duration, resp *http.Response, err error) *Error {
	e := &Error{Op: w.op, CorrelationID: w.id, Err: PlainError(host, took, err), Final: errors.Is(err, ErrOutOfReach)}
	if resp != nil {
		e.Status, e.Ambiguous = resp.StatusCode, success(resp.StatusCode)
		return e
	}
	// With TLS 1.3 a client's certificate is judged after the client may write. An alert says that it was refused.
	op, ok := errors.AsType[*net.OpError](err)
	alert := ok && op.Op == "remote error"
	e.Ambiguous = w.sent.Load() && !alert
	return e
}

func success(status int) bool { return status >= 200 && status <= 299 }

// exchange gives the response, its body read and closed. Beside an error the response, if any, only tells the status.
func (w *wire) exchange(req *http.Request) (*http.Response, []byte, error) {
	resp, err := w.base.RoundTrip(req)
	if err != nil {
		return nil, nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if err == nil && len(body) > maxAnswer {
		err = errTooLong
	}
	return resp, body, err
}

func (w *wire) debug(req *http.Request, resp *http.Response, took time.Duration) {
	ctx := req.Context()
	if !w.log.Enabled(ctx, slog.LevelDebug) {
		return
	}
	status := 0 // no answer
	if resp != nil {
		status = resp.StatusCode
	}
	where := url.URL{Scheme: req.URL.Scheme, Host: req.URL.Host, Path: req.URL.Path}
	w.log.DebugContext(ctx, "[OAuthService] OAuth exchange", "op", w.op, "method", req.Method, "url", where.String(),
		"params", paramNames(req), "status", status, "duration", took, "correlation_id", w.id)
}

func paramNames(req *http.Request) []string {
	if req.GetBody == nil || req.Header.Get("Content-Type") != formType {
		return nil
	}
	body, err := req.GetBody()
	if err != nil {
		return nil
	}
	defer body.Close()
	b, _ := io.ReadAll(body) // from memory: it cannot fail
	form, _ := url.ParseQuery(string(b))
	return slices.Sorted(maps.Keys(form))
}

// hideAnswer hides what the server's own words, such as a scope or a description, must not repeat.
func (w *wire) hideAnswer(a answer) {
	user, _ := a["authed_user"].(map[string]any) // see unnest
	for _, name := range []string{
		"access_token", "refresh_token", "id_token", "client_secret", "registration_access_token", "device_code",
	} {
		w.hide(a.text(name))
		w.hide(answer(user).text(name))
	}
}

// judge turns everything but a success into an *Error; of a token answer it returns the body that x/oauth2 can read.
func (w *wire) judge(to *url.URL, resp *http.Response, body []byte) ([]byte, *Error) {
	status := resp.StatusCode
	if success(status) && w.op == opRevoke { // RFC 7009 §2.2: the content means nothing
		return nil, nil
	}
	e := &Error{
		Op: w.op, Status: status, CorrelationID: w.id, RetryAfter: retryAfter(resp.Header), SecretSent: w.secret.Fingerprint(),
	}
	if status >= 300 && status <= 399 {
		e.Err = fmt.Errorf("%s redirects to %s, which is refused: configure the final address", to.Host, w.target(to, resp))
		return nil, e
	}
	a, ok := parseAnswer(body)
	w.hideAnswer(a)
	switch code := a.text("error"); {
	case code != "":
		e.Code, e.Description = w.clean(code), w.clean(a.text("error_description"))
		e.Final = isFinal(w.op, status, code)
		return nil, e
	case !success(status):
		e.Err = errors.New(strings.TrimSpace(fmt.Sprintf("%s answered HTTP %d %s", to.Host, status, http.StatusText(status))))
	case !ok:
		return nil, w.useless(status, "", fmt.Errorf("%s gave neither JSON nor a form", to.Host))
	case w.op != opToken:
		return body, nil
	default:
		a = a.unnest()
		clean, err := a.normalise()
		if err != nil {
			return nil, w.useless(status, a.text("refresh_token"), err)
		}
		return clean, nil
	}
	return nil, e
}

// target is the host a redirect names; the rest of the address may hold what was sent.
func (w *wire) target(from *url.URL, resp *http.Response) string {
	u, err := from.Parse(resp.Header.Get("Location"))
	if err != nil || u.Host == "" {
		return "elsewhere"
	}
	return w.clean(u.Host)
}

// retryAfter reads seconds or an HTTP-date (RFC 9110 §10.2.3); 0 when there is none that makes sense.
func retryAfter(h http.Header) time.Duration {
	value := strings.TrimSpace(h.Get("Retry-After"))
	if s, err := strconv.ParseUint(value, 10, 31); err == nil {
		return min(time.Duration(s)*time.Second, maxRetryAfter)
	}
	at, err := http.ParseTime(value)
	if err != nil {
		return 0
	}
	return min(max(time.Until(at), 0), maxRetryAfter)
}
