package oauth

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"bearerd/config"
	"bearerd/secrets"
)

const (
	requestTimeout = 10 * time.Second // the whole exchange, body included
	maxAnswer      = 1 << 20
	maxRetryAfter  = 24 * time.Hour
)

var errTooLong = errors.New("the answer is over 1 MiB")

// wire carries one request. As the http.RoundTripper under x/oauth2 it sees every byte first, so that no library turns a
// body into an error text, follows a redirect or guesses how to authenticate.
type wire struct {
	op, id string
	log    *slog.Logger
	base   http.RoundTripper
	header http.Header    // set on the request
	secret secrets.Secret // the client's; zero: none
	basic  bool           // client_secret_basic
	hidden []string       // values that must not come back in an error text
}

func newWire(
	ctx context.Context, log *slog.Logger, c *config.OAuth, r *secrets.Resolver, op, id string,
) (*wire, error) {
	tlsConfig, err := TLSConfig(c)
	if err != nil {
		return nil, err
	}
	w := &wire{op: op, id: id, log: log, header: http.Header{}}
	w.base = &http.Transport{ // fresh for each call, so that edited files and addresses count at once
		Proxy:                  http.ProxyFromEnvironment,
		TLSClientConfig:        tlsConfig,
		DisableKeepAlives:      true,
		DisableCompression:     true,
		MaxResponseHeaderBytes: 64 << 10,
	}
	if err := w.setHeaders(ctx, c, r); err != nil {
		return nil, err
	}
	if c.ClientSecret.IsZero() {
		return w, nil
	}
	if w.secret, err = r.Resolve(ctx, c.ClientSecret); err != nil {
		return nil, fmt.Errorf("OAUTH_CLIENT_SECRET: %w", err)
	}
	// Without a secret the id goes into the body alone (tls_client_auth, RFC 8705 §2.1).
	w.basic = c.UseBasicAuth && !w.secret.IsZero()
	w.hide(w.secret.Reveal())
	w.hide(base64.StdEncoding.EncodeToString([]byte(basicPair(c.ClientID, w.secret))))
	return w, nil
}

// basicPair is what client_secret_basic encodes: each half form-encoded first (RFC 6749 §2.3.1).
func basicPair(id string, secret secrets.Secret) string {
	return url.QueryEscape(id) + ":" + url.QueryEscape(secret.Reveal())
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
	out := req.Clone(ctx)
	maps.Copy(out.Header, w.header)
	start := time.Now()
	resp, body, err := w.exchange(out)
	took := time.Since(start)
	w.debug(out, resp, took)
	if err != nil {
		e := &Error{Op: w.op, CorrelationID: w.id, Err: PlainError(out.URL.Host, took, err)}
		if resp != nil { // its body broke off
			e.Status = resp.StatusCode
		}
		return nil, e
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
	if req.GetBody == nil {
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

// judge turns everything but a success into an *Error; of a token answer it returns the body that x/oauth2 can read.
func (w *wire) judge(to *url.URL, resp *http.Response, body []byte) ([]byte, *Error) {
	status := resp.StatusCode
	success := status >= 200 && status <= 299
	if success && w.op == opRevoke { // RFC 7009 §2.2: the content means nothing
		return nil, nil
	}
	e := &Error{Op: w.op, Status: status, CorrelationID: w.id, RetryAfter: retryAfter(resp.Header)}
	if status >= 300 && status <= 399 {
		e.Err = fmt.Errorf("%s redirects to %s, which is refused: configure the final address", to.Host, w.target(to, resp))
		return nil, e
	}
	a, ok := parseAnswer(body)
	w.hide(a.text("access_token"))
	w.hide(a.text("refresh_token"))
	switch code := a.text("error"); {
	case code != "":
		e.Code, e.Description = w.clean(code), w.clean(a.text("error_description"))
		e.Final = isFinal(status, code)
		return nil, e
	case !success:
		e.Err = errors.New(strings.TrimSpace(fmt.Sprintf("%s answered HTTP %d %s", to.Host, status, http.StatusText(status))))
	case !ok:
		e.Err = fmt.Errorf("%s gave neither JSON nor a form", to.Host)
	default:
		body, e.Err = a.normalise()
	}
	if e.Err != nil {
		return nil, e
	}
	return body, nil
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
