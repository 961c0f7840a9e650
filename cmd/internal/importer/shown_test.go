package importer

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"bearerd/cmd/internal/clients"
	"bearerd/config"
	"bearerd/secrets"
)

// What comes from elsewhere is in the configuration, and in nothing that is printed.
func TestShown(t *testing.T) {
	put := func(before, after string) clients.Text {
		return clients.Text{{Literal: before}, {Variable: "SET"}, {Literal: after}}
	}
	address := func(text clients.Text) clients.Server { return clients.Server{Name: "s", URL: text} }
	command, dir, args, env := program("s", "x"), program("s", "x"), program("s", "x"), program("s", "x")
	command.Command = put("", "/x")
	dir.Dir = put("/srv/", "/x")
	args.Args = []clients.Text{plain("stays"), put("--region=", ""), {{Literal: "n="}, {Input: &clients.Input{ID: "given"}}}}
	env.Env = map[string]clients.Text{"LOG": put("a ", "")}
	oauth := remoteServer("s", "https://mcp.example.com", nil)
	oauth.OAuth = map[string]any{
		"enabled": true, "OAUTH_VERSION": plain("2.1"), "OAUTH_GRANT_TYPE": plain("authorization_code"),
		"OAUTH_TOKEN_URL": put("https://a.example.com/", "/token"), "OAUTH_SCOPE": []clients.Text{plain("stays"), put("", "")},
		"OAUTH_CLIENT_ID": put("", ""), "OAUTH_ADDITIONAL_PARAMS": map[string]clients.Text{"k": put("v", "")},
	}
	const zapier = "Zk3J9qLwXb7TnVc2RmYh8PsDf4GuE6AoKi1"
	for name, c := range map[string]struct {
		server clients.Server
		holds  string
		bare   bool // it has a credential of its own, and gets no oauth_config
	}{
		"path of a url":    {address(put("https://mcp.example.com/", "/mcp")), `"https://mcp.example.com/NOT-SHOWN/mcp"`, false},
		"fragment":         {address(put("https://mcp.example.com/", "/mcp#x")), `"https://mcp.example.com/NOT-SHOWN/mcp"`, false},
		"user of a url":    {address(put("https://anna:", "@mcp.example.com/mcp")), `"https://mcp.example.com/mcp"`, true},
		"query":            {address(put("https://mcp.example.com/mcp?t=", "")), `"https://mcp.example.com/mcp?NOT-SHOWN"`, false},
		"host":             {address(put("https://", ".example.com/mcp")), `"https://NOT-SHOWN.example.com/mcp"`, false},
		"secret variable":  {address(clients.Text{{Literal: "https://h/"}, {Variable: "MY_API_KEY"}}), `"https://h/NOT-SHOWN"`, true},
		"a random segment": {remoteServer("s", "https://mcp.example.com/s/"+zapier+"/mcp", nil), `"https://mcp.example.com/s/NOT-SHOWN/mcp"`, true},
		"command":          {command, `command = "NOT-SHOWN/x"`, true},
		"folder":           {dir, `"/srv/NOT-SHOWN/x"`, true},
		"arguments":        {args, `["stays", "--region=NOT-SHOWN", "n=NOT-SHOWN"]`, true},
		"env":              {env, `"a NOT-SHOWN"`, true},
		"oauth_config":     {oauth, `"https://a.example.com/NOT-SHOWN/token"`, false},
	} {
		w := world(t)
		w.Lookup = func(name string) (string, bool) { return "value-of-SET", name == "SET" || name == "MY_API_KEY" }
		got := take(t, w, c.server)[0]
		if got.Server == nil {
			t.Errorf("%s is left out: %s", name, got.Why)
			continue
		}
		shown := string(got.Shown())
		if !strings.Contains(shown, c.holds) || !strings.HasPrefix(shown, "# s, imported from") || (got.Server.OAuth == nil) != c.bare {
			t.Errorf("%s: %s\n%s", name, c.holds, shown)
		}
		said := shown + fmt.Sprint(got.Notes)
		for _, private := range []string{"value-of-SET", "answer", zapier} {
			if strings.Contains(said, private) {
				t.Errorf("%s: %s is printed:\n%s", name, private, said)
			}
		}
		if strings.Contains(string(got.Text), hidden) {
			t.Errorf("%s: it is left out of the configuration, too:\n%s", name, got.Text)
		}
	}
}

