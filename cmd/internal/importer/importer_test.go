package importer

import (
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"testing"

	"bearerd/cmd/internal/clients"
	"bearerd/config"
	"bearerd/inject/proxy"
	"bearerd/secrets"
)

// plain is a text into which nothing is put.
func plain(s string) clients.Text { return clients.Text{{Literal: s}} }

func plains(words ...string) (list []clients.Text) {
	for _, w := range words {
		list = append(list, plain(w))
	}
	return list
}

func variable(name string) clients.Text { return clients.Text{{Variable: name}} }

func remoteServer(name, address string, headers map[string]clients.Text) clients.Server {
	return clients.Server{Name: name, URL: plain(address), Headers: headers}
}

func program(name string, words ...string) clients.Server {
	return clients.Server{Name: name, Command: plain(words[0]), Args: plains(words[1:]...)}
}

// world has the variable SET, the file /f and the input "given".
func world(t *testing.T) World {
	t.Helper()
	t.Setenv("HOME", t.TempDir())
	t.Setenv("XDG_STATE_HOME", "")
	have, wrong := config.Empty("x.hcl")
	if wrong.HasErrors() {
		t.Fatal(wrong)
	}
	return World{
		Have: have, Home: "/home/anna",
		Lookup: func(name string) (string, bool) { return "value-of-SET", name == "SET" },
		Read: func(path string) ([]byte, error) {
			if path == "/f" {
				return []byte("from-file\n"), nil
			}
			return nil, fs.ErrNotExist
		},
		Ask: func(in *clients.Input) (string, bool) { return "answer", in.ID == "given" },
	}
}

func take(t *testing.T, w World, servers ...clients.Server) []Taken {
	t.Helper()
	format, err := clients.Named("cursor")
	if err != nil {
		t.Fatal(err)
	}
	return New(w).Take(&clients.File{Format: format, Servers: servers}, "mcp.json")
}

// one is what became of a server, which must not be left out.
func one(t *testing.T, s clients.Server) Taken {
	t.Helper()
	got := take(t, world(t), s)[0]
	if got.Server == nil || got.Text == nil {
		t.Fatalf("%s is left out: %s", s.Name, got.Why)
	}
	return got
}

func TestNames(t *testing.T) {
	long := strings.Repeat("x", 80)
	for _, c := range []struct {
		name string
		n    int
		want string
	}{
		{"github", 0, "github"}, {"a--b_c", 0, "a--b_c"}, {"Linear (work)", 0, "Linear-work"}, {"@scope/pkg", 0, "scope-pkg"}, {"文件", 0, "server"}, {"-x-", 0, "x"},
		{"github", 1, "github-cursor"}, {"github", 2, "github-cursor-2"}, {long, 0, long[:64]}, {long, 1, long[:57] + "-cursor"},
	} {
		if got := candidate(c.name, "cursor", c.n); got != c.want {
			t.Errorf("%s, %d: %q", c.name, c.n, got)
		}
	}
	for _, key := range []string{"X", "_X", "x y", "ä", "", ".a", long + long} {
		if name := secretName(long[:64], "header", key); !secrets.ValidName(name) {
			t.Errorf("%q: %q is no name", key, name)
		}
	}
}

// The same again finds everything there; what only looks the same gets a name of its own.
func TestTakeAgain(t *testing.T) {
	w := world(t)
	key := func(v string) map[string]clients.Text { return map[string]clients.Text{"TOKEN": plain(v)} }
	first, second, third := program("git hub", "npx", "x"), program("git/hub", "npx", "x"), program("GIT-HUB", "npx", "y")
	first.Env, second.Env = key("CANARY-1"), key("CANARY-2")
	twin := first
	for round := range 2 {
		list := take(t, w, first, second, third, twin)
		var names []string
		for i, got := range list {
			if got.Server == nil {
				t.Fatalf("%d is left out: %s", i, got.Why)
			}
			names = append(names, got.Server.Name)
			if old := round == 1 || i == 3; got.Old != old || (got.Text == nil) != old || len(got.Secrets) > 0 && old {
				t.Errorf("round %d: %s: %+v", round, got.Name, got)
			}
			if got.Text != nil {
				w.Have.Servers = append(w.Have.Servers, got.Server)
			}
		}
		if want := []string{"git-hub", "git-hub-cursor", "GIT-HUB-cursor-2", "git-hub"}; !slices.Equal(names, want) {
			t.Errorf("round %d: %q", round, names)
		}
	}
}

