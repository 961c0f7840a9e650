package oauth

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"slices"
	"strings"
	"time"

	"bearerd/config"
	"bearerd/secrets"
)

const (
	opDiscover      = "discovery"
	discoverTimeout = 30 * time.Second // the whole of it; each document has requestTimeout
	maxDocument     = 256 << 10
	maxRedirects    = 5
	maxURL          = 2 << 10
	protocolVersion = "2025-11-25" // of MCP, as far as a server asks before anything is agreed on
)

// finder makes the requests of one discovery.
type finder struct {
	server *config.Server
	id     string
	log    *slog.Logger
	base   http.RoundTripper
	others http.RoundTripper // for hosts that are not of named: it shows them no client certificate; nil: base will do
	named  []string
	reach  Reach
}

func newFinder(ctx context.Context, log *slog.Logger, s *config.Server, r *secrets.Resolver, id string) (*finder, error) {
	tlsConfig, err := TLSConfig(ctx, s.OAuth, r)
	if err != nil {
		return nil, unsent(opDiscover, id, err)
	}
	reach := NewReach(s)
	f := &finder{server: s, id: id, log: log, base: newTransport(reach, tlsConfig), named: namedHosts(s), reach: reach}
	if tlsConfig.GetClientCertificate != nil {
		bare := tlsConfig.Clone()
		bare.GetClientCertificate = nil
		f.others = newTransport(reach, bare)
	}
	return f, nil
}

func newTransport(reach Reach, tlsConfig *tls.Config) *http.Transport {
	return &http.Transport{
		Proxy:                  reach.Proxy,
		DialContext:            reach.Dial,
		TLSClientConfig:        tlsConfig,
		DisableKeepAlives:      true,
		DisableCompression:     true,
		MaxResponseHeaderBytes: 64 << 10,
	}
}

// missing says why a place holds no document. It is an answer, not a failure: the next place may have one.
type missing string

func (m missing) Error() string { return string(m) }

// final is the error for what asking again cannot mend.
func (f *finder) final(format string, args ...any) *Error {
	return &Error{Op: opDiscover, CorrelationID: f.id, Final: true, Err: fmt.Errorf(format, args...)}
}

// getJSON reads a document into v. Its error is missing or an *Error. The type that the server gives it means nothing: what
// begins as JSON does is the document, and where that is broken it must not pass for one that is not there.
func (f *finder) getJSON(ctx context.Context, at *url.URL, legacy bool, v any) error {
	body, err := f.get(ctx, at, legacy)
	if err != nil {
		return err
	}
	text, why := bytes.TrimSpace(bytes.TrimPrefix(body, []byte("\ufeff"))), ""
	if len(body) > maxDocument {
		why = fmt.Sprintf("is over %d KiB", maxDocument>>10)
	}
	if !bytes.HasPrefix(text, []byte("{")) {
		return missing("its answer " + cmp.Or(why, "is no such document"))
	}
	if why == "" {
		why = flaw(json.Unmarshal(text, v))
	}
	if why != "" {
		return f.final("the %s document at %s cannot be used: it %s", cmp.Or(kindOf(at), "resource_metadata"), at.Host, why)
	}
	return nil
}

// flaw is an error of encoding/json in words that hold nothing of the document.
func flaw(err error) string {
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return "has a member of the wrong type: " + wrong.Field // by our own tags
	}
	if err != nil {
		return "is no valid JSON"
	}
	return ""
}

// looseList is a list of strings that is of little matter: one of another type is none.
type looseList []string

func (l *looseList) UnmarshalJSON(b []byte) error {
	var list []string
	if json.Unmarshal(b, &list) == nil {
		*l = list
	}
	return nil
}

// get follows redirects, each of them under the rules for the first address. legacy names the version of MCP, which
// 2025-03-26 asks for.
func (f *finder) get(ctx context.Context, at *url.URL, legacy bool) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	for range maxRedirects + 1 {
		req, err := f.request(ctx, http.MethodGet, at, "application/json", "")
		if err != nil {
			return nil, err
		}
		if legacy {
			req.Header.Set("MCP-Protocol-Version", protocolVersion)
		}
		resp, body, err := f.exchange(req)
		if err != nil {
			return nil, err
		}
		next, err := f.redirect(at, resp)
		if err != nil {
			return nil, err
		}
		if next == nil {
			return f.judge(at, resp, body)
		}
		at = next
	}
	return nil, missing(fmt.Sprintf("it redirects more than %d times", maxRedirects))
}

func (f *finder) request(ctx context.Context, method string, at *url.URL, accept, body string) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, method, at.String(), strings.NewReader(body))
	if err != nil {
		return nil, f.final("%s: the address cannot be used", at.Host)
	}
	req.Header.Set("Accept", accept)
	req.Header.Set("User-Agent", "bearerd")
	req.Header.Set("X-Correlation-ID", f.id)
	req.Header.Set("X-Request-ID", f.id)
	return req, nil
}

