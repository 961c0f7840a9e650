package firstrun

import (
	"slices"
	"strings"
	"testing"

	"bearerd/config"
	"bearerd/secrets"
)

func TestSplit(t *testing.T) {
	for line, want := range map[string][]string{
		"":                             nil,
		"  npx   -y  a ":               {"npx", "-y", "a"},
		`a "b c" 'd "e"' f\ g`:         {"a", "b c", `d "e"`, "f g"},
		`a "" ''`:                      {"a", "", ""},
		`C:\dir\run.exe "x\"y" '\"'`:   {`C:\dir\run.exe`, `x"y`, `\"`},
		`sh -c "echo ${A} %{b} $(c)"`:  {"sh", "-c", "echo ${A} %{b} $(c)"},
		`pre"mid dle"post 'ü' "a'b" \`: {"premid dlepost", "ü", "a'b", `\`},
	} {
		if got, err := Split(line); err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: %q, %v; want %q", line, got, err, want)
		}
	}
	for _, line := range []string{`"`, `a 'b`, `a "b\"`} {
		if got, err := Split(line); err == nil {
			t.Errorf("%s: %q", line, got)
		}
	}
}

func TestSuggested(t *testing.T) {
	for text, want := range map[string]string{
		"https://mcp.example.com/mcp": "example", "https://mcp.linear.app/sse": "linear", "https://tickets.acme.co.uk": "tickets",
		"https://api.githubcopilot.com/mcp/": "githubcopilot", "http://127.0.0.1:8080/mcp": "local", "http://[::1]:8080": "local",
		"http://localhost:3000": "localhost", "https://xn--bcher-kva.example": "xn--bcher-kva", "": "server", "https://": "server",
		"https://" + strings.Repeat("a", 70) + ".com": strings.Repeat("a", 64), "https://_-_.com": "server",
	} {
		if got := (&Answers{Kind: Remote, URL: text}).Suggested(); got != want {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
	for line, want := range map[string]string{
		"npx -y @modelcontextprotocol/server-filesystem@1.2 /tmp": "filesystem", "uvx acme-search-mcp": "acme-search",
		"/opt/bin/tickets --port 3": "tickets", "python3 -m": "python3", "python3 server.py": "server", "npx": "npx", `"x`: "server",
		"uv run mcp-server-git": "git", `C:\tools\run.exe a`: "run", "mcp-server": "server",
	} {
		if got := (&Answers{Kind: Program, Line: line}).Suggested(); got != want {
			t.Errorf("%s: %q, want %q", line, got, want)
		}
	}
}

// What is written is read back as it was, whatever it is.
func TestTextIsReadBack(t *testing.T) {
	for _, odd := range []string{
		"${X}", "$${X}", "%{ if }", "%%{", "$", "%", `"`, `\`, `\n`, "a\tb", "it's", "ü€𝄞", "{{", "# no comment", "$$", "${", "a$", "\u200b",
	} {
		a := Answers{Kind: Program, Line: `prog "x" '` + strings.ReplaceAll(odd, "'", "") + `'`, Name: "n", SignIn: Machine,
			ClientID: odd, Secret: secrets.New("s"), TokenURL: "https://as.example.com/t"}
		cfg, diagnostics, err := a.Config()
		if err != nil || cfg == nil {
			t.Errorf("%q: %v %v\n%s", odd, err, diagnostics, a.Text())
			continue
		}
		s := cfg.Servers[0]
		if want := []string{"x", strings.ReplaceAll(odd, "'", "")}; !slices.Equal(s.Args, want) || s.OAuth.ClientID != odd {
			t.Errorf("%q: %q %q", odd, s.Args, s.OAuth.ClientID)
		}
	}
}

func TestVault(t *testing.T) {
	for method, a := range map[string]Answers{
		"token": {}, "approle": {Role: "role", RoleFile: "/run/secret-id"}, "kubernetes": {Role: "mcp"},
	} {
		a.Kind, a.URL, a.SignIn, a.Store, a.Address, a.Method = Remote, "https://mcp.example.com", Browser, Vault, "https://vault.example.com", method
		cfg, diagnostics, err := a.Config()
		if err != nil || cfg == nil || cfg.Shared == nil || cfg.Vault.Auth.Method != method || cfg.Vault.Address != a.Address {
			t.Errorf("%s: %v %v\n%s", method, err, diagnostics, a.Text())
		}
		a.Address = "http://vault.example.com"
		if err := a.Wrong("address"); err == nil || !strings.Contains(err.Error(), "HTTPS") {
			t.Errorf("%s: %v", method, err)
		}
		if err := a.Wrong("url"); err != nil {
			t.Errorf("%s: what is wrong elsewhere was told: %v", method, err)
		}
		a.SignIn = NoToken
		if cfg, _, _ := a.Config(); cfg == nil || cfg.Vault != nil {
			t.Errorf("%s: a server without a token got a Vault", method)
		}
	}
}

// An answer that was changed leaves nothing of what no longer belongs there.
func TestSecretsBelongToTheWay(t *testing.T) {
	a := Answers{Kind: Remote, URL: "https://mcp.example.com", Secret: secrets.New("x"), Refresh: secrets.New("y"), ClientID: "c",
		ServerURL: "https://other.example.com", TokenURL: "https://as.example.com"}
	for way, want := range map[string]int{Browser: 0, NoToken: 0, Machine: 1, OwnClient: 1, Refresh: 2, Key: 1} {
		a.SignIn = way
		if got := a.Secrets(); len(got) != want || strings.Count(string(a.Text()), "secret(") != want {
			t.Errorf("%s: %v\n%s", way, got, a.Text())
		}
		if cfg, diagnostics, _ := a.Config(); cfg == nil || diagnosticsOf(diagnostics, config.Warning) > 0 {
			t.Errorf("%s: %v", way, diagnostics)
		}
	}
}

func diagnosticsOf(list config.Diagnostics, severity config.Severity) (n int) {
	for _, d := range list {
		if d.Severity == severity {
			n++
		}
	}
	return n
}

// A key reaches the server as it wants it.
func TestKeyIsPutWhereItBelongs(t *testing.T) {
	for name, c := range map[string]struct {
		answers Answers
		into    string
		want    string
	}{
		"by itself":     {Answers{Kind: Remote, URL: "https://mcp.example.com"}, "Authorization", "Bearer key"},
		"authorization": {Answers{Kind: Remote, URL: "https://mcp.example.com", Into: "authorization"}, "authorization", "Bearer key"},
		"of its own":    {Answers{Kind: Remote, URL: "https://mcp.example.com", Into: "X-Api-Key"}, "X-Api-Key", "key"},
		"variable":      {Answers{Kind: Program, Line: "sh", Into: "API_KEY"}, "API_KEY", "key"},
	} {
		a := c.answers
		a.Name, a.SignIn, a.Secret = "one", Key, secrets.New("key")
		cfg, diagnostics, err := a.Config()
		if err != nil || cfg == nil {
			t.Errorf("%s: %v %v\n%s", name, err, diagnostics, a.Text())
			continue
		}
		s := cfg.Servers[0]
		refs := s.Headers
		if a.Kind == Program {
			refs = s.Env
		}
		if got := a.Secrets()["one"].Reveal(); got != c.want || refs[c.into].Name != "one" || len(refs) != 1 || s.OAuth != nil {
			t.Errorf("%s: %q, %v", name, got, refs)
		}
	}
}

func TestKeyIsPutNowhereElse(t *testing.T) {
	for _, odd := range []string{"a b", "a:b", "ü", "Content-Length", "${x}"} {
		a := Answers{Kind: Remote, URL: "https://mcp.example.com", SignIn: Key, Secret: secrets.New("key"), Into: odd}
		if a.Wrong("headers") == nil {
			t.Errorf("%q is taken for a header", odd)
		}
	}
	a := Answers{Kind: Program, Line: "sh", SignIn: Key, Secret: secrets.New("key"), Into: "A=B"}
	if a.Wrong("env") == nil {
		t.Error("A=B is taken for a variable")
	}
}
