package bridge

import (
	"context"
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"strings"

	"bearerd/inject/jsonrpc"
)

// The wire of 2026-07-28 has no sessions: each request says in its _meta what it needs, and over HTTP repeats some of it in
// headers, which a client that speaks over stdin and stdout does not send.

const (
	metaVersion = "io.modelcontextprotocol/protocolVersion"

	codeNotFound = -32601
	codeMismatch = -32020 // the headers are not those that the body asks for
)

// modern is the protocol version that a request itself names; "": it is of a session.
func modern(m jsonrpc.Message) string {
	return jsonrpc.Text(jsonrpc.Field(m.Params, "_meta", metaVersion))
}

// nameOf is the parameter of a method that the header Mcp-Name repeats (SEP-2243, SEP-2663).
var nameOf = map[string]string{
	"tools/call": "name", "prompts/get": "name", "resources/read": "uri",
	"tasks/get": "taskId", "tasks/update": "taskId", "tasks/cancel": "taskId",
}

func (b *Bridge) modernHeader(c *call) http.Header {
	h := http.Header{}
	h.Set(headerVersion, c.modern)
	h.Set("Mcp-Method", c.method)
	if field, ok := nameOf[c.method]; ok {
		if raw := jsonrpc.Field(c.params, field); len(raw) > 0 && raw[0] == '"' {
			h.Set("Mcp-Name", headerValue(jsonrpc.Text(raw)))
		}
	}
	if c.method == "tools/call" {
		b.mu.Lock()
		params := b.tools[jsonrpc.Text(jsonrpc.Field(c.params, "name"))]
		b.mu.Unlock()
		for _, p := range params {
			if value, ok := p.value(c.params); ok {
				h.Set("Mcp-Param-"+p.header, headerValue(value))
			}
		}
	}
	return h
}

// headerValue writes a value so that a header can hold it (SEP-2243).
func headerValue(s string) string {
	const prefix, suffix = "=?base64?", "?="
	plain := s != "" && strings.TrimSpace(s) == s && !(strings.HasPrefix(s, prefix) && strings.HasSuffix(s, suffix)) &&
		!strings.ContainsFunc(s, func(r rune) bool { return r != '\t' && (r < ' ' || r > '~') })
	if plain {
		return s
	}
	return prefix + base64.StdEncoding.EncodeToString([]byte(s)) + suffix
}

// stateless passes a request of 2026-07-28 on.
func (b *Bridge) stateless(ctx context.Context, line []byte, c *call) error {
	s := b.none()
	resp, err := b.postModern(ctx, s, line, c)
	var f *failure
	if errors.As(err, &f) && f.code == codeMismatch && c.method == "tools/call" && c.reply == nil {
		b.relist(ctx, c) // the tool is not known yet, or has changed
		resp, err = b.postModern(ctx, s, line, c)
	}
	if err != nil {
		return b.probed(c, err)
	}
	defer resp.Body.Close()
	return b.receive(ctx, ctx, resp, s, []*call{c})
}

// postModern gives a good answer or a failure.
func (b *Bridge) postModern(ctx context.Context, s *session, line []byte, c *call) (*http.Response, error) {
	resp, err := b.post(ctx, s.way, s.way.url, line, b.modernHeader(c), c)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode/100 != 2 {
		defer resp.Body.Close()
		return nil, b.refused(resp)
	}
	return resp, nil
}

// probed turns the answer of a server that does not know server/discover into the one that says so over stdio, after which
// clients fall back to initialize.
func (b *Bridge) probed(c *call, err error) error {
	var f *failure
	if c.method != "server/discover" || !errors.As(err, &f) {
		return err
	}
	switch f.status {
	case http.StatusBadRequest, http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusNotAcceptable,
		http.StatusUnsupportedMediaType, http.StatusUnprocessableEntity:
		return &failure{code: codeNotFound, message: "Method not found"}
	}
	return err
}

// listen keeps subscriptions/listen open: its answer is a stream that lasts until either side ends the subscription. A stream
// that breaks is asked for again, and the client does not get the second acknowledgement.
func (b *Bridge) listen(run, ctx context.Context, c *call) error {
	var at place
	for known := false; ; {
		s := b.none()
		attempt, cancel := b.until(ctx, s.way)
		err := b.listenOnce(run, attempt, s, c, &at, &known)
		cancel()
		var f *failure
		switch _, unsent := errors.AsType[*goneError](err); {
		case answered([]*call{c}):
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		case unsent:
			continue
		case !known:
			return err
		case errors.As(err, &f) && (f.code != codeBridge || f.status != 0 && !passing(f.status)):
			return err
		}
		if !sleep(ctx, at.pause.next()) {
			return ctx.Err()
		}
	}
}

// listenOnce reads one stream of a subscription until it ends. known says that the client has been told that it stands.
func (b *Bridge) listenOnce(run, ctx context.Context, s *session, c *call, at *place, known *bool) error {
	resp, err := b.postModern(ctx, s, c.line, c)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if !isStream(resp) {
		return b.receive(run, ctx, resp, s, []*call{c})
	}
	again := *known
	err = at.drink(resp.Body, func(data []byte) (brought bool) {
		m, err := jsonrpc.ParseOne(data)
		acknowledged := err == nil && m.Method == "notifications/subscriptions/acknowledged"
		*known = *known || acknowledged
		if !acknowledged || !again {
			b.hear(data, 0)
		}
		return !acknowledged
	})
	if err == io.EOF {
		err = nil
	}
	if *known {
		b.log.Debug("the stream of a subscription has ended", "error", err)
		return nil
	}
	return b.cut(ctx, err)
}
