package doctor

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"time"

	"bearerd/secrets"
)

// What is said to an MCP server.
const (
	versionSessions  = "2025-11-25"
	versionStateless = "2026-07-28"
	maxAnswer        = 16 << 20
	maxPages         = 50 // of tools/list
	maxCursor        = 4 << 10
	maxEvents        = 64 << 10 // of them, until the first with a name
	farewell         = 2 * time.Second
	speaksStateless  = "it speaks MCP " + versionStateless + ", which has no sessions"
)

// wire is the Streamable HTTP transport of MCP, as little of it as two questions need.
type wire struct {
	client  *http.Client
	url     string
	header  http.Header // that is configured
	token   secrets.Secret
	inQuery bool // the token travels in the query, as from the proxy
	note    func(host string, h http.Header, at time.Time)
	session string
	version string
	asked   int
	modern  bool // the wire of 2026-07-28: every request says for itself what a session would
}

// reply is the answer to a request: the HTTP part of it, and the JSON-RPC response in it, if there is one.
type reply struct {
	status  int
	header  http.Header
	kind    string // of the content
	message *response
}

// response is a JSON-RPC response.
type response struct {
	ID     json.RawMessage `json:"id"`
	Result json.RawMessage `json:"result"`
	Error  *struct {
		Code    int    `json:"code"`
		Message string `json:"message"`
	} `json:"error"`
}

func (r *reply) ok() bool {
	return r.status/100 == 2 && r.message != nil && r.message.Error == nil && len(r.message.Result) > 0
}

// call asks for a method. params is a JSON object.
func (w *wire) call(ctx context.Context, method string, params map[string]any) (*reply, error) {
	w.asked++
	h := http.Header{}
	if w.modern {
		h.Set("Mcp-Protocol-Version", versionStateless)
		h.Set("Mcp-Method", method)
		describe(params)
	}
	body, err := json.Marshal(map[string]any{"jsonrpc": "2.0", "id": w.asked, "method": method, "params": params})
	if err != nil {
		return nil, err
	}
	return w.send(ctx, http.MethodPost, body, h)
}

// describe says in the parameters of a request what the wire of 2026-07-28 wants in each.
func describe(params map[string]any) {
	params["_meta"] = map[string]any{
		"io.modelcontextprotocol/protocolVersion":    versionStateless,
		"io.modelcontextprotocol/clientInfo":         whoAsks,
		"io.modelcontextprotocol/clientCapabilities": map[string]any{},
	}
}

var whoAsks = map[string]any{"name": "bearerd-doctor", "version": "1"}

// notify says what wants no answer.
func (w *wire) notify(ctx context.Context, method string) error {
	body, err := json.Marshal(map[string]any{"jsonrpc": "2.0", "method": method})
	if err == nil {
		_, err = w.send(ctx, http.MethodPost, body, http.Header{})
	}
	return err
}

// end ends the session, if there is one. Whether that works does not matter: the server forgets it in time.
func (w *wire) end(ctx context.Context) {
	if w.session == "" {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), farewell)
	defer cancel()
	_, _ = w.send(ctx, http.MethodDelete, nil, http.Header{})
	w.session = ""
}

// authorize puts the token where the proxy puts it.
func (w *wire) authorize(r *http.Request) {
	switch token := w.token.Reveal(); {
	case w.token.IsZero():
	case w.inQuery:
		if r.URL.RawQuery != "" {
			r.URL.RawQuery += "&"
		}
		r.URL.RawQuery += "access_token=" + url.QueryEscape(token)
		r.Header.Set("Cache-Control", "no-store") // RFC 6750 §2.3
	default:
		r.Header.Set("Authorization", "Bearer "+token)
	}
}