// A name in the store that another server of the configuration refers to is left to it.
func TestSecretOfARenamedServer(t *testing.T) {
	w := world(t)
	s := program("a", "npx")
	s.Env = map[string]clients.Text{"TOKEN": plain("CANARY")}
	renamed := *take(t, w, s)[0].Server
	renamed.Name = "b"
	w.Have.Servers = []*config.Server{&renamed}
	if got := take(t, w, s)[0]; got.Secrets["import/a/env/TOKEN-2"].Reveal() != "CANARY" || len(got.Secrets) != 1 {
		t.Errorf("%v", got.Secrets)
	}
}

func TestValues(t *testing.T) {
	input := func(id string) clients.Text { return clients.Text{{Input: &clients.Input{ID: id}}} }
	fallback, written := "by-default", "$pwCANARY9"
	for _, c := range []struct {
		key    string
		text   clients.Text
		want   string // the reference, "=TEXT" for a literal, "!WORDS" for why it is left out
		stored string
	}{
		{"LOG", plain("debug ${x}"), "=debug ${x}", ""},
		{"TOKEN", plain("CANARY"), `secret("import/s/env/TOKEN")`, "CANARY"},
		{"LOG", plain("ghp_CANARY1234"), `secret("import/s/env/LOG")`, "ghp_CANARY1234"},
		{"TOKEN", plain(""), "=", ""},
		{"TOKEN", variable("SET"), `env("SET")`, ""},
		{"TOKEN", variable("UNSET"), `env("UNSET")`, ""},
		{"LOG", clients.Text{{Variable: "UNSET", Default: &fallback}}, "=by-default", ""},
		{"TOKEN", clients.Text{{Variable: "UNSET", Default: &fallback}}, `secret("import/s/env/TOKEN")`, "by-default"},
		{"LOG", clients.Text{{Variable: "SET", Default: &fallback}}, `env("SET")`, ""},
		{"LOG", clients.Text{{Literal: "a "}, {Variable: "SET"}}, "=a value-of-SET", ""},
		{"TOKEN", clients.Text{{Literal: "a "}, {Variable: "SET"}}, `secret("import/s/env/TOKEN")`, "a value-of-SET"},
		{"LOG", clients.Text{{Literal: "a "}, {Variable: "MY_TOKEN"}}, "!MY_TOKEN", ""},
		{"LOG", clients.Text{{Literal: "x"}, {Variable: "PWD"}}, "!only the client knows", ""},
		{"LOG", input("given"), `secret("import/s/env/LOG")`, "answer"},
		{"LOG", input("none"), `secret("import/s/env/LOG")`, ""},
		{"LOG", clients.Text{{Input: &clients.Input{ID: "none", Default: "d"}}}, "=d", ""},
		{"LOG", clients.Text{{Path: "/etc/x"}}, `file("/etc/x")`, ""},
		{"LOG", clients.Text{{Path: "~/x"}}, `file("/home/anna/x")`, ""},
		{"LOG", clients.Text{{Literal: "a"}, {Path: "/f"}}, `secret("import/s/env/LOG")`, "afrom-file"},
		{"LOG", clients.Text{{Literal: "a"}, {Path: "/g"}}, "!/g", ""},
		{"LOG", clients.Text{{Other: "userHome"}, {Literal: "/x"}}, "=/home/anna/x", ""},
		{"LOG", clients.Text{{Other: "workspaceFolder"}}, "!workspaceFolder", ""},
		{"TOKEN", plain("CANARY\nCANARY\n"), `secret("import/s/env/TOKEN")`, "CANARY\nCANARY"},
		{"LOG", plain("a\nb"), `secret("import/s/env/LOG")`, "a\nb"},
		{"LOG", plain("a\n"), "=a", ""},
		{"LOG", plain("\n"), "=", ""},
		{"TOKEN", plain("CANARY\x00"), "!NUL", ""},
		{"LOG", plain("\u212b"), `secret("import/s/env/LOG")`, "\u212b"},
		{"LOG", plain("\u1100\u1161"), `secret("import/s/env/LOG")`, "\u1100\u1161"},
		{"LOG", variable("ghp_CANARY1234"), "!looks like the secret itself", ""},
		{"LOG", variable("pwCANARY9"), "!looks like the secret itself", ""},
		{"LOG", clients.Text{{Literal: "x"}, {Variable: "ghp_CANARY1234"}}, "!looks like the secret itself", ""},
		{"TOKEN", clients.Text{{Variable: "pwCANARY9", Default: &written}}, `secret("import/s/env/TOKEN")`, written},
		{"LOG", clients.Text{{Variable: "pwCANARY9", Default: &fallback}}, "=by-default", ""},
		{"LOG", plain("e\u0301"), `secret("import/s/env/LOG")`, "e\u0301"},
	} {
		s := program("s", "npx")
		s.Env = map[string]clients.Text{c.key: c.text}
		got := take(t, world(t), s)[0]
		if words, left := strings.CutPrefix(c.want, "!"); left {
			if got.Server != nil || !strings.Contains(got.Why, words) || strings.Contains(got.Why, "CANARY") {
				t.Errorf("%s %v: %q", c.key, c.text, got.Why)
			}
			continue
		}
		if got.Server == nil {
			t.Errorf("%s %v: left out: %s", c.key, c.text, got.Why)
			continue
		}
		ref := got.Server.Env[c.key]
		text := ref.String()
		if ref.Kind == secrets.Literal {
			text = "=" + ref.Value.Reveal()
		}
		if text != c.want || got.Secrets[ref.Name].Reveal() != c.stored {
			t.Errorf("%s %v: %s and %q", c.key, c.text, text, got.Secrets[ref.Name].Reveal())
		}
		said := fmt.Sprint(got.Notes, string(got.Text))
		if strings.Contains(said, "CANARY") || c.stored != "" && strings.Contains(said, c.stored) {
			t.Errorf("%s: a secret is told: %s", c.key, said)
		}
	}
}