// Where the whole is not known, what stands for it is of the same form, and the text is still one that could be read.
func TestShownWhole(t *testing.T) {
	w := world(t)
	w.Lookup = func(string) (string, bool) { return "https://private.example.com/mcp", true }
	if shown := string(take(t, w, clients.Server{Name: "s", URL: variable("X")})[0].Shown()); !strings.Contains(shown, `"https://NOT-SHOWN"`) {
		t.Error(shown)
	}
}

// holds is a store with these secrets.
func holds(values map[string]string) func(string, secrets.Secret) (there, same bool) {
	return func(name string, value secrets.Secret) (there, same bool) {
		held, there := values[name]
		return there, there && held == value.Reveal()
	}
}

// A secret that the store has is left as it is, and the same import again finds what the first one made.
func TestSecretThatTheStoreHas(t *testing.T) {
	w := world(t)
	w.Compare = holds(map[string]string{"import/s/env/TOKEN": "CANARY-other"})
	s := program("s", "npx")
	s.Env = map[string]clients.Text{"TOKEN": plain("CANARY")}
	got := take(t, w, s)[0]
	if got.Secrets["import/s/env/TOKEN-2"].Reveal() != "CANARY" || len(got.Secrets) != 1 || !strings.Contains(fmt.Sprint(got.Notes), "TOKEN-2") {
		t.Fatalf("%v %v", got.Secrets, got.Notes)
	}
	w.Compare = holds(map[string]string{"import/s/env/TOKEN": "CANARY"})
	if same := take(t, w, s)[0]; same.Secrets["import/s/env/TOKEN"].Reveal() != "CANARY" || len(same.Secrets) != 1 || len(same.Notes) > 0 {
		t.Errorf("where the store has the same: %v %v", same.Secrets, same.Notes)
	}
	w.Have.Servers = []*config.Server{got.Server}
	w.Compare = holds(map[string]string{"import/s/env/TOKEN": "CANARY-other", "import/s/env/TOKEN-2": "CANARY"})
	if again := take(t, w, s)[0]; !again.Old || again.Server.Name != "s" || len(again.Secrets) > 0 {
		t.Errorf("again: %+v", again)
	}
	w.Compare = holds(nil)
	if again := take(t, w, s)[0]; !again.Old || again.Secrets["import/s/env/TOKEN-2"].Reveal() != "CANARY" || again.Text != nil {
		t.Errorf("where the store has lost it: %+v", again)
	}
}

// A server of the same form with another secret is another server: neither gets the secret of the other.
func TestSameServerWithAnotherSecret(t *testing.T) {
	w := world(t)
	entry := func(token string) clients.Server {
		s := program("git", "npx")
		s.Env = map[string]clients.Text{"TOKEN": plain(token)}
		return s
	}
	first := take(t, w, entry("CANARY-1"))[0]
	w.Have.Servers = []*config.Server{first.Server}
	held := map[string]string{"import/git/env/TOKEN": "CANARY-1"}
	w.Compare = holds(held)
	second := take(t, w, entry("CANARY-2"))[0]
	if second.Old || second.Server.Name != "git-cursor" || second.Secrets["import/git-cursor/env/TOKEN"].Reveal() != "CANARY-2" ||
		!strings.Contains(fmt.Sprint(second.Notes), `"git" is the same with other secrets`) {
		t.Fatalf("%+v", second)
	}
	w.Have.Servers = append(w.Have.Servers, second.Server)
	held["import/git-cursor/env/TOKEN"] = "CANARY-2"
	for token, name := range map[string]string{"CANARY-1": "git", "CANARY-2": "git-cursor"} {
		if again := take(t, w, entry(token))[0]; !again.Old || again.Server.Name != name || len(again.Secrets)+len(again.Notes) > 0 {
			t.Errorf("%s again: %+v", name, again)
		}
	}
}

func TestVariables(t *testing.T) {
	s := &config.Server{PassEnv: []string{"B"}, Env: map[string]secrets.Ref{"X": {Kind: secrets.Env, Name: "A"}, "Y": {Kind: secrets.Stored, Name: "n"}},
		OAuth: &config.OAuth{ClientSecret: secrets.Ref{Kind: secrets.Env, Name: "C"}}}
	cfg := &config.Config{Store: config.Store{Identity: secrets.Ref{Kind: secrets.Env, Name: "D"}},
		Vault: &secrets.Connection{Auth: secrets.Auth{Token: secrets.Ref{Kind: secrets.Env, Name: "E"}}}}
	if got := Variables(cfg, s); !slices.Equal(got, []string{"A", "B", "C", "D", "E"}) {
		t.Error(got)
	}
}