// send makes one HTTP request.
func (w *wire) send(ctx context.Context, method string, body []byte, h http.Header) (*reply, error) {
	r, err := http.NewRequestWithContext(ctx, method, w.url, bytes.NewReader(body))
	if err != nil {
		return nil, errors.New("the address cannot be used")
	}
	r.Header = w.header.Clone()
	for name := range h {
		r.Header[name] = h[name]
	}
	r.Header.Set("User-Agent", "bearerd")
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Accept", "application/json, text/event-stream")
	}
	if w.session != "" {
		r.Header.Set("Mcp-Session-Id", w.session)
	}
	if w.version != "" {
		r.Header.Set("Mcp-Protocol-Version", w.version)
	}
	w.authorize(r)
	resp, err := w.client.Do(r)
	if err != nil {
		if u, ok := errors.AsType[*url.Error](err); ok {
			err = u.Err // its text shows the whole address
		}
		return nil, err
	}
	defer resp.Body.Close()
	w.note(r.URL.Host, resp.Header, time.Now())
	a := &reply{status: resp.StatusCode, header: resp.Header}
	a.kind, _, _ = mime.ParseMediaType(resp.Header.Get("Content-Type"))
	if id := resp.Header.Get("Mcp-Session-Id"); id != "" && a.status/100 == 2 {
		w.session = id
	}
	if method == http.MethodPost && resp.StatusCode != http.StatusAccepted {
		a.message, err = read(resp.Body, a.kind, w.asked)
	}
	if err != nil && resp.StatusCode/100 == 2 {
		return nil, err
	}
	return a, nil
}

// read finds the response to a request in the body of an answer; nil: there is none.
func read(body io.Reader, kind string, id int) (*response, error) {
	body = io.LimitReader(body, maxAnswer)
	if kind != "text/event-stream" {
		text, err := io.ReadAll(body)
		return parse(text, id), err
	}
	var data []byte
	lines := bufio.NewReader(body)
	for {
		line, err := lines.ReadString('\n')
		text := strings.TrimRight(line, "\r\n")
		if part, ok := strings.CutPrefix(text, "data:"); ok {
			data = append(append(data, strings.TrimPrefix(part, " ")...), '\n')
		}
		if text == "" || err != nil { // the end of an event
			if m := parse(data, id); m != nil {
				return m, nil
			}
			data = nil
		}
		if errors.Is(err, io.EOF) {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
	}
}

// parse reads a response to a request; nil: it is none.
func parse(text []byte, id int) *response {
	var m response
	if json.Unmarshal(text, &m) != nil || m.Result == nil && m.Error == nil {
		return nil
	}
	if m.Error == nil && string(m.ID) != fmt.Sprint(id) {
		return nil
	}
	return &m
}

// listing is what came of tools/list.
type listing struct {
	tools int
	fault *response // instead of a page
	odd   string    // why the list was not read to its end
}

// listTools asks for the tools, page by page.
func listTools(ask func(method string, params map[string]any) (*response, error)) (l listing, err error) {
	params, seen := map[string]any{}, map[string]bool{}
	for range maxPages {
		m, err := ask(stepTools, params)
		if err != nil || m == nil || m.Error != nil {
			l.fault = m
			return l, err
		}
		var page struct {
			Tools  []json.RawMessage `json:"tools"`
			Cursor string            `json:"nextCursor"`
		}
		if json.Unmarshal(m.Result, &page) != nil {
			return l, errors.New("the answer holds no list of tools")
		}
		l.tools += len(page.Tools)
		switch {
		case page.Cursor == "":
			return l, nil
		case len(page.Cursor) > maxCursor:
			l.odd = fmt.Sprintf("a nextCursor has more than %d KiB", maxCursor>>10)
			return l, nil
		case seen[page.Cursor]:
			l.odd = "a nextCursor comes twice"
			return l, nil
		}
		seen[page.Cursor] = true
		params = map[string]any{"cursor": page.Cursor}
	}
	l.odd = fmt.Sprintf("it has more than %d pages", maxPages)
	return l, nil
}

// begin are the parameters of initialize.
func begin() map[string]any {
	return map[string]any{"protocolVersion": versionSessions, "capabilities": map[string]any{}, "clientInfo": whoAsks}
}

// serverOf is what a server says of itself in its answer to initialize, and the version agreed on.
func serverOf(result json.RawMessage) (name, version string) {
	var r struct {
		Version string                         `json:"protocolVersion"`
		Info    struct{ Name, Version string } `json:"serverInfo"`
	}
	_ = json.Unmarshal(result, &r) // what is missing is ""
	return strings.TrimSpace(r.Info.Name + " " + r.Info.Version), r.Version
}