func TestRemoteServers(t *testing.T) {
	const https, password = "https://mcp.example.com/mcp", "https://anna:CANARY-pw@mcp.example.com/mcp"
	header := func(name, value string) map[string]clients.Text { return map[string]clients.Text{name: plain(value)} }
	for name, c := range map[string]struct {
		server clients.Server
		oauth  bool
		holds  []string
	}{
		"bare":          {remoteServer("s", https, nil), true, []string{`OAUTH_GRANT_TYPE = "authorization_code"`}},
		"loopback":      {remoteServer("s", "http://localhost:3000/mcp", nil), false, nil},
		"plain http":    {remoteServer("s", "http://mcp.example.com/mcp", nil), false, nil},
		"plain header":  {remoteServer("s", https, header("X-Tenant", "acme")), true, []string{`"X-Tenant" = "acme"`}},
		"key":           {remoteServer("s", https, header("X-Api-Key", "CANARY")), false, []string{`secret("import/s/header/X-Api-Key")`}},
		"authorization": {remoteServer("s", https, header("authorization", "x")), false, []string{`secret("import/s/header/authorization")`}},
		"password":      {remoteServer("s", password, nil), false, []string{`secret("import/s/header/Authorization")`, `url = "` + https + `"`}},
		"fragment":      {remoteServer("s", https+"#x", nil), true, []string{`url = "` + https + `"`}},
		"query":         {remoteServer("s", https+"?api_key=CANARYabc", nil), false, []string{"CANARYabc"}},
	} {
		got := one(t, c.server)
		if (got.Server.OAuth != nil) != c.oauth {
			t.Errorf("%s: oauth_config is %v", name, got.Server.OAuth)
		}
		for _, part := range c.holds {
			if !strings.Contains(string(got.Text), part) {
				t.Errorf("%s: %s is not in\n%s", name, part, got.Text)
			}
		}
		if strings.Contains(fmt.Sprint(got.Notes)+string(got.Shown()), "CANARY") {
			t.Errorf("%s: a secret is told: %s\n%s", name, got.Notes, got.Shown())
		}
	}
}

