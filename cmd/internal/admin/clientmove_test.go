package admin

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"bearerd/config"
	"bearerd/secrets"
)

// moving is a server whose secrets the API keeps.
func moving() *config.Server {
	s := config.DefaultServer("a")
	s.Made, s.URL, s.OAuth = true, "https://mcp.example.com/mcp", newOAuth()
	s.Headers = map[string]secrets.Ref{"X-A": ownRef("a", "header/X-A"), "X-B": ownRef("a", "header/X-B")}
	s.OAuth.ClientID, s.OAuth.ClientSecret, s.OAuth.RefreshToken = "id", ownRef("a", "client_secret"), ownRef("a", "refresh_token")
	s.OAuth.TokenURL, s.OAuth.GrantType = "https://auth.example.com/token", "refresh_token"
	return s
}

// A secret that no answer shows goes to no other host than it was given for, unless it is sent anew.
func TestASecretDoesNotMoveWithAnAddress(t *testing.T) {
	discovered := func(s *config.Server) { s.OAuth.TokenURL = "" }
	program := func(s *config.Server) {
		s.URL, s.Headers, s.OAuth, s.Command, s.Args = "", nil, nil, "npx", []string{"one"}
		s.Env = map[string]secrets.Ref{"K": ownRef("a", "env/K")}
	}
	for _, c := range []struct {
		body  string
		field string // "": it is taken
		old   func(*config.Server)
	}{
		{`{"connection_string":"https://mcp.example.com/other","oauth_config":{"token_url":"https://AUTH.example.com:443/t"}}`, "", nil},
		{`{"oauth_config":{"scopes":["x"],"audience":"y","authorize_url":"https://login.example.com/a"}}`, "", nil},
		{`{"connection_string":"https://evil.example/mcp"}`, "headers", nil},
		{`{"connection_string":"http://mcp.example.com/mcp"}`, "headers", nil},
		{`{"connection_string":"https://mcp.example.com:8443/mcp"}`, "headers", nil},
		{`{"connection_string":"https://evil.example/mcp","headers":{"X-A":"1"}}`, "headers", nil},
		{`{"connection_string":"https://evil.example/mcp","headers":{"X-A":"1","X-B":null}}`, "", nil},
		{`{"connection_string":"https://evil.example/mcp","headers":null}`, "", nil},
		{`{"connection_string":"https://evil.example/mcp","headers":null}`, "oauth_config.client_secret", discovered},
		{`{"oauth_config":{"token_url":"https://evil.example/t"}}`, "oauth_config.client_secret", nil},
		{`{"oauth_config":{"token_url":"https://evil.example/t","client_secret":"1"}}`, "oauth_config.refresh_token", nil},
		{`{"oauth_config":{"token_url":"https://evil.example/t","client_secret":"1","refresh_token":"2"}}`, "", nil},
		{`{"oauth_config":{"token_url":"https://evil.example/t","client_secret":null,"refresh_token":"2"}}`, "", nil},
		{`{"oauth_config":{"token_url":null}}`, "oauth_config.client_secret", nil},
		{`{"oauth_config":{"server_url":"https://evil.example/"}}`, "oauth_config.client_secret", nil},
		{`{"oauth_config":{"server_url":"https://evil.example/"}}`, "oauth_config.client_secret", discovered},
		{`{"oauth_config":{"device_authorization_url":"https://evil.example/d"}}`, "oauth_config.client_secret", nil},
		{`{"oauth_config":{"revocation_url":"https://auth.example.com/r"}}`, "", nil},
		{`{"oauth_config":{"revocation_url":"https://evil.example/r"}}`, "oauth_config.revocation_url", nil},
		{`{"oauth_config":{"revocation_url":"https://evil.example/r","client_secret":"1","refresh_token":"2"}}`, "oauth_config.revocation_url", nil},
		{`{"oauth_config":{"token_url":"https://evil.example/t","revocation_url":"https://evil.example/r","client_secret":"1","refresh_token":"2"}}`, "", nil},
		{`{"stdio_config":{"args":["one"]}}`, "", program},
		{`{"stdio_config":{"command":"sh"}}`, "stdio_config.env", program},
		{`{"stdio_config":{"args":["two"]}}`, "stdio_config.env", program},
		{`{"stdio_config":{"args":["two"],"env":{"K":"1"}}}`, "", program},
	} {
		old := moving()
		if c.old != nil {
			c.old(old)
		}
		_, err := readClient(httptest.NewRecorder(), httptest.NewRequest(http.MethodPut, "/", strings.NewReader(c.body)), old)
		field, ok := err.(*fieldError)
		if got := err == nil; got != (c.field == "") || err != nil && (!ok || field.field != c.field) {
			t.Errorf("%s: %v, want the field %q", c.body, err, c.field)
		}
	}
}

