package doctor

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"mime"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"golang.org/x/net/http/httpguts"

	"bearerd/engine/oauth"
	"bearerd/inject/stdio"
	"bearerd/secrets"
)

const (
	stepInitialize = "initialize"
	stepTools      = "tools/list"
)

// mcp begins a session with the server, and asks for its tools.
func (p *patient) mcp(ctx context.Context) {
	if p.oauth != nil && p.token == nil {
		p.because = cmp.Or(p.because, "token")
	}
	switch {
	case p.because != "":
		p.chart.skip(p.because, stepInitialize, stepTools)
	case p.RemoteProgram() == "curl":
		p.chart.take(stepInitialize, func() finding { return skipped("", "curl is no MCP server") })
	case p.remote == "":
		p.program(ctx)
	default:
		p.http(ctx)
	}
}

// http asks the server over HTTP, at first without a token.
func (p *patient) http(ctx context.Context) {
	w := p.wire(p.token)
	defer w.end(ctx)
	older := false
	p.step(stepInitialize, func() finding {
		ctx, cancel := context.WithTimeout(ctx, 2*limit) // two or three requests
		defer cancel()
		open := p.oauth != nil && p.isOpen(ctx)
		f, sse := p.initialize(ctx, w)
		if older = sse; f.result == OK && open {
			return warned("if it works without one, write enabled = false, or remove oauth_config", "%s; it answers initialize and tools/list without a token too", f.detail)
		}
		return f
	})
	if older {
		p.chart.take(stepTools, func() finding { return skipped("", "not asked over the older transport") })
		return
	}
	p.step(stepTools, func() finding {
		ctx, cancel := context.WithTimeout(ctx, limit)
		defer cancel()
		return p.tools(ctx, w)
	})
}

func (p *patient) wire(token *held) *wire {
	w := &wire{url: p.remote, header: http.Header{}, note: p.doctor.dates.note}
	for name := range p.Headers {
		w.header.Set(name, p.values["headers "+name].Reveal())
	}
	p.argued(w.header)
	if token == nil {
		w.client = p.client(nil)
		return w
	}
	w.client, w.token = p.client(token.cert), token.access
	w.inQuery = !p.oauth.TokenInHeaderOnly && (p.URL != "" || stdio.ViaProxy(p.Server))
	return w
}

// argued sets the headers that are among the arguments of mcp-remote, which puts variables of its environment into them.
func (p *patient) argued(h http.Header) {
	for i, arg := range p.Args {
		if arg != "--header" || i+1 == len(p.Args) || p.RemoteProgram() != "mcp-remote" {
			continue
		}
		name, value, ok := strings.Cut(p.Args[i+1], ":")
		if !ok || !httpguts.ValidHeaderFieldName(name) {
			continue
		}
		value = variable.ReplaceAllStringFunc(value, func(v string) string {
			v = v[2 : len(v)-1]
			if _, declared := p.Env[v]; declared {
				return p.values["env "+v].Reveal()
			}
			return os.Getenv(v)
		})
		if httpguts.ValidHeaderFieldValue(value) {
			p.values["header "+name] = secrets.New(value)
			h.Set(name, value)
		}
	}
}

var variable = regexp.MustCompile(`\$\{[^}]+\}`)

// isOpen reports whether the server gives its tools to anybody.
func (p *patient) isOpen(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	w := p.wire(nil)
	defer w.end(ctx)
	a, err := w.call(ctx, "initialize", begin())
	if err != nil || a.status == http.StatusUnauthorized || a.status == http.StatusForbidden {
		return false
	}
	w.modern = !a.ok()
	a, err = w.call(ctx, stepTools, map[string]any{})
	return err == nil && a.ok()
}

// initialize begins a session. older says that the server speaks the transport of before Streamable HTTP.
func (p *patient) initialize(ctx context.Context, w *wire) (f finding, older bool) {
	start := time.Now()
	a, err := w.call(ctx, "initialize", begin())
	switch {
	case err != nil:
		return bad(slow(err, "see whether the server runs, and its log"), "%v", oauth.PlainError(p.host(), time.Since(start), err)), false
	case a.ok():
		name, version := serverOf(a.message.Result)
		w.version = version
		_ = w.notify(ctx, "notifications/initialized") // one that does not take it says so at the next request
		return good("%s", p.introduced(name, version)), false
	case a.status == http.StatusUnauthorized, a.status == http.StatusForbidden:
		return p.refusal(a), false
	}
	if a.message != nil && a.message.Error != nil {
		w.modern, w.session = true, ""
		if m, err := w.call(ctx, "server/discover", map[string]any{}); err == nil && m.ok() {
			return good("%s", speaksStateless), false
		}
	}
	if a.status/100 == 4 && p.speaksOlder(ctx, w) {
		return good("it speaks the older HTTP+SSE transport, which bearerd passes on"), true
	}
	return p.refusal(a), false
}

func (p *patient) introduced(name, version string) string {
	return strings.TrimSpace(p.words(name) + ", MCP " + p.words(cmp.Or(version, "of an unnamed version")))
}

func (p *patient) host() string {
	u, err := url.Parse(p.remote)
	if err != nil {
		return ""
	}
	return u.Host
}