// exchange gives the response, closed, and the body of a success.
func (f *finder) exchange(req *http.Request) (*http.Response, []byte, error) {
	start := time.Now()
	resp, err := f.roundTrip(req)
	if err != nil {
		return nil, nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return resp, nil, nil
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxDocument+1))
	if err != nil {
		return nil, nil, f.failed(req.URL.Host, time.Since(start), err)
	}
	return resp, body, nil
}

// roundTrip notes where the server itself is, unless a proxy is between.
func (f *finder) roundTrip(req *http.Request) (*http.Response, error) {
	var remote string
	trace := &httptrace.ClientTrace{GotConn: func(c httptrace.GotConnInfo) { remote = c.Conn.RemoteAddr().String() }}
	base := f.base
	if f.others != nil && !slices.Contains(f.named, hostName(req.URL.Hostname())) {
		base = f.others
	}
	start := time.Now()
	resp, err := base.RoundTrip(req.WithContext(httptrace.WithClientTrace(req.Context(), trace)))
	f.debug(req, resp, time.Since(start))
	if err != nil {
		return nil, f.failed(req.URL.Host, time.Since(start), err)
	}
	if proxy, err := http.ProxyFromEnvironment(req); resp.TLS != nil && proxy == nil && err == nil {
		f.reach.met(req.URL, remote)
	}
	return resp, nil
}

// failed is the error where no whole answer came.
func (f *finder) failed(host string, took time.Duration, err error) *Error {
	_, refused := errors.AsType[*reachError](err)
	return &Error{Op: opDiscover, CorrelationID: f.id, Final: refused, Err: PlainError(host, took, err)}
}

func (f *finder) debug(req *http.Request, resp *http.Response, took time.Duration) {
	ctx := req.Context()
	if !f.log.Enabled(ctx, slog.LevelDebug) {
		return
	}
	status := 0 // no answer
	if resp != nil {
		status = resp.StatusCode
	}
	where := url.URL{Scheme: req.URL.Scheme, Host: req.URL.Host} // the path is the server's own, which may hold a key
	f.log.DebugContext(ctx, "[OAuthService] OAuth exchange", "op", opDiscover, "method", req.Method, "url", where.String(),
		"document", kindOf(req.URL), "status", status, "duration", took, "correlation_id", f.id)
}

// redirect is where an answer points to; nil: it is no redirect.
func (f *finder) redirect(from *url.URL, resp *http.Response) (*url.URL, error) {
	switch resp.StatusCode {
	case 301, 302, 303, 307, 308:
	default:
		return nil, nil
	}
	location := resp.Header.Get("Location")
	if len(location) > maxURL {
		return nil, f.final("%s redirects to an address over %d KiB", from.Host, maxURL>>10)
	}
	to, err := from.Parse(location)
	if err != nil || location == "" {
		return nil, f.final("%s redirects to what is no URL", from.Host)
	}
	to.Fragment = ""
	return f.address("the redirect of "+from.Host, to.String())
}

func (f *finder) judge(at *url.URL, resp *http.Response, body []byte) ([]byte, error) {
	switch status := resp.StatusCode; {
	case status == http.StatusOK:
		return body, nil
	case status >= 500, status == http.StatusTooManyRequests, status == http.StatusRequestTimeout:
		return nil, &Error{
			Op: opDiscover, CorrelationID: f.id, Status: status, RetryAfter: retryAfter(resp.Header),
			Err: errors.New(strings.TrimSpace(fmt.Sprintf("%s answered HTTP %d %s", at.Host, status, http.StatusText(status)))),
		}
	default:
		return nil, missing(fmt.Sprintf("HTTP %d", status))
	}
}

// address is the one rule for every URL that somebody else supplies. what names it in the error, which shows at most the
// host: the rest is the other side's.
func (f *finder) address(what, value string) (*url.URL, error) {
	if len(value) > maxURL {
		return nil, f.final("%s is over %d KiB", what, maxURL>>10)
	}
	u, err := url.Parse(value)
	if err != nil || strings.ContainsFunc(value, func(r rune) bool { return r <= ' ' || r > '~' || r == '\\' }) {
		return nil, f.final("%s is no URL", what)
	}
	switch {
	case u.Scheme == "http" && !plainHTTP(f.server.OAuth):
		return nil, f.final("%s is plain http, and https is required: mend it at the provider, or %s", what, allowHTTP)
	case u.Scheme != "https" && u.Scheme != "http", u.Opaque != "":
		return nil, f.final("%s is no https URL", what)
	case u.Hostname() == "" || oddHost(u.Hostname()):
		return nil, f.final("%s names no host", what)
	case u.User != nil:
		return nil, f.final("%s holds a user name", what)
	case strings.Contains(value, "#"):
		return nil, f.final("%s has a fragment", what)
	}
	if err := f.reach.checkHost(u.Hostname()); err != nil {
		return nil, f.final("%s: %w", what, err)
	}
	return u, nil
}

// plainHTTP is the rule of the configuration's own URLs, for every URL that is used.
func plainHTTP(o *config.OAuth) bool { return o != nil && o.Version == "2.0" && !o.EnforceHTTPS }

// allowHTTP is what plainHTTP wants.
const allowHTTP = `set both OAUTH_VERSION = "2.0" and OAUTH_ENFORCE_HTTPS = false`
