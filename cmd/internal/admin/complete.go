package admin

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"mime"
	"net"
	"net/http"
	"strings"
	"time"

	"bearerd/config"
	"bearerd/inject/proxy"
)

// How long the call to a server may take that shows whether it takes the token.
const (
	probeLimit = 30 * time.Second
	partLimit  = 2 * time.Second // for the end of its session
)

// probeClient is the client that the call's local key is for.
const probeClient = "bearerd-api"

// completeOAuth makes one call to the server with the token that a sign-in has brought.
func (a *API) completeOAuth(w http.ResponseWriter, r *http.Request) {
	s, _, err := a.configured(r)
	if err != nil {
		fail(w, err)
		return
	}
	a.inTurn(w, r, s.Name, func(r *http.Request) (any, error) {
		if err := a.mayComplete(r); err != nil {
			return nil, err
		}
		if s.URL != "" { // a program gets the token when it starts
			if err := a.probe(r.Context(), s); err != nil {
				return nil, err
			}
		}
		err := a.changeFlow(r.Context(), s.Name, func(f *flow) error { f.Outcome = completed; return nil })
		return success("MCP client connected successfully with OAuth"), err
	})
}

// mayComplete refuses while there is no token of a sign-in that nobody has completed.
func (a *API) mayComplete(r *http.Request) error {
	s, source, err := a.configured(r)
	if err != nil {
		return err
	}
	f, _, err := a.readFlow(r.Context(), s.Name)
	if err != nil {
		return err
	}
	switch f.Outcome {
	case completed:
		return &notNow{fmt.Sprintf("the sign-in of server %q was completed already", s.Name)}
	case "":
		return &notNow{fmt.Sprintf("no sign-in of server %q was begun here: POST /api/mcp/client/%s/reauthorize", s.Name, s.Name)}
	}
	g, err := a.grant(r.Context(), s.Name, source)
	if err != nil {
		return err
	}
	if f.Outcome != signedIn && !a.overtaken(r.Context(), f, source.Status(), source) && g.Status == string(signedIn) {
		if g.Status = string(f.Outcome); f.Outcome == waiting { // of an older sign-in there is still a token
			g.Status = expired
		}
	}
	if g.Status != string(signedIn) {
		return &notNow{"OAuth not authorized yet. Current status: " + g.Status}
	}
	return nil
}

