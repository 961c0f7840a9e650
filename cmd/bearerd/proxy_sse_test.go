package main_test

import (
	"context"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// sseProxied is a running daemon before a server that speaks the older HTTP+SSE transport alone.
func sseProxied(t *testing.T, ttl int) *proxied {
	t.Helper()
	return startProxied(t, startEverythingSSE(t), ttl, false)
}

// works makes calls whose answers and notifications come by the stream. The SDK drops the last notification when the answer
// comes in the same piece.
func works(t *testing.T, c *peerClient) {
	t.Helper()
	echo(t, c)
	if r := c.Call("trigger-long-running-operation", map[string]any{"duration": 0.5, "steps": 3}); r.Progress < 2 || r.IsError || r.Failed != "" {
		t.Fatalf("a long operation: %+v", r)
	}
}

// A client of the older transport works on, in one session and one stream, while the token is renewed twice.
func TestProxySSEAcrossRenewals(t *testing.T) {
	t.Parallel()
	s := sseProxied(t, 4)
	target := s.clientConfig("web", legacyWire)
	target.SSE = true
	remote := mcpRemoteCommand(t)
	for name, target := range map[string]clientTarget{
		"sdk": target,
		"mcp-remote": {
			Command: remote[0], Wire: legacyWire,
			Args: append(slices.Clone(remote[1:]), target.URL, "--transport", "sse-only", "--allow-http", "--header", "Authorization:${LOCAL_KEY}"),
			Env: map[string]string{"LOCAL_KEY": target.Headers["Authorization"], "MCP_REMOTE_CONFIG_DIR": t.TempDir(),
				"PATH": os.Getenv("PATH")},
		},
	} {
		client := s.client(target)
		before := len(tokensSeen(s.check))
		eventually(t, name+": two more tokens were used in one session", func() bool {
			works(t, client)
			return len(tokensSeen(s.check)) >= before+2
		})
		if err := client.Close(); err != nil {
			t.Errorf("%s: closing the client: %v", name, err)
		}
	}
	s.private(tokensSeen(s.check)...)
}

// A reload does not end a session: not one that concerns another server, nor one of this server's headers.
func TestProxySSEAcrossReloads(t *testing.T) {
	t.Parallel()
	s := sseProxied(t, 60)
	target := s.clientConfig("web", legacyWire)
	target.SSE = true
	client := s.client(target)
	works(t, client)
	grant := s.oidcGrant(s.oidc, "app")
	web, other := server("web", attribute("url", s.check.URL), grant), server("other", attribute("url", s.check.URL))
	edited := server("web", attribute("url", s.check.URL), attribute("headers", map[string]string{"X-Version": "2"}), grant)
	for _, servers := range [][]string{{web, other}, {edited, other}, {edited}} {
		s.apply(servers...)
		works(t, client)
	}
	streams := 0
	for _, path := range s.check.paths() {
		if path == "GET /sse" {
			streams++
		}
	}
	if streams != 1 {
		t.Errorf("the client has opened %d streams", streams)
	}
	s.private(tokensSeen(s.check)...)
}

// go-sdk's client resolves the address for messages in its own way.
func TestProxySSEGoSDKClient(t *testing.T) {
	t.Parallel()
	s := sseProxied(t, 60)
	if snippet := s.ok("client-config", "web"); !strings.Contains(snippet, `"type": "sse"`) {
		t.Errorf("client-config does not say that the server speaks the older transport") // it holds a key
	}
	target := s.clientConfig("web", legacyWire)
	ctx, cancel := context.WithTimeout(t.Context(), peerPatience)
	defer cancel()
	session, err := mcp.NewClient(&mcp.Implementation{Name: "go-peer", Version: "1"}, nil).Connect(ctx, &mcp.SSEClientTransport{
		Endpoint: target.URL, HTTPClient: &http.Client{Transport: header(target.Headers)},
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer session.Close()
	result, err := session.CallTool(ctx, &mcp.CallToolParams{Name: "echo", Arguments: map[string]any{"message": "hello"}})
	if err != nil || result.IsError || !strings.HasSuffix(result.Content[0].(*mcp.TextContent).Text, "hello") {
		t.Fatalf("echo: %v %v", result, err)
	}
	s.private(tokensSeen(s.check)...)
}
