package main_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// tokenAnswer is what the token endpoint says.
type tokenAnswer struct {
	AccessToken string `json:"access_token"`
	TokenType   string `json:"token_type"`
	ExpiresIn   int    `json:"expires_in"`
	Scope       string `json:"scope"`
	Error       string `json:"error"`
	Status      int    `json:"-"`
}

// post sends a form by plain net/http, with the secret where auth says.
func post(t *testing.T, client *http.Client, endpoint, id, auth string, form url.Values) (answer tokenAnswer) {
	t.Helper()
	switch auth {
	case "client_secret_post":
		form.Set("client_secret", oidcSecret(id))
		fallthrough
	case "tls_client_auth":
		form.Set("client_id", id)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, endpoint, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("X-Correlation-ID", "correlation-"+id)
	if auth == "client_secret_basic" {
		req.SetBasicAuth(url.QueryEscape(id), url.QueryEscape(oidcSecret(id)))
	}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	answer.Status = resp.StatusCode
	if strings.HasPrefix(resp.Header.Get("Content-Type"), "application/json") {
		if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
			t.Fatal(err)
		}
	}
	return answer
}

func TestPeersOIDCClientAuthentication(t *testing.T) {
	p := startOIDC(t, oidcOptions{
		Clients: []map[string]any{
			oidcClient("basic", "client_secret_basic"),
			oidcClient("post", "client_secret_post"),
			oidcClient("mtls", "tls_client_auth"),
			certificateBound(oidcClient("bound", "client_secret_basic")),
		},
		Scopes: []string{"read", "write"},
		TTL:    30,
	})
	for _, tt := range []struct {
		id, auth    string
		certificate bool
		status      int
	}{
		{"basic", "client_secret_basic", false, 200},
		{"post", "client_secret_post", false, 200},
		{"mtls", "tls_client_auth", true, 200},
		{"bound", "client_secret_basic", true, 200},
		{"basic", "client_secret_post", false, 401}, // not the registered method
		{"post", "client_secret_basic", false, 401},
		{"mtls", "tls_client_auth", false, 401},
		{"bound", "client_secret_basic", false, 400},
	} {
		form := url.Values{"grant_type": {"client_credentials"}, "scope": {"read"}}
		got := post(t, p.httpClient(t, tt.certificate), p.TokenURL, tt.id, tt.auth, form)
		if got.Status != tt.status {
			t.Errorf("%+v: %d %s", tt, got.Status, got.Error)
		}
		if tt.status != http.StatusOK {
			continue
		}
		if got.TokenType != "Bearer" || got.ExpiresIn != 30 || got.Scope != "read" {
			t.Errorf("%+v: %s, %d s, scope %q", tt, got.TokenType, got.ExpiresIn, got.Scope)
		}
		about := p.Introspect(t, got.AccessToken)
		if about["active"] != true || about["client_id"] != tt.id || (about["cnf"] != nil) != (tt.id == "bound") {
			t.Errorf("%+v: introspection says %v", tt, about)
		}
	}
	seen := p.Requests(t, p.TokenURL, "post")
	want := []oidcRequest{
		{"/token", 200, "post", "client_secret_post", []string{}, "read", "correlation-post"},
		{"/token", 401, "post", "client_secret_basic", []string{}, "read", "correlation-post"},
	}
	if !reflect.DeepEqual(seen, want) {
		t.Errorf("requests of client post: %+v", seen)
	}
}

func TestPeersOIDCRevocationAndExpiry(t *testing.T) {
	const shortLived = "https://short.example.test/"
	p := startOIDC(t, oidcOptions{
		Clients:   []map[string]any{oidcClient("c", "client_secret_basic")},
		Resources: map[string]oidcResource{shortLived: {TTL: 1}},
	})
	grant := url.Values{"grant_type": {"client_credentials"}}
	revoked := post(t, p.client, p.TokenURL, "c", "client_secret_basic", grant).AccessToken
	if !p.Active(t, revoked) {
		t.Fatal("a new token is not active")
	}
	revoke := func(token string) int {
		return post(t, p.client, p.RevocationURL, "c", "client_secret_basic", url.Values{"token": {token}}).Status
	}
	if got := revoke(revoked); got != http.StatusOK {
		t.Fatalf("revocation: %d", got)
	}
	if p.Active(t, revoked) {
		t.Error("a revoked token is active")
	}
	if got := revoke("unknown"); got != http.StatusOK {
		t.Errorf("revocation of an unknown token: %d", got)
	}

	grant.Set("resource", shortLived)
	expiring := post(t, p.client, p.TokenURL, "c", "client_secret_basic", grant)
	if expiring.ExpiresIn != 1 {
		t.Errorf("a token of one second: %d %s, %d s", expiring.Status, expiring.Error, expiring.ExpiresIn)
	}
	for deadline := time.Now().Add(peerPatience); p.Active(t, expiring.AccessToken); {
		if time.Now().After(deadline) {
			t.Fatal("a token of one second does not expire")
		}
	}
}

