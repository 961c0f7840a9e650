package demo

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"bearerd/cmd/internal/app"
	"bearerd/config"
	"bearerd/engine/oauth/oauthtest"
	"bearerd/secrets"
)

const protocol = "2025-11-25"

const whoamiCall = `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"whoami","arguments":{}}}`

// server is a small MCP server over Streamable HTTP, without sessions, with one tool.
type server struct {
	url    string
	as     *oauthtest.Server
	http   *http.Server
	served sync.WaitGroup

	mu     sync.Mutex
	expiry time.Time // of the token that was shown last; guarded by mu
}

func startServer(as *oauthtest.Server) (*server, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &server{url: "http://" + l.Addr().String() + "/mcp", as: as}
	s.http = &http.Server{Handler: s, ReadHeaderTimeout: 5 * time.Second}
	s.served.Go(func() { _ = s.http.Serve(l) })
	return s, nil
}

func (s *server) close() {
	_ = s.http.Close()
	s.served.Wait()
}

func (s *server) lastExpiry() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.expiry
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	bare := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	grant, ok := s.as.Introspect(bare)
	switch {
	case !ok:
		w.Header().Set("WWW-Authenticate", `Bearer error="invalid_token"`)
		http.Error(w, "a valid token is needed", http.StatusUnauthorized)
		return
	case r.URL.Path != "/mcp":
		http.NotFound(w, r)
		return
	case r.Method != http.MethodPost:
		http.Error(w, "no stream is offered", http.StatusMethodNotAllowed)
		return
	}
	s.mu.Lock()
	s.expiry = grant.Expiry
	s.mu.Unlock()
	var request rpc
	if err := json.NewDecoder(io.LimitReader(r.Body, 1<<20)).Decode(&request); err != nil {
		http.Error(w, "not JSON-RPC", http.StatusBadRequest)
		return
	}
	if request.ID == nil {
		w.WriteHeader(http.StatusAccepted)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(reply(request, bare, grant))
}

// rpc is a JSON-RPC message.
type rpc struct {
	Version string          `json:"jsonrpc"`
	ID      json.RawMessage `json:"id,omitempty"`
	Method  string          `json:"method,omitempty"`
	Params  any             `json:"params,omitempty"`
	Result  any             `json:"result,omitempty"`
	Error   any             `json:"error,omitempty"`
}

type object = map[string]any

func reply(request rpc, token string, grant oauthtest.Grant) rpc {
	answer := rpc{Version: "2.0", ID: request.ID}
	switch request.Method {
	case "initialize":
		answer.Result = object{
			"protocolVersion": protocol, "capabilities": object{"tools": object{}},
			"serverInfo": object{"name": "bearerd-demo", "version": "1"},
		}
	case "tools/list":
		answer.Result = object{"tools": []object{{
			"name": "whoami", "description": "Tells which token the request carried.", "inputSchema": object{"type": "object"},
		}}}
	case "tools/call":
		text := fmt.Sprintf("you are %s, with token %s, valid until %s", grant.ClientID, secrets.New(token).Fingerprint(),
			grant.Expiry.Format("15:04:05"))
		answer.Result = object{"content": []object{{"type": "text", "text": text}}}
	default:
		answer.Error = object{"code": -32601, "message": "unknown method"}
	}
	return answer
}

// client is an MCP client that knows the proxy and the local key, and no OAuth.
type client struct{ url, key string }

func newClient(url, key string) *client { return &client{url, key} }

// whoami begins a session and calls the tool.
func (c *client) whoami(ctx context.Context) (string, error) {
	hello := rpc{Version: "2.0", ID: json.RawMessage("0"), Method: "initialize", Params: object{
		"protocolVersion": protocol, "capabilities": object{}, "clientInfo": object{"name": "bearerd-demo", "version": "1"},
	}}
	if err := c.post(ctx, hello, &rpc{}); err != nil {
		return "", err
	}
	if err := c.post(ctx, rpc{Version: "2.0", Method: "notifications/initialized"}, nil); err != nil {
		return "", err
	}
	var call rpc
	if err := json.Unmarshal([]byte(whoamiCall), &call); err != nil {
		return "", err
	}
	var result struct {
		Content []struct{ Text string }
	}
	if err := c.post(ctx, call, &rpc{Result: &result}); err != nil {
		return "", err
	}
	if len(result.Content) != 1 {
		return "", errors.New("the tool gave no answer")
	}
	return result.Content[0].Text, nil
}

func (c *client) post(ctx context.Context, message rpc, answer *rpc) error {
	body, err := json.Marshal(message)
	if err != nil {
		return err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	r.Header.Set("Authorization", "Bearer "+c.key)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept", "application/json, text/event-stream")
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return err
	}
	if resp.StatusCode >= 300 {
		return fmt.Errorf("%s answered %s: %s", message.Method, resp.Status, b)
	}
	if answer == nil {
		return nil
	}
	return json.Unmarshal(b, answer)
}

// refuses checks that the MCP server does not answer without a token.
func refuses(ctx context.Context, url string) error {
	err := (&client{url: url}).post(ctx, rpc{Version: "2.0", ID: json.RawMessage("0"), Method: "initialize"}, nil)
	if err == nil || !strings.Contains(err.Error(), "401") {
		return fmt.Errorf("the MCP server was to answer 401 without a token, but: %v", err)
	}
	return nil
}

// localKey asks the daemon's store for the key, as `bearerd client-config` does.
func localKey(ctx context.Context, cfg *config.Config) (string, error) {
	return app.LocalKey(ctx, cfg, "demo", "demo")
}
