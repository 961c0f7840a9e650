package admin

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"bearerd/config"
)

// What is wrong with a request is named by its path, and nothing is made.
func TestWrongRequestsNameTheField(t *testing.T) {
	h := newHouse(t)
	for _, c := range []struct {
		field, says string
		changes     map[string]any
	}{
		{"colour", "no such field", map[string]any{"colour": "red"}},
		{"Name", "no such field", map[string]any{"Name": "tracker"}},
		{"oauth_config.foo", "no such field", map[string]any{"oauth_config.foo": 1}},
		{"oauth_config.Client_ID", "no such field", map[string]any{"oauth_config.Client_ID": "x"}},
		{"name", "a string is needed", map[string]any{"name": 7}},
		{"name", "letters, digits", map[string]any{"name": nil}},
		{"name", "letters, digits", map[string]any{"name": "../x"}},
		{"name", "letters, digits", map[string]any{"name": "oauth_cfg.x"}},
		{"name", "letters, digits", map[string]any{"name": strings.Repeat("x", 65)}},
		{"connection_type", "one of http, sse, stdio", map[string]any{"connection_type": "tcp"}},
		{"connection_type", "a string is needed", map[string]any{"connection_type": []string{"http"}}},
		{"connection_string", "is needed", map[string]any{"connection_string": nil}},
		{"connection_string", "http", map[string]any{"connection_string": "ftp://x"}},
		{"connection_string", "user name", map[string]any{"connection_string": "https://u:p@example.com/"}},
		{"auth_type", "one of oauth, headers, none", map[string]any{"auth_type": "basic"}},
		{"oauth_config", "OAuth configuration is required when auth_type is 'oauth'", map[string]any{"oauth_config": nil}},
		{"oauth_config", "an object is needed", map[string]any{"oauth_config": "x"}},
		{"oauth_config", "belongs to auth_type", map[string]any{"auth_type": "none"}},
		{"headers", "headers are required", map[string]any{"auth_type": "headers", "oauth_config": nil}},
		{"headers", "set auth_type", map[string]any{"auth_type": "none", "oauth_config": nil, "headers": map[string]string{"X-A": "b"}}},
		{"headers", "Authorization", map[string]any{"headers": map[string]string{"Authorization": "b"}}},
		{"headers.X-A", "one line", map[string]any{"headers": map[string]string{"X-A": "b\nc"}}},
		{"headers.X-A", "a string is needed", map[string]any{"headers": map[string]any{"X-A": 1}}},
		{"headers.a b", "cannot be kept", map[string]any{"headers": map[string]string{"a b": "c"}}},
		{"headers.a/b", "cannot be kept", map[string]any{"headers": map[string]string{"a/b": "c"}}},
		{"tools_to_execute", "every tool", map[string]any{"tools_to_execute": []string{}}},
		{"tools_to_execute", "every tool", map[string]any{"tools_to_execute": []string{"echo"}}},
		{"tools_to_execute", "a list of strings", map[string]any{"tools_to_execute": "*"}},
		{"tools_to_execute", "a list of strings", map[string]any{"tools_to_execute": []any{"*", nil}}},
		{"oauth_config.client_secret", "one line", map[string]any{"oauth_config.client_secret": "a\nb"}},
		{"oauth_config.client_secret", "a string is needed", map[string]any{"oauth_config.client_secret": true}},
		{"oauth_config.scopes", "a list of strings", map[string]any{"oauth_config.scopes": "a b"}},
		{"oauth_config.scopes", "without spaces", map[string]any{"oauth_config.scopes": []string{"a b"}}},
		{"oauth_config.scopes", "without spaces", map[string]any{"oauth_config.scopes": []string{""}}},
		{"oauth_config.token_url", "must start with", map[string]any{"oauth_config.token_url": "auth.example.com"}},
		{"oauth_config.authorize_url", "must start with", map[string]any{"oauth_config.authorize_url": "javascript:alert(1)"}},
		{"oauth_config.token_url", "HTTPS", map[string]any{"connection_string": "https://mcp.example.com/mcp",
			"oauth_config.token_url": "http://auth.example.com/t", "oauth_config.enforce_https": nil}},
		{"oauth_config.enforce_https", "HTTPS", map[string]any{"connection_string": "https://mcp.example.com/mcp", "oauth_config.oauth_version": "2.1"}},
		{"oauth_config.enforce_https", "true or false", map[string]any{"oauth_config.enforce_https": "no"}},
		{"oauth_config.use_basic_auth", "true or false", map[string]any{"oauth_config.use_basic_auth": 1}},
		{"oauth_config.oauth_version", "2.1", map[string]any{"oauth_config.oauth_version": "3"}},
		{"oauth_config.grant_type", "client_credentials", map[string]any{"oauth_config.grant_type": "password"}},
		{"oauth_config.refresh_token", "", map[string]any{"oauth_config.grant_type": "refresh_token"}},
		{"oauth_config.redirect_uri", "bearerd's own", map[string]any{"oauth_config.redirect_uri": "https://evil.example/callback"}},
		{"stdio_config", "belongs to connection_type", map[string]any{"stdio_config": map[string]any{}}},
		{"connection_string", "in stdio_config", map[string]any{"connection_type": "stdio"}},
		{"stdio_config.command", "is needed", map[string]any{"connection_type": "stdio", "connection_string": nil}},
		{
			"stdio_config.command", "allow_stdio",
			map[string]any{"connection_type": "stdio", "connection_string": nil, "stdio_config": map[string]any{"command": "sh"}},
		},
		{"connection_string", "admin { allow_private", map[string]any{"connection_string": "https://10.0.0.1/mcp"}},
		{"oauth_config.token_url", "", map[string]any{"oauth_config.token_url": "https://169.254.169.254/latest"}},
		{"oauth_config.authorize_url", "percent-encoded", map[string]any{"oauth_config.authorize_url": "https://auth.example.com/a?a=%"}},
		{"oauth_config.authorize_url", "percent-encoded", map[string]any{"oauth_config.authorize_url": "https://auth.example.com/ä"}},
		{"oauth_config.authorize_url", "at most 2048", map[string]any{"oauth_config.authorize_url": "https://auth.example.com/" + strings.Repeat("a", 2<<10)}},
		{"oauth_config.authorize_url", "allow_private", map[string]any{"oauth_config.authorize_url": "https://192.168.1.1/a"}},
	} {
		status, answer := h.send(http.MethodPost, "/api/mcp/client", h.wants(c.changes))
		var p Problem
		_ = json.Unmarshal(answer, &p)
		if status != http.StatusBadRequest || p.Field != c.field || !strings.Contains(p.Error, c.says) {
			t.Errorf("%v: %d %s, want the field %s and %q", c.changes, status, answer, c.field, c.says)
		}
	}
	h.wantNothingOf("tracker")
	if n := len(h.as.Requests()); n > 0 {
		t.Errorf("%d requests went out", n)
	}
}

