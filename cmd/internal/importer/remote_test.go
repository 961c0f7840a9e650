package importer

import (
	"fmt"
	"strings"
	"testing"

	"bearerd/cmd/internal/clients"
)

func bridged(words ...string) clients.Server {
	return program("s", append([]string{"npx", "-y", "mcp-remote", "https://mcp.example.com/mcp"}, words...)...)
}

// What a client of mcp-remote is registered with stays so.
func TestCallbackOfMCPRemote(t *testing.T) {
	const info = "--static-oauth-client-info"
	for name, c := range map[string]struct {
		words []string
		holds string // in the text of the server, or in a note
		lacks string
	}{
		"port":       {[]string{"3334", info, `{"client_id":"c"}`}, `OAUTH_REDIRECT_URI = "http://localhost:3334/oauth/callback"`, "OAUTH_USE_BASIC"},
		"all":        {[]string{"3334", info, `{"client_id":"c"}`, "--host", "127.0.0.1", "--callback-path", "/cb"}, `"http://127.0.0.1:3334/cb"`, ""},
		"document":   {[]string{"4444", "--client-metadata-url", "https://c.example.com/m.json"}, `"http://localhost:4444/oauth/callback"`, ""},
		"registered": {[]string{info, `{"client_id":"c","redirect_uris":["http://localhost:9/x"]}`}, `"http://localhost:9/x"`, "redirect_uris"},
		"not said":   {[]string{info, `{"client_id":"c"}`}, "chose the port", "OAUTH_REDIRECT_URI ="},
		"another":    {[]string{"3334", info, `{"client_id":"c"}`, "--host", "10.0.0.1"}, "none on loopback", "OAUTH_REDIRECT_URI ="},
		"no client":  {[]string{"3334"}, "callback is not taken over", "OAUTH_REDIRECT_URI ="},
		"basic":      {[]string{"1", info, `{"client_id":"c","client_secret":"CANARY","token_endpoint_auth_method":"client_secret_basic"}`}, "OAUTH_USE_BASIC_AUTH = true", ""},
		"post":       {[]string{"1", info, `{"client_id":"c","client_secret":"CANARY","token_endpoint_auth_method":"client_secret_post"}`}, "OAUTH_USE_BASIC_AUTH = false", ""},
		"method":     {[]string{"1", info, `{"client_id":"c","token_endpoint_auth_method":"private_key_jwt"}`}, "not taken over: token_endpoint_auth_method", ""},
		"more":       {[]string{"1", info, `{"client_id":"c","client_name":"CANARY"}`}, "not taken over: client_name", ""},
		"audience":   {[]string{"--authorize-param", "audience=x"}, `OAUTH_AUDIENCE = "x"`, "OAUTH_AUTHORIZATION_PARAMS"},
		"parameter":  {[]string{"--authorize-param", "prompt=none"}, `"prompt" = "none"`, ""},
	} {
		got := one(t, bridged(c.words...))
		said := strings.Join(strings.Fields(fmt.Sprint(got.Notes, string(got.Text))), " ")
		if got.Server.URL == "" || !strings.Contains(said, c.holds) || c.lacks != "" && strings.Contains(said, c.lacks) || strings.Contains(said, "CANARY") {
			t.Errorf("%s: %s", name, said)
		}
	}
	for _, words := range [][]string{{"/c"}, {"/D", "/C"}} {
		s := bridged()
		s.Args = append(append(plains(words...), plain("npx")), s.Args...)
		s.Command = plain(`C:\Windows\cmd.exe`)
		if got := one(t, s); got.Server.URL == "" {
			t.Errorf("cmd %v: %s", words, got.Text)
		}
	}
}

func TestEnvFile(t *testing.T) {
	files := map[string]string{"/e.env": "# c\nexport A=own\nTOKEN=\"CANARY\\nx\" # y\nHIDDEN=CANARY#c\nPEM='CANARY\nb'\nnone\nDEBUG=true\nHOST=https://h.example.com/\n1=x"}
	w := world(t)
	w.Read = func(path string) ([]byte, error) {
		if text, ok := files[path]; ok {
			return []byte(text), nil
		}
		return nil, fmt.Errorf("no file %s", path)
	}
	s := program("s", "npx")
	s.Env, s.EnvFile = map[string]clients.Text{"A": plain("b")}, plain("/e.env")
	got := take(t, w, s)[0]
	if got.Server == nil || len(got.Server.Env) != 6 {
		t.Fatalf("%+v", got)
	}
	for name, want := range map[string]string{"TOKEN": "CANARY\nx", "HIDDEN": "CANARY", "PEM": "CANARY\nb"} {
		if value := got.Secrets["import/s/env/"+name].Reveal(); value != want {
			t.Errorf("%s: %q", name, value)
		}
	}
	for name, want := range map[string]string{"A": "b", "DEBUG": "true", "HOST": "https://h.example.com/"} {
		if ref := got.Server.Env[name]; ref.Value.Reveal() != want {
			t.Errorf("%s: %v", name, ref)
		}
	}
	if said := fmt.Sprint(got.Notes, string(got.Text)); strings.Contains(said, "CANARY") || !strings.Contains(said, "envFile was read") {
		t.Error(said)
	}
	for _, c := range []struct {
		path clients.Text
		why  string
	}{
		{plain(".env"), "relative"}, {plain("/none"), "cannot be read"},
		{clients.Text{{Other: "workspaceFolder"}, {Literal: "/.env"}}, "workspaceFolder"},
	} {
		s.EnvFile = c.path
		if got := take(t, w, s)[0]; got.Server != nil || !strings.Contains(got.Why, c.why) {
			t.Errorf("%v: %+v", c.path, got)
		}
	}
}

func TestPassedNames(t *testing.T) {
	s := program("s", "npx")
	s.PassEnv = []string{"ghp_CANARY123456"}
	if got := take(t, world(t), s)[0]; got.Server != nil || strings.Contains(got.Why, "CANARY") {
		t.Errorf("%+v", got)
	}
}

// An address of an oauth_config that holds a secret is not printed, and what is left out says no more than why.
func TestAddressesOfOAuth(t *testing.T) {
	s := remoteServer("s", "https://mcp.example.com", nil)
	for address, want := range map[string]string{
		"https://u:CANARY@a.example.com/t?client_secret=CANARY": "left out",
		"https://a.example.com/t?client_secret=CANARY":          "looks as if",
		"https://a.example.com/t":                               "https://a.example.com/t",
	} {
		s.OAuth = map[string]any{"enabled": false, "OAUTH_TOKEN_URL": plain(address)}
		got := one(t, s)
		if said := fmt.Sprint(got.Notes) + string(got.Shown()); strings.Contains(said, "CANARY") || !strings.Contains(said, want) {
			t.Errorf("%s: %s", address, said)
		}
		if strings.Contains(string(got.Text), "u:CANARY") {
			t.Errorf("the password stays: %s", got.Text)
		}
	}
	got := take(t, world(t), remoteServer("s", "ftp://u:CANARY@x", nil))[0]
	if got.Server != nil || len(got.Notes) > 0 || !strings.Contains(got.Why, "write the whole URL") {
		t.Errorf("%+v", got)
	}
}
