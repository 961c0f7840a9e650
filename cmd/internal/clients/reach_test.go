package clients

import (
	"fmt"
	"strings"
	"testing"
)

// readOne is the only server of a text, and what is lost of the file.
func readOne(t *testing.T, format, text string) (Server, string) {
	t.Helper()
	f, err := Named(format)
	if err != nil {
		t.Fatal(err)
	}
	file, err := Read("x", []byte(text), f)
	if err != nil {
		t.Fatal(err)
	}
	if len(file.Servers) == 0 {
		return Server{}, fmt.Sprint(file.Lost)
	}
	return file.Servers[0], fmt.Sprint(file.Lost)
}

// An Authorization header goes before a sign-in: it is kept, and what the file says of a sign-in is told.
func TestHeaderGoesBeforeSignIn(t *testing.T) {
	const codex, json = "[mcp_servers.a]\nurl=\"https://a.example.com\"\n", `{"%s":{"a":{"url":"https://a.example.com",` +
		`"headers":{"authorization":"Bearer CANARY"},"oauth":{"%s":"c"}}}}`
	for name, c := range map[string]struct{ format, text, says string }{
		"bearer":      {"codex", codex + `bearer_token_env_var="MY_TOKEN"` + "\n" + `scopes=["x"]`, "left out is scopes"},
		"resource":    {"codex", codex + `bearer_token_env_var="MY_TOKEN"` + "\n" + `oauth_resource="https://a"`, "left out is oauth_resource"},
		"header":      {"codex", codex + `http_headers={authorization="Bearer CANARY"}` + "\n" + `oauth={client_id="c"}`, "left out is oauth"},
		"of variable": {"codex", codex + `env_http_headers={Authorization="MY_TOKEN"}` + "\n" + `scopes=["x"]`, "left out is scopes"},
		"vscode":      {"vscode", fmt.Sprintf(json, "servers", "clientId"), "left out is oauth"},
		"claude-code": {"claude-code", fmt.Sprintf(json, "mcpServers", "clientId"), "left out is oauth"},
		"zed":         {"zed", fmt.Sprintf(json, "context_servers", "client_id"), "left out is oauth"},
	} {
		s, _ := readOne(t, c.format, c.text)
		said := fmt.Sprint(s.Said)
		if s.OAuth != nil || len(s.Headers) != 1 || !strings.Contains(said, c.says) || strings.Contains(said, "CANARY") {
			t.Errorf("%s: %+v", name, s)
		}
	}
	if s, _ := readOne(t, "codex", codex+"scopes=[]\nhttp_headers={Authorization=\"x\"}"); len(s.Said) > 0 {
		t.Errorf("nothing is left out: %s", s.Said)
	}
}

// What bearerd would do as another user, or could not do at all, is left out with the reason.
func TestOthersCredentials(t *testing.T) {
	const bifrost, gemini = `{"mcp":{"client_configs":[{"name":"a","connection_string":"https://a","auth_type":"%s","oauth_config":{"client_id":"c"}}]}}`,
		`{"mcpServers":{"a":{%s,"authProviderType":"%s","oauth":{"scopes":["x"]}}}}`
	for text, want := range map[string]string{
		fmt.Sprintf(bifrost, "per_user_oauth"):                                        "one token for all",
		fmt.Sprintf(bifrost, "per_user_headers"):                                      "one token for all",
		fmt.Sprintf(gemini, `"httpUrl":"https://a"`, "google_credentials"):            "google_credentials",
		fmt.Sprintf(gemini, `"httpUrl":"https://a"`, "service_account_impersonation"): "service_account_impersonation",
		fmt.Sprintf(gemini, `"url":"https://a"`, "CANARY"):                            "not known",
		fmt.Sprintf(gemini, `"command":"x"`, "google_credentials"):                    "",
	} {
		format := "gemini"
		if strings.Contains(text, "client_configs") {
			format = "bifrost"
		}
		s, lost := readOne(t, format, text)
		if (s.Name == "") != (want != "") || !strings.Contains(lost, want) || strings.Contains(lost, "CANARY") {
			t.Errorf("%s: %+v, %s", text, s, lost)
		}
	}
}

// A working directory is carried over where the client heeds it, and else told.
func TestWorkingDirectory(t *testing.T) {
	for format, said := range map[string]string{
		"claude-desktop": "not heeded by Claude Desktop", "claude-code": "not heeded by Claude Code", "zed": "not heeded by Zed",
		"windsurf": "", "cursor": "", "vscode": "", "gemini": "",
	} {
		key := "mcpServers"
		switch format {
		case "zed":
			key = "context_servers"
		case "vscode":
			key = "servers"
		}
		s, _ := readOne(t, format, fmt.Sprintf(`{"%s":{"a":{"command":"x","cwd":"/srv/a"}}}`, key))
		if dir, _ := s.Dir.Plain(); (dir == "/srv/a") != (said == "") || !strings.Contains(fmt.Sprint(s.Said), said) || len(s.Lost) > 0 {
			t.Errorf("%s: %+v", format, s)
		}
	}
}

// Of Codex's variables only those are told that are not passed.
func TestVariablesOfElsewhere(t *testing.T) {
	s, _ := readOne(t, "codex", `[mcp_servers.a]
command = "x"
env_vars = ["A", { name = "B", source = "remote" }, { name = "sk-CANARY", source = "remote" }]`)
	if want := "[env_vars (source remote) env_vars B (source remote)]"; fmt.Sprint(s.Lost) != want || fmt.Sprint(s.PassEnv) != "[A]" {
		t.Errorf("%v %v", s.Lost, s.PassEnv)
	}
}
