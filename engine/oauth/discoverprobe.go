package oauth

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"bearerd/config"
	"bearerd/secrets"
)

const (
	endSession = 2 * time.Second // to end a session that a probe has begun

	initialize = `{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"` + protocolVersion +
		`","capabilities":{},"clientInfo":{"name":"bearerd","version":"1"}}}`
)

// Probe asks the protected resource of s for its challenge, by requests that carry no token: to open a stream, then, where
// that brings no Bearer challenge, to initialize. The Challenge is empty where none is asked for. An error is an *Error.
func Probe(ctx context.Context, log *slog.Logger, s *config.Server, r *secrets.Resolver, id string) (Challenge, error) {
	f, err := newFinder(ctx, log, s, r, id)
	if err != nil {
		return Challenge{}, err
	}
	return f.probe(ctx)
}

func (f *finder) probe(ctx context.Context) (Challenge, error) {
	at, err := f.start()
	if err != nil {
		return Challenge{}, err
	}
	c, err := f.knock(ctx, http.MethodGet, at, "text/event-stream, application/json", "")
	late := errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil // a stream that says nothing until it has an event
	if err != nil && !late || c.Bearer {
		return c, err
	}
	return f.knock(ctx, http.MethodPost, at, "application/json, text/event-stream", initialize)
}

// knock makes one request and reads the head of its answer.
func (f *finder) knock(ctx context.Context, method string, at *url.URL, accept, body string) (Challenge, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	req, err := f.request(ctx, method, at, accept, body)
	if err != nil {
		return Challenge{}, err
	}
	req.Header.Set("MCP-Protocol-Version", protocolVersion)
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	head, err := f.head(req)
	if err != nil {
		return Challenge{}, err
	}
	if session := head.Header.Get("Mcp-Session-Id"); session != "" {
		f.end(ctx, at, session)
	}
	c := Challenge{}
	if head.StatusCode == http.StatusUnauthorized {
		c = ParseChallenge(head.Header)
	}
	c.Status = head.StatusCode
	return c, nil
}

// head makes a request and closes its answer, which may be a stream without an end, unread.
func (f *finder) head(req *http.Request) (*http.Response, error) {
	resp, err := f.roundTrip(req)
	if err != nil {
		return nil, err
	}
	resp.Body.Close()
	return resp, nil
}

// end closes a session that nobody will use. Whether that works does not matter: the server forgets it in time.
func (f *finder) end(ctx context.Context, at *url.URL, session string) {
	ctx, cancel := context.WithTimeout(ctx, endSession)
	defer cancel()
	req, err := f.request(ctx, http.MethodDelete, at, "application/json", "")
	if err != nil {
		return
	}
	req.Header.Set("Mcp-Session-Id", session)
	req.Header.Set("MCP-Protocol-Version", protocolVersion)
	_, _ = f.head(req)
}