func TestMCPRemote(t *testing.T) {
	const https = "https://mcp.example.com/mcp"
	for name, c := range map[string]struct {
		args  string // behind npx -y mcp-remote, split at |
		stays string // why; "": it becomes a url server
		holds string
	}{
		"bare":        {https, "", `url = "` + https + `"`},
		"port":        {https + "|3334|--debug|--transport|sse-only", "", `url = "` + https + `"`},
		"header":      {https + "|--header|Authorization: Bearer CANARY", "", `secret("import/s/header/Authorization")`},
		"first":       {"--header|X-Api-Key:CANARY|" + https, "", `secret("import/s/header/X-Api-Key")`},
		"of env":      {https + "|--header|Authorization:${AUTH}", "", `secret("import/s/header/Authorization")`},
		"of outside":  {https + "|--header|Authorization:${OUTSIDE}", "", `env("OUTSIDE")`},
		"resource":    {https + "|--resource|https://r.example.com", "", `OAUTH_RESOURCE   = ["https://r.example.com"]`},
		"no resource": {https + "|--disable-resource-parameter", "", `OAUTH_RESOURCE   = []`},
		"client":      {https + `|--static-oauth-client-info|{"client_id":"c1","client_secret":"CANARY"}`, "", `secret("import/s/OAUTH_CLIENT_SECRET")`},
		"scope":       {https + `|--static-oauth-client-metadata|{"scope":"a  b"}`, "", `"a b"`},
		"machine": {https + `|--client-credentials|--token-endpoint|https://a.example.com/t|--static-oauth-client-info|{"client_id":"c1","client_secret":"CANARY"}`,
			"", `OAUTH_TOKEN_URL     = "https://a.example.com/t"`},
		"unknown":     {https + "|--new-flag|CANARY", "--new-flag", `command = "npx"`},
		"with value":  {https + "|--new=CANARY", "--new ", `command = "npx"`},
		"header file": {https + "|--header-file|/x", "--header-file", `command = "npx"`},
		"filter":      {https + "|--ignore-tool|x", "--ignore-tool", `command = "npx"`},
		"no address":  {"--debug", "no address", `command = "npx"`},
	} {
		s := program("s", append([]string{"npx", "-y", "mcp-remote@latest"}, strings.Split(c.args, "|")...)...)
		s.Env = map[string]clients.Text{"AUTH": plain("Bearer CANARY")}
		got := one(t, s)
		notes := fmt.Sprint(got.Notes)
		if !strings.Contains(string(got.Text), c.holds) || (got.Server.URL == "") != (c.stays != "") || !strings.Contains(notes, c.stays) {
			t.Errorf("%s: %s\n%s", name, notes, got.Text)
		}
		if strings.Contains(notes, "CANARY") || c.stays == "" && strings.Contains(string(got.Text), "CANARY") {
			t.Errorf("%s: a secret is told: %s\n%s", name, notes, got.Text)
		}
	}
}

func TestUsesBearerd(t *testing.T) {
	have := &config.Config{Proxy: config.DefaultProxy(), Servers: []*config.Server{{Name: "a"}, {Name: "b", Listen: "127.0.0.1:9"}}}
	key := proxy.NewKeys().Issue("a", "claude").Reveal()
	for name, c := range map[string]struct {
		s    clients.Server
		want bool
	}{
		"exec":        {program("x", "/usr/bin/bearerd", "exec", "a"), true},
		"none such":   {program("x", "/usr/bin/bearerd", "exec", "gone"), true},
		"windows":     {program("x", `C:\bin\Bearerd.exe`, "exec", "-c", "p", "a"), true},
		"npx":         {program("x", "npx", "-y", "bearerd@1", "exec", "a"), true},
		"other verb":  {program("x", "bearerd", "run"), false},
		"other":       {program("x", "npx", "exec", "bearerd"), false},
		"proxy":       {remoteServer("x", "http://127.0.0.1:7411/a", nil), true},
		"no server":   {remoteServer("x", "http://127.0.0.1:7411/c", nil), false},
		"own listen":  {remoteServer("x", "http://127.0.0.1:9/mcp", nil), true},
		"a local key": {remoteServer("x", "http://h/mcp", map[string]clients.Text{"Authorization": plain("Bearer " + key)}), true},
	} {
		own, notes := usesBearerd(c.s, have)
		if own != c.want {
			t.Errorf("%s: %v", name, own)
		}
		if said := fmt.Sprint(notes); strings.Contains(said, "no server of this configuration has that name") != (name == "none such") {
			t.Errorf("%s: %s", name, said)
		}
	}
}

// One entry that cannot be carried over leaves the others be.
func TestOneIsLeftOut(t *testing.T) {
	list := take(t, world(t), clients.Server{Name: "none"}, program("ok", "npx"),
		clients.Server{Name: "both", Command: plain("npx"), URL: plain("https://mcp.example.com")})
	if list[0].Why == "" || list[1].Text == nil || !strings.Contains(list[2].Why, "exclude") {
		t.Errorf("%+v", list)
	}
}