func TestPeersOIDCResourceIndicator(t *testing.T) {
	const resource = "https://mcp.example.test/mcp"
	p := startOIDC(t, oidcOptions{
		Clients:   []map[string]any{oidcClient("c", "client_secret_basic")},
		Scopes:    []string{"read", "write"},
		Resources: map[string]oidcResource{resource: {Scope: "read", TTL: 7}},
	})
	ask := func(resources ...string) tokenAnswer {
		return post(t, p.client, p.TokenURL, "c", "client_secret_basic",
			url.Values{"grant_type": {"client_credentials"}, "scope": {"read write"}, "resource": resources})
	}
	got := ask(resource)
	if got.Scope != "read" || got.ExpiresIn != 7 {
		t.Errorf("for the resource: %d %s, scope %q, %d s", got.Status, got.Error, got.Scope, got.ExpiresIn)
	}
	if aud := p.Introspect(t, got.AccessToken)["aud"]; aud != resource {
		t.Errorf("aud = %v", aud)
	}
	for _, bad := range [][]string{{"https://other.example.test/"}, {resource, "https://other.example.test/"}} {
		if got := ask(bad...); got.Error != "invalid_target" {
			t.Errorf("for %v: %+v", bad, got)
		}
	}
}

func TestPeersOIDCPlainHTTP(t *testing.T) {
	p := startOIDC(t, oidcOptions{Clients: []map[string]any{oidcClient("c", "client_secret_post")}, PlainHTTP: true})
	got := post(t, p.client, p.TokenURL, "c", "client_secret_post", url.Values{"grant_type": {"client_credentials"}})
	if !strings.HasPrefix(p.TokenURL, "http://127.0.0.1:") || !p.Active(t, got.AccessToken) {
		t.Errorf("%s: %d %s", p.TokenURL, got.Status, got.Error)
	}
	p.Stop()
	if _, err := p.client.Get(p.TokenURL); err == nil {
		t.Error("a stopped server answers")
	}
}

func TestPeersClientThroughTokenCheck(t *testing.T) {
	good := map[string]string{"Authorization": "Bearer good"}
	long := map[string]any{"duration": 0.2, "steps": 3}
	for _, tt := range []struct {
		wire, echo, slow string
		slowArguments    map[string]any
		upstream         func(testing.TB) string
	}{
		{legacyWire, "Echo: hello", "trigger-long-running-operation", long, startEverythingHTTP},
		{modernWire, "hello", "count", map[string]any{"n": 3}, startModernHTTP},
	} {
		t.Run(tt.wire, func(t *testing.T) {
			check := startTokenCheck(t, tt.upstream(t), func(token string) bool { return token == "good" })
			c := startClient(t, clientTarget{URL: check.URL, Headers: good, Wire: tt.wire})
			if c.Failed != "" || c.Wire != tt.wire || !slices.Contains(c.Tools, "echo") {
				t.Fatalf("connected: %+v", c)
			}
			if got := c.Call("echo", map[string]any{"message": "hello"}); got.Text != tt.echo {
				t.Errorf("echo: %+v", got)
			}
			if got := c.Call(tt.slow, tt.slowArguments); got.Progress != 3 || got.IsError {
				t.Errorf("%s: %+v", tt.slow, got)
			}
			if err := c.Close(); err != nil {
				t.Errorf("closing: %v", err)
			}
			if seen := check.Authorizations(); slices.ContainsFunc(seen, func(h string) bool { return h != "Bearer good" }) {
				t.Errorf("seen: %q", seen)
			}
			refused := startClient(t, clientTarget{URL: check.URL, Wire: tt.wire})
			if refused.Failed == "" || refused.Close() == nil {
				t.Errorf("without a token: %+v", refused)
			}
		})
	}
}