func TestWhatIsNoJSONObjectIsRefused(t *testing.T) {
	h := newHouse(t)
	for body, says := range map[string]string{
		"": "goes wrong at byte 0", "{": "not one JSON object", "[]": "an object is needed", "null": "an object is needed", "7": "an object is needed",
		`{"name":"a"} x`: "not one JSON object", `{"name":"a"}{}`: "not one JSON object", `{"name":"a","name":"b"}`: "name: it is written twice",
		`{"name":"a","connection_string":"https://x/","oauth_config":{"scopes":[],"scopes":[]}}`: "oauth_config.scopes: it is written twice",
		"{\"name\":\"\xff\"}":                            "not valid UTF-8",
		`{"name":"` + strings.Repeat("x", 70<<10) + `"}`: "64 KiB",
		strings.Repeat(`{"a":`, 11000):                   "not one JSON object",
	} {
		status, answer := h.send(http.MethodPost, "/api/mcp/client", body)
		if status != http.StatusBadRequest || !strings.Contains(string(answer), says) {
			t.Errorf("%.60q: %d %s", body, status, answer)
		}
	}
}

// Every example of the guide is understood as it stands.
func TestTheExamplesOfTheGuideAreRead(t *testing.T) {
	for _, body := range []string{
		`{"name":"public-client-service","connection_type":"http","connection_string":"https://api.example.com/mcp","auth_type":"oauth",
		  "oauth_config":{"client_id":"your-public-client-id","authorize_url":"https://auth.example.com/oauth/authorize",
		  "token_url":"https://auth.example.com/oauth/token","scopes":["mcp:read"]},"tools_to_execute":["*"]}`,
		`{"name":"auto-registered-service","connection_type":"http","connection_string":"https://api.example.com/mcp","auth_type":"oauth",
		  "oauth_config":{"registration_url":"https://auth.example.com/oauth/register","server_url":"https://api.example.com",
		  "scopes":["mcp:read","mcp:write"]},"tools_to_execute":["*"]}`,
		`{"name":"discovered-service","connection_type":"sse","connection_string":"https://api.example.com/mcp","auth_type":"oauth",
		  "oauth_config":{"client_id":"your-client-id","server_url":"https://api.example.com","scopes":["mcp:read"]},"tools_to_execute":["*"]}`,
		`{"name":"custom-oauth-service","connection_type":"http","connection_string":"https://mcp.yourcompany.com/mcp","auth_type":"oauth",
		  "oauth_config":{"client_id":"deepintshield-client-id","client_secret":"deepintshield-client-secret",
		  "authorize_url":"https://auth.yourcompany.com/authorize","token_url":"https://auth.yourcompany.com/token",
		  "registration_url":"https://auth.yourcompany.com/register","server_url":"https://mcp.yourcompany.com","scopes":["mcp:full"]},
		  "tools_to_execute":["*"]}`,
		`{"name":"plain","connection_string":"https://mcp.example.com/mcp","auth_type":"none","oauth_config":null,"tools_to_execute":null}`,
		`{"name":"keyed","connection_string":"https://mcp.example.com/mcp","auth_type":"headers","headers":{"X-Api-Key":"k"}}`,
	} {
		d, err := readClient(httptest.NewRecorder(), httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body)), nil)
		if err != nil {
			t.Errorf("%s: %v", body, err)
			continue
		}
		if _, diagnostics := config.Make(d.server, config.Admin{}); diagnostics.HasErrors() {
			t.Errorf("%s: %v", body, diagnostics)
		}
	}
}