// refusal says what an answer means that is no result.
func (p *patient) refusal(a *reply) finding {
	c := oauth.ParseChallenge(a.header)
	what := strings.TrimSpace(fmt.Sprintf("HTTP %d %s", a.status, http.StatusText(a.status)))
	const path = "verify url, its path too (often /mcp): it must be the address of the MCP endpoint"
	switch s := a.status; {
	case s == http.StatusUnauthorized && p.oauth == nil:
		return bad("write an oauth_config, or its key in headers", "it wants to know who asks (%s)", what)
	case s == http.StatusUnauthorized && p.token.kept:
		return bad(p.renew()+", and look again", "it refuses the token that is held (%s)%s", what, p.reason(c))
	case s == http.StatusUnauthorized:
		return bad("see whom the token is for: OAUTH_RESOURCE or OAUTH_AUDIENCE must be what the server expects, and OAUTH_TOKEN_URL that of its own "+
			"authorization server", "it refuses the token (%s)%s", what, p.reason(c))
	case s == http.StatusForbidden && c.Error == "insufficient_scope":
		return bad(p.scopeRemedy(c.Scope), "the token lacks a scope (%s)%s", what, p.reason(c))
	case s == http.StatusForbidden:
		return bad("see which rights the client or the account behind the token has there", "it takes the token and refuses the request (%s)", what)
	case s/100 == 3:
		return bad("write the final address as url; no redirect is followed with a token", "%s redirects%s", p.host(), p.location(a))
	case s == http.StatusNotFound, s == http.StatusMethodNotAllowed:
		return bad(path, "there is no MCP endpoint at %s (%s)", shown(p.remote), what)
	case s/100 == 2 && a.kind == "text/html":
		return bad(path, "%s is a web page (HTML), no MCP endpoint", shown(p.remote))
	case a.message != nil && a.message.Error != nil:
		return bad("see the log of the server", "it answers with error %d: %s", a.message.Error.Code, p.words(a.message.Error.Message))
	case s/100 == 2:
		return bad(path, "%s answers, but not as an MCP endpoint (%s, %s)", shown(p.remote), what, cmp.Or(p.words(a.header.Get("Content-Type")), "no content type"))
	case s >= http.StatusInternalServerError:
		return bad("see the log of the server, or of the gateway before it", "it answers %s", what)
	}
	return bad(path, "it answers %s", what)
}

// renew is how to get another token than the one that is held.
func (p *patient) renew() string {
	if p.oauth.Delegated() {
		return "run `bearerd refresh " + p.Name + "`, and `bearerd login " + p.Name + "` if that does not do"
	}
	return "run `bearerd refresh " + p.Name + "`"
}

func (p *patient) reason(c oauth.Challenge) string {
	if c.Error == "" {
		return ""
	}
	return ": " + p.words(c.Error)
}

func (p *patient) scopeRemedy(scope string) string {
	if scope = p.words(scope); scope == "" {
		return "add the scope that the server wants to OAUTH_SCOPE"
	}
	return fmt.Sprintf("add to OAUTH_SCOPE what it wants, %q, and have the client allowed to have it", scope)
}

func (p *patient) location(a *reply) string {
	u, err := url.Parse(p.remote)
	if err != nil {
		return ""
	}
	to, err := u.Parse(a.header.Get("Location"))
	if err != nil || to.Host == "" {
		return ""
	}
	return " to " + p.words(to.Scheme+"://"+to.Host)
}

// words makes what a server has written fit to be shown.
func (p *patient) words(text string) string {
	held := slices.Collect(maps.Values(p.values))
	if p.token != nil {
		held = append(held, p.token.access)
	}
	return strings.TrimSpace(oauth.Clean(text, held...))
}

// speaksOlder asks for the stream of the older HTTP+SSE transport (2024-11-05).
func (p *patient) speaksOlder(ctx context.Context, w *wire) bool {
	ctx, cancel := context.WithTimeout(ctx, limit/2)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, w.url, nil)
	if err != nil {
		return false
	}
	r.Header = w.header.Clone()
	r.Header.Set("Accept", "text/event-stream")
	w.authorize(r)
	resp, err := w.client.Do(r)
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	if kind, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type")); resp.StatusCode != http.StatusOK || kind != "text/event-stream" {
		return false
	}
	lines := bufio.NewScanner(io.LimitReader(resp.Body, maxEvents))
	for lines.Scan() { // comments and the like may come first
		if name, ok := strings.CutPrefix(lines.Text(), "event:"); ok {
			return strings.TrimSpace(name) == "endpoint"
		}
	}
	return false
}

// tools counts them.
func (p *patient) tools(ctx context.Context, w *wire) finding {
	start := time.Now()
	var last *reply
	l, err := listTools(func(method string, params map[string]any) (*response, error) {
		a, err := w.call(ctx, method, params)
		if err != nil {
			return nil, oauth.PlainError(p.host(), time.Since(start), err)
		}
		if last = a; !a.ok() && a.message == nil {
			return &response{}, errRefused
		}
		return a.message, nil
	})
	switch {
	case err == errRefused || last != nil && last.status/100 != 2:
		return p.refusal(last)
	case err != nil:
		return bad(slow(err, "see the log of the server"), "%v", err)
	}
	return p.counted(l)
}

// slow is the remedy for a request that failed, which after a timeout may be none.
func slow(err error, remedy string) string {
	if errors.Is(err, context.DeadlineExceeded) {
		return "it may merely be slow, and a client that waits longer may well use it; else " + remedy
	}
	return remedy
}

// counted is what came of tools/list.
func (p *patient) counted(l listing) finding {
	const methodNotFound = -32601
	switch n, fault := l.tools, l.fault; {
	case l.odd != "":
		return warned("see the log of the server: a client may never come to the end of the list", "%s; %s", tools(n), l.odd)
	case fault != nil && fault.Error != nil && fault.Error.Code == methodNotFound:
		return good("it has no tools")
	case fault != nil && fault.Error != nil:
		return bad("see the log of the server", "it answers with error %d: %s", fault.Error.Code, p.words(fault.Error.Message))
	case n == 0:
		return warned("see which tools the account behind the token may use", "it lists no tools")
	default:
		return good("%s", tools(n))
	}
}

func tools(n int) string {
	if n == 1 {
		return "1 tool"
	}
	return fmt.Sprintf("%d tools", n)
}
