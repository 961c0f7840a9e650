package main_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// proxied is a running daemon before an MCP server behind a token check.
type proxied struct {
	*home
	oidc   *oidcPeer
	check  *tokenCheck
	daemon *running
}

func startProxied(t *testing.T, upstream string, ttl int, keep bool) *proxied {
	t.Helper()
	s := &proxied{home: newHome(t)}
	s.oidc = startOIDC(t, oidcOptions{Clients: []map[string]any{oidcClient("app", "client_secret_basic")}, TTL: ttl})
	valid := activeAt(t, s.oidc)
	if keep {
		valid = remember(valid)
	}
	s.check = startTokenCheck(t, upstream, valid)
	s.configure(server("web", attribute("url", s.check.URL), s.oidcGrant(s.oidc, "app")))
	s.daemon = s.home.daemon()
	return s
}

// A client that knows the local key alone works on, in one session, while the token is renewed twice.
func TestProxyAcrossRenewals(t *testing.T) {
	t.Parallel()
	for wire, tt := range map[string]struct {
		upstream string
		progress string
		args     map[string]any
	}{
		legacyWire: {startEverythingHTTP(t), "trigger-long-running-operation", map[string]any{"duration": 0.5, "steps": 3}},
		modernWire: {startModernHTTP(t), "count", map[string]any{"n": 3}},
	} {
		t.Run(wire, func(t *testing.T) {
			t.Parallel()
			s := startProxied(t, tt.upstream, 4, false)
			client := s.client(s.clientConfig("web", wire))
			if client.Wire != wire {
				t.Errorf("the wire is %s", client.Wire)
			}
			eventually(t, "three tokens were used in one session", func() bool {
				echo(t, client)
				if r := client.Call(tt.progress, tt.args); r.Progress != 3 || r.IsError || r.Failed != "" {
					t.Fatalf("%s: %+v", tt.progress, r)
				}
				return len(tokensSeen(s.check)) >= 3
			})
			s.private(tokensSeen(s.check)...)
			if err := client.Close(); err != nil {
				t.Errorf("closing the client: %v", err)
			}
		})
	}
}

// header adds fixed headers to each request.
type header map[string]string

func (h header) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	for name, value := range h {
		r.Header.Set(name, value)
	}
	return http.DefaultTransport.RoundTrip(r)
}

func TestProxyGoSDKClient(t *testing.T) {
	t.Parallel()
	for wire, upstream := range map[string]string{legacyWire: startEverythingHTTP(t), modernWire: startModernHTTP(t)} {
		t.Run(wire, func(t *testing.T) {
			t.Parallel()
			s := startProxied(t, upstream, 60, false)
			target := s.clientConfig("web", wire)
			ctx, cancel := context.WithTimeout(t.Context(), peerPatience)
			defer cancel()
			client := mcp.NewClient(&mcp.Implementation{Name: "go-peer", Version: "1"}, nil)
			session, err := client.Connect(ctx, &mcp.StreamableClientTransport{
				Endpoint: target.URL, HTTPClient: &http.Client{Transport: header(target.Headers)},
			}, nil)
			if err != nil {
				t.Fatal(err)
			}
			defer session.Close()
			if got := session.InitializeResult().ProtocolVersion; got != wire {
				t.Errorf("the wire is %s", got)
			}
			result, err := session.CallTool(ctx, &mcp.CallToolParams{Name: "echo", Arguments: map[string]any{"message": "hello"}})
			if err != nil || result.IsError || !strings.HasSuffix(result.Content[0].(*mcp.TextContent).Text, "hello") {
				t.Fatalf("echo: %v %v", result, err)
			}
			s.private(tokensSeen(s.check)...)
		})
	}
}

// While the authorization server is away a valid token stays in service; once it has expired, callers are told.
func TestProxyDuringOutage(t *testing.T) {
	t.Parallel()
	s := startProxied(t, startModernHTTP(t), 8, true)
	target := s.clientConfig("web", modernWire)
	client := s.client(target)
	echo(t, client)
	s.oidc.Stop()
	eventually(t, "the renewal fails and the token stays in service", func() bool {
		echo(t, client)
		return strings.Contains(s.daemon.stderr.String(), "Serving the present token of web while renewal fails")
	})
	echo(t, client)
	if n := len(tokensSeen(s.check)); n != 1 {
		t.Errorf("%d tokens were used", n)
	}
	s.private(tokensSeen(s.check)...)
	var status int
	var retryAfter, message string
	eventually(t, "the token has expired", func() bool {
		status, retryAfter, message = call(t, target)
		return status != http.StatusOK
	})
	if status != http.StatusServiceUnavailable || retryAfter == "" || !strings.HasPrefix(message, "OAuth token expired") {
		t.Errorf("status %d, Retry-After %q, error %q", status, retryAfter, message)
	}
}

// call sends one JSON-RPC request and gives the HTTP status and the JSON-RPC error.
func call(t *testing.T, target clientTarget) (status int, retryAfter, message string) {
	t.Helper()
	const body = `{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"echo","arguments":{"message":"hello"},
		"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{},
		"io.modelcontextprotocol/clientInfo":{"name":"t","version":"1"}}}}`
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, target.URL, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{"Content-Type": "application/json", "Accept": "application/json, text/event-stream",
		"MCP-Protocol-Version": modernWire, "Mcp-Method": "tools/call", "Mcp-Name": "echo",
		"Authorization": target.Headers["Authorization"]} {
		r.Header.Set(name, value)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	var rpc struct {
		ID    any
		Error struct{ Message string }
	}
	if err := json.Unmarshal(answer, &rpc); err != nil || rpc.ID != 7.0 && resp.StatusCode != http.StatusForbidden {
		t.Errorf("answer %s: %v", answer, err)
	}
	return resp.StatusCode, resp.Header.Get("Retry-After"), rpc.Error.Message
}

// Only who holds the local key of this server and client gets through.
func TestProxyCallersProveThemselves(t *testing.T) {
	t.Parallel()
	s := startProxied(t, startModernHTTP(t), 60, false)
	good := s.clientConfig("web", modernWire)
	wrong := func(change func(*clientTarget)) clientTarget {
		target := good
		target.Headers = map[string]string{"Authorization": good.Headers["Authorization"]}
		change(&target)
		return target
	}
	for name, target := range map[string]clientTarget{
		"no key":    wrong(func(c *clientTarget) { c.Headers["Authorization"] = "" }),
		"wrong key": wrong(func(c *clientTarget) { c.Headers["Authorization"] += "x" }),
		"the key of another server": wrong(func(c *clientTarget) {
			c.Headers["Authorization"] = strings.Replace(c.Headers["Authorization"], "default", "other", 1)
		}),
	} {
		if status, _, message := call(t, target); status != http.StatusForbidden || message == "" {
			t.Errorf("%s: %d %q", name, status, message)
		}
	}
	if len(s.check.Authorizations()) != 0 {
		t.Error("a request without a key reached upstream")
	}
	if status, _, message := call(t, good); status != http.StatusOK || message != "" {
		t.Errorf("with the key: %d %q", status, message)
	}
}