func TestPeersModernSeesAuthorization(t *testing.T) {
	url := startModernHTTP(t)
	target := clientTarget{URL: url, Headers: map[string]string{"Authorization": "Bearer seen"}, Wire: modernWire}
	if got := runClient(t, target, "whoami", nil); got != "Bearer seen" {
		t.Errorf("whoami: %q", got)
	}
	target.Wire = legacyWire
	if c := startClient(t, target); c.Failed == "" {
		t.Errorf("the modern server accepts the legacy wire: %+v", c)
	}
}

func TestPeersEverythingStdio(t *testing.T) {
	command := everythingCommand(t)
	target := clientTarget{
		Command: command[0], Args: command[1:], Wire: legacyWire, Env: map[string]string{"PEERS_CANARY": "chirp"},
	}
	var env map[string]string
	if err := json.Unmarshal([]byte(runClient(t, target, "get-env", nil)), &env); err != nil {
		t.Fatal(err)
	}
	if env["PEERS_CANARY"] != "chirp" {
		t.Errorf("get-env: %v", env)
	}
}

func TestPeersEverythingSSE(t *testing.T) {
	check := startTokenCheck(t, startEverythingSSE(t), func(token string) bool { return token == "good" })
	resp := get(t, check.URL, "Bearer bad")
	challenge := resp.Header.Get("WWW-Authenticate")
	if resp.StatusCode != http.StatusUnauthorized || !strings.HasPrefix(challenge, `Bearer error="invalid_token"`) {
		t.Errorf("a bad token: %s %v", resp.Status, resp.Header)
	}
	if resp = get(t, check.URL, "Bearer good"); resp.Header.Get("Content-Type") != "text/event-stream" {
		t.Errorf("a good token: %s %v", resp.Status, resp.Header)
	}
}

func get(t *testing.T, url, authorization string) *http.Response {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", authorization)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { resp.Body.Close() })
	return resp
}

// bearer adds a header to each request, for clients that cannot be told to.
type bearer string

func (b bearer) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+string(b))
	return http.DefaultTransport.RoundTrip(r)
}

func TestPeersGoSDKClient(t *testing.T) {
	for wire, upstream := range map[string]string{legacyWire: startEverythingHTTP(t), modernWire: startModernHTTP(t)} {
		t.Run(wire, func(t *testing.T) {
			check := startTokenCheck(t, upstream, func(token string) bool { return token == "good" })
			ctx, cancel := context.WithTimeout(t.Context(), peerPatience)
			defer cancel()
			client := mcp.NewClient(&mcp.Implementation{Name: "go-sdk", Version: "1"}, nil)
			session, err := client.Connect(ctx, &mcp.StreamableClientTransport{
				Endpoint: check.URL, HTTPClient: &http.Client{Transport: bearer("good")},
			}, nil)
			if err != nil {
				t.Fatal(err)
			}
			defer session.Close()
			if got := session.InitializeResult().ProtocolVersion; got != wire {
				t.Errorf("the wire is %s", got)
			}
			hello := map[string]any{"message": "hello"}
			result, err := session.CallTool(ctx, &mcp.CallToolParams{Name: "echo", Arguments: hello})
			if err != nil || result.IsError {
				t.Fatalf("echo: %v %v", result, err)
			}
			if text, ok := result.Content[0].(*mcp.TextContent); !ok || !strings.HasSuffix(text.Text, "hello") {
				t.Errorf("echo: %v", result.Content)
			}
		})
	}
}

func TestPeersMCPRemote(t *testing.T) {
	for _, tt := range []struct {
		wire, upstream, echo string
	}{
		{legacyWire, startEverythingHTTP(t), "Echo: hello"},
		{modernWire, startModernHTTP(t), "hello"},
	} {
		check := startTokenCheck(t, tt.upstream, func(token string) bool { return token == "good" })
		command := append(mcpRemoteCommand(t), check.URL, "--protocol", "auto", "--header", "Authorization:${CANARY_HEADER}")
		got := runClient(t, clientTarget{
			Command: command[0], Args: command[1:], Wire: tt.wire,
			Env: map[string]string{"CANARY_HEADER": "Bearer good", "MCP_REMOTE_CONFIG_DIR": t.TempDir()},
		}, "echo", map[string]any{"message": "hello"})
		if got != tt.echo {
			t.Errorf("%s: echo: %q", tt.wire, got)
		}
	}
}