func TestAMoveOverTheAPI(t *testing.T) {
	h := newHouse(t)
	want[Initiation](h, http.StatusOK, http.MethodPost, clients, h.unattended(nil))
	before, asked := h.files["tracker"], len(h.as.Requests())
	move := map[string]any{"token_url": strings.Replace(h.as.TokenURL(), "127.0.0.1", "127.0.0.2", 1)}
	h.problem(http.StatusBadRequest, "oauth_config.client_secret", "does not go along", http.MethodPut, clients+"/tracker", map[string]any{"oauth_config": move})
	if h.files["tracker"] != before || len(h.as.Requests()) != asked {
		t.Error("something was done")
	}
	h.status("tracker", "authorized")
}

// What GET shows may be sent back: the values that it leaves out are kept.
func TestWhatIsShownCanBeSentBack(t *testing.T) {
	h := newHouse(t)
	resources := []string{h.rs.URL() + "?key=1", h.rs.URL() + "?key=2", h.rs.URL() + "/other?key=3"}
	want[Initiation](h, http.StatusOK, http.MethodPost, clients, h.unattended(map[string]any{"oauth_config.resource": resources}))
	shown := want[Client](h, http.StatusOK, http.MethodGet, clients+"/tracker", nil).OAuth.Resource
	if len(shown) != 3 || strings.Contains(shown[0], "key=1") {
		t.Fatalf("shown are %q", shown)
	}
	send := func(list any) []string {
		want[map[string]any](h, http.StatusOK, http.MethodPut, clients+"/tracker", map[string]any{"oauth_config": map[string]any{"resource": list}})
		return h.Config().Server("tracker").OAuth.Resource
	}
	if got := send(shown); !slices.Equal(got, resources) {
		t.Errorf("kept are %q", got)
	}
	if got := send([]string{shown[2], h.rs.URL()}); !slices.Equal(got, []string{resources[2], h.rs.URL()}) {
		t.Errorf("kept are %q", got)
	}
	if got := send(""); got == nil || len(got) != 0 {
		t.Errorf("kept are %q, want none to be sent", got)
	}
}

// The whole answer of GET may be sent back too, and changes nothing.
func TestTheAnswerOfGetChangesNothing(t *testing.T) {
	h := newHouse(t)
	allowed := *h.cfg.Load()
	allowed.Admin.AllowStdio = true
	h.cfg.Store(&allowed)
	h.hide("canary-a")
	key := map[string]string{"K": "canary-a"}
	for name, body := range map[string]map[string]any{
		"plain":   {"connection_string": h.rs.URL() + "/sse?key=1"},
		"keyed":   {"connection_string": h.rs.URL(), "headers": key},
		"program": {"connection_type": "stdio", "stdio_config": map[string]any{"command": "/usr/bin/npx", "args": []string{"a"}, "env": key}},
		"least":   h.unattended(map[string]any{"oauth_config.resource": "", "oauth_config.scopes": nil, "headers": key}),
		"most": h.unattended(map[string]any{
			"oauth_config.resource": []string{h.rs.URL() + "?key=1"}, "oauth_config.audience": "a", "oauth_config.use_basic_auth": true,
			"oauth_config.token_url": h.as.TokenURL() + "?x=1", "oauth_config.revocation_url": h.as.RevocationURL()}),
		"person": h.wants(map[string]any{"oauth_config.redirect_uri": h.Redirect, "oauth_config.registration_url": h.as.RegistrationURL(),
			"oauth_config.token_url": h.as.TokenURL(), "oauth_config.authorize_url": h.as.AuthorizationURL() + "?key=1"}),
	} {
		body["name"] = name
		if status, answer := h.send(http.MethodPost, clients, body); status != http.StatusOK {
			t.Fatalf("%s: %d %s", name, status, answer)
		}
		file, secrets := h.files[name], h.own(name)
		_, shown := h.send(http.MethodGet, clients+"/"+name, nil)
		if status, answer := h.send(http.MethodPut, clients+"/"+name, string(shown)); status != http.StatusOK {
			t.Errorf("%s: %d %s", name, status, answer)
		}
		if h.files[name] != file || !slices.Equal(h.own(name), secrets) {
			t.Errorf("%s: the file is\n%s\nand was\n%s", name, h.files[name], file)
		}
	}
	h.problem(http.StatusBadRequest, "history", "no such field", http.MethodPost, clients, map[string]any{
		"name": "new", "connection_string": h.rs.URL(), "history": []string{}})
}