// A secret becomes a reference, and comes out of no file.
func TestSecretsBecomeReferences(t *testing.T) {
	body := `{"name":"a","connection_string":"https://mcp.example.com/mcp","headers":{"X-Api-Key":"canary-1"},"oauth_config":{
		"client_id":"id","client_secret":"canary-2","grant_type":"refresh_token","refresh_token":"canary-3","token_url":"https://auth.example.com/t"}}`
	d, err := readClient(httptest.NewRecorder(), httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body)), nil)
	if err != nil {
		t.Fatal(err)
	}
	text, diagnostics := config.Make(d.server, config.Admin{})
	if diagnostics.HasErrors() || strings.Contains(string(text), "canary") {
		t.Errorf("%v: %s", diagnostics, text)
	}
	for field, value := range map[string]string{"header/X-Api-Key": "canary-1", "client_secret": "canary-2", "refresh_token": "canary-3"} {
		if !strings.Contains(string(text), `secret("server/a/`+field+`")`) || d.own[field].Reveal() != value {
			t.Errorf("%s is not referred to in %s", field, text)
		}
	}
}

func FuzzReadClient(f *testing.F) {
	f.Add(`{"name":"a","connection_string":"https://mcp.example.com/mcp","auth_type":"oauth","oauth_config":{"scopes":["x"],"resource":"y"}}`)
	f.Add(`{"name":"a","connection_type":"stdio","stdio_config":{"command":"c","args":["x"],"env":{"A":"b","C":null}}}`)
	f.Add(`{"headers":{"":""},"name":null,"tools_to_execute":[null]}`)
	f.Fuzz(func(t *testing.T, body string) {
		read := func() *httptest.ResponseRecorder { return httptest.NewRecorder() }
		d, err := readClient(read(), httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body)), nil)
		if err != nil {
			if status, _ := judged(err); status != http.StatusBadRequest {
				t.Errorf("%v is answered with %d", err, status)
			}
			return
		}
		if text, diagnostics := config.Make(d.server, config.Admin{AllowStdio: true}); !diagnostics.HasErrors() && len(text) == 0 {
			t.Error("neither a text nor an error")
		}
	})
}