func TestOAuthIsTakenVerbatim(t *testing.T) {
	s := remoteServer("s", "https://mcp.example.com", map[string]clients.Text{"authorization": plain("Bearer CANARY")})
	s.OAuth = map[string]any{
		"enabled": true, "is_remote": true, "OAUTH_VERSION": plain("2.1"), "OAUTH_GRANT_TYPE": plain("client_credentials"),
		"OAUTH_CLIENT_ID": plain("c"), "OAUTH_CLIENT_SECRET": plain("x"), "OAUTH_TOKEN_URL": plain("https://a.example.com/t"),
		"OAUTH_SCOPE": plains("a", "b"), "OAUTH_USE_BASIC_AUTH": plain("False"), "OAUTH_RESOURCE": plain(""),
		"OAUTH_ADDITIONAL_PARAMS": map[string]clients.Text{"k": plain("v"), "api_key": plain("CANARY")}, "OAUTH_NEW": plain("CANARY"),
	}
	got := one(t, s)
	o := got.Server.OAuth
	switch {
	case !o.Enabled, o.IsRemote == nil || !*o.IsRemote, o.Scope != "a b", o.UseBasicAuth == nil || *o.UseBasicAuth, o.Resource == nil,
		o.ClientSecret.Kind != secrets.Stored, o.AdditionalParams["api_key"].Kind != secrets.Stored, o.AdditionalParams["k"].Value.Reveal() != "v":
		t.Errorf("%+v", o)
	}
	if notes := fmt.Sprint(got.Notes); len(got.Server.Headers) > 0 || !strings.Contains(notes, "OAUTH_NEW") || strings.Contains(notes, "CANARY") {
		t.Errorf("%v %s", got.Server.Headers, notes)
	}
	s.OAuth["OAUTH_TOKEN_EXPIRY_BUFFER"] = plain("soon")
	if got := take(t, world(t), s)[0]; !strings.Contains(got.Why, "OAUTH_TOKEN_EXPIRY_BUFFER") {
		t.Errorf("a wrong type: %+v", got)
	}
}

func TestErrorsHoldNoValue(t *testing.T) {
	s := program("s", "npx", "--api-key", "CANARY-1", "--token=CANARY-2", "ghp_CANARY123456", "plain", "-e", "A_TOKEN=CANARY-3")
	got := one(t, s)
	if want := []int{1, 2, 3, 6}; !slices.Equal(got.Visible, want) {
		t.Errorf("%v", got.Visible)
	}
	if said := fmt.Sprint(got.Notes) + string(got.Shown()); strings.Contains(said, "CANARY") || !strings.Contains(said, `"plain"`) {
		t.Errorf("%s", said)
	}
	s = program("s", "npx", "--password", "-CANARY", "-pCANARY", "-port", "-p8080", "--config", `{"a":[{"apiKey":"CANARY"}]}`, "--config={\"token\":\"CANARY\"}",
		"password: CANARY", "--auth", "--verbose")
	s.Command = plain("/opt/sk-CANARY-1/x")
	s.Env = map[string]clients.Text{"JSON": plain(`{"k":"v","password":"CANARY"}`)}
	got = one(t, s)
	if want := []int{1, 2, 6, 7, 8}; !slices.Equal(got.Visible, want) || !strings.Contains(fmt.Sprint(got.Notes), "its command looks") {
		t.Errorf("%v %s", got.Visible, got.Notes)
	}
	if said := fmt.Sprint(got.Notes) + string(got.Shown()); strings.Contains(said, "CANARY") {
		t.Errorf("%s", said)
	}
	s.Command = clients.Text{{Path: "/none"}}
	if got := take(t, world(t), s)[0]; !strings.Contains(got.Why, "/none") {
		t.Errorf("%q does not say the file: %v", got.Why, got.Notes)
	}
}

func TestInputsInArguments(t *testing.T) {
	input := func(secret bool) clients.Text {
		return clients.Text{{Literal: "x="}, {Input: &clients.Input{ID: "given", Secret: secret}}}
	}
	s := program("s", "npx")
	s.Args = []clients.Text{input(false), input(true)}
	if got := one(t, s); !slices.Equal(got.Visible, []int{1}) || got.Server.Args[0] != "x=answer" {
		t.Errorf("%v %q", got.Visible, got.Server.Args)
	}
}