// probe calls a server as a local client does. It reads no more of an answer than its head.
func (a *API) probe(ctx context.Context, s *config.Server) error {
	ctx, cancel := context.WithTimeout(ctx, probeLimit)
	defer cancel()
	address, at := proxy.Local(a.Config(), s)
	transport := &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		if path, ok := strings.CutPrefix(address, "unix:"); ok {
			return (&net.Dialer{}).DialContext(ctx, "unix", path)
		}
		return (&net.Dialer{}).DialContext(ctx, "tcp", address)
	}}
	c := &caller{at: at, key: a.Keys.Issue(s.Name, probeClient).Reveal(), client: &http.Client{
		Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	resp, err := c.send(ctx, http.MethodPost, initialize, nil)
	if errors.Is(err, context.DeadlineExceeded) {
		return &theirs{fmt.Sprintf("server %q has not answered within %s", s.Name, probeLimit)}
	}
	if err != nil {
		return &theirs{fmt.Sprintf("server %q could not be called through the local proxy at %s", s.Name, address)}
	}
	defer resp.Body.Close()
	if succeeded(resp) && !speaks(resp) {
		return &theirs{fmt.Sprintf("server %q answers HTTP %d, but with neither JSON nor a stream of events: is connection_string the "+
			"address of an MCP server?", s.Name, resp.StatusCode)}
	}
	if succeeded(resp) || resp.StatusCode == http.StatusBadRequest && c.discovers(ctx) || older(resp.StatusCode) && c.streams(ctx) {
		c.end(ctx, resp.Header.Get("Mcp-Session-Id"))
		return nil
	}
	return &theirs{fmt.Sprintf("server %q does not work with the token: %s", s.Name, refusal(resp))}
}

func succeeded(resp *http.Response) bool { return resp.StatusCode >= 200 && resp.StatusCode <= 299 }

// speaks reports whether an answer is of a kind that an MCP server gives (MCP, Streamable HTTP), or has nothing in it.
func speaks(resp *http.Response) bool {
	kind := resp.Header.Get("Content-Type")
	if resp.StatusCode == http.StatusAccepted && (kind == "" || resp.ContentLength == 0) {
		return true
	}
	return isKind(kind, "application/json") || isKind(kind, eventStream)
}

const eventStream = "text/event-stream"

// isKind compares a Content-Type without its parameters.
func isKind(header, kind string) bool {
	media, _, _ := mime.ParseMediaType(header) // it is given even where a parameter is bad
	return media == kind
}

// older reports how a server of the HTTP+SSE transport may answer a POST.
func older(status int) bool {
	return status == http.StatusBadRequest || status == http.StatusNotFound || status == http.StatusMethodNotAllowed
}

// initialize begins a session of MCP.
const initialize = `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},` +
	`"clientInfo":{"name":"bearerd","version":"1"}}}`

// discover is the first request of the wire that has no sessions (MCP 2026-07-28), with what its headers must repeat.
const discover = `{"jsonrpc":"2.0","id":1,"method":"server/discover","params":{"_meta":{` +
	`"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{},` +
	`"io.modelcontextprotocol/clientInfo":{"name":"bearerd","version":"1"}}}}`

var discoverHeader = http.Header{"Mcp-Protocol-Version": {"2026-07-28"}, "Mcp-Method": {"server/discover"}}

// caller makes the calls of a probe.
type caller struct {
	client  *http.Client
	at, key string
}

func (c *caller) send(ctx context.Context, method, body string, header http.Header) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, c.at, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	maps.Copy(req.Header, header)
	req.Header.Set("Authorization", "Bearer "+c.key)
	req.Header.Set("Accept", "application/json, text/event-stream")
	if method == http.MethodGet {
		req.Header.Set("Accept", eventStream)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	return c.client.Do(req)
}

// discovers reports whether the server takes the wire without sessions.
func (c *caller) discovers(ctx context.Context) bool {
	resp, err := c.send(ctx, http.MethodPost, discover, discoverHeader)
	if err != nil {
		return false
	}
	_ = resp.Body.Close()
	return succeeded(resp) && speaks(resp)
}

// streams reports whether the server begins a stream of events.
func (c *caller) streams(ctx context.Context) bool {
	resp, err := c.send(ctx, http.MethodGet, "", nil)
	if err != nil {
		return false
	}
	_ = resp.Body.Close()
	return succeeded(resp) && isKind(resp.Header.Get("Content-Type"), eventStream)
}

// end ends the session that a probe has begun, if there is one: many servers keep them for long.
func (c *caller) end(ctx context.Context, session string) {
	if session == "" {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, partLimit)
	defer cancel()
	if resp, err := c.send(ctx, http.MethodDelete, "", http.Header{"Mcp-Session-Id": {session}}); err == nil {
		_ = resp.Body.Close()
	}
}

// refusals say what the proxy's words for its own answers mean, and what to do. Of upstream's answers nothing is repeated.
var refusals = map[string]string{
	"unreachable":        "it cannot be reached: is it running, and is connection_string right?",
	"answer_lost":        "it gave no answer that can be used: the log of bearerd tells more",
	"no_token":           "there is no token that could be sent: the status of its OAuth configuration says why",
	"needs_reauth":       "a person must sign in again: reauthorize",
	"token_refused":      "it refuses a fresh token: check audience, resource and scopes of oauth_config against what it expects",
	"insufficient_scope": "it wants more scope than the token has: change oauth_config.scopes by PUT, then sign in",
	"token_renewed":      "it refused the token, which has been renewed: try again",
	"redirect":           "it answers with a redirect, which is not followed: set connection_string to the final address",
	"settings": "its settings do not let it be called: the log of bearerd tells why; a private address must be listed in " +
		"admin { allow_private = […] }",
}

// refusal says what a server, or the proxy in its place, has answered.
func refusal(resp *http.Response) string {
	text, reason := fmt.Sprintf("HTTP %d", resp.StatusCode), resp.Header.Get(proxy.ReasonHeader)
	if means, ok := refusals[reason]; ok {
		text += ", " + reason + ": " + means
	}
	return text
}
