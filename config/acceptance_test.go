package config

import (
	"slices"
	"strings"
	"testing"
)

// oauthServer is a url server with lines added to a complete oauth_config; a line replaces that of the same field.
func oauthServer(lines ...string) string {
	fields := map[string]string{
		"enabled": "true", "OAUTH_CLIENT_ID": `"id"`, "OAUTH_CLIENT_SECRET": `env("S")`,
		"OAUTH_TOKEN_URL": `"https://auth.example.com/token"`,
	}
	for _, l := range lines {
		name, value, _ := strings.Cut(l, "=")
		fields[strings.TrimSpace(name)] = strings.TrimSpace(value)
	}
	var b strings.Builder
	b.WriteString("server \"tickets\" {\n  url = \"https://mcp.example.com/mcp\"\n  oauth_config {\n")
	for name, value := range fields {
		if value != "" {
			b.WriteString("    " + name + " = " + value + "\n")
		}
	}
	b.WriteString("  }\n}\n")
	return b.String()
}

func errorsOf(t *testing.T, text string) Diagnostics {
	t.Helper()
	_, diags := Load(write(t, "c.hcl", text))
	return slices.DeleteFunc(diags, func(d Diagnostic) bool { return d.Severity != Error })
}

// Every message of the guide's validator that client credentials can meet, word for word.
func TestAcceptance17_DocumentedMessages(t *testing.T) {
	home(t)
	for _, c := range []struct {
		want  string
		lines []string
	}{
		{"OAUTH_TOKEN_URL is required and cannot be empty", []string{`OAUTH_TOKEN_URL=""`}},
		{"OAUTH_TOKEN_URL must start with http:// or https://", []string{`OAUTH_TOKEN_URL="auth.example.com"`}},
		{"OAUTH_CLIENT_ID is required and cannot be empty for client_credentials grant", []string{"OAUTH_CLIENT_ID="}},
		{"OAUTH_CLIENT_SECRET is required and cannot be empty for client_credentials grant", []string{"OAUTH_CLIENT_SECRET="}},
		{"OAuth 2.1 requires HTTPS for token_url", []string{`OAUTH_VERSION="2.1"`, `OAUTH_TOKEN_URL="http://a.example.com"`}},
		{"HTTPS is required for token_url (OAuth 2.0 best practice)", []string{`OAUTH_TOKEN_URL="http://a.example.com"`}},
		{"OAUTH_CLIENT_CERT_PATH is required when using mTLS", []string{"OAUTH_USE_MTLS=true", `OAUTH_CLIENT_KEY_PATH="/etc/passwd"`}},
		{"OAUTH_CLIENT_KEY_PATH is required when using mTLS", []string{"OAUTH_USE_MTLS=true", `OAUTH_CLIENT_CERT_PATH="/etc/passwd"`}},
		{"Invalid OAuth version: 1.0. Must be one of ['2.0', '2.1']", []string{`OAUTH_VERSION="1.0"`}},
	} {
		diags := errorsOf(t, oauthServer(c.lines...))
		if len(diags) != 1 || diags[0].Message != c.want || diags[0].Server != "tickets" {
			t.Errorf("want %q, got\n%v", c.want, diags)
		}
	}
	local := strings.Replace(oauthServer("OAUTH_TOKEN_URL="), `url = "https://mcp.example.com/mcp"`, `command = "uvx"`, 1)
	diags := errorsOf(t, local)
	if len(diags) != 1 || diags[0].Message != "OAUTH_TOKEN_URL is required and cannot be empty" ||
		!strings.Contains(diags[0].Remedy, "OAUTH_SERVER_URL") {
		t.Errorf("got\n%v", diags)
	}
}

func TestAcceptance18_UnknownNamesAndValuesHaveAPlace(t *testing.T) {
	home(t)
	for _, line := range []string{`OAUTH_VERSION="3.0"`, `OAUTH_GRANT_TYPE="device"`, `OAUTH_TOKN_URL="x"`} {
		diags := errorsOf(t, oauthServer(line))
		if len(diags) != 1 || diags[0].Line < 4 || !strings.HasSuffix(diags[0].File, "c.hcl") || diags[0].Snippet == "" {
			t.Errorf("%s: got\n%v", line, diags)
		}
	}
	diags := errorsOf(t, oauthServer(`OAUTH_TOKN_URL="x"`))
	if diags[0].Remedy != "did you mean OAUTH_TOKEN_URL?" {
		t.Errorf("got %q", diags[0].Remedy)
	}
}

func TestAcceptance19_HTTPNeedsExplicitOptOut(t *testing.T) {
	home(t)
	const loopback = `OAUTH_TOKEN_URL="http://127.0.0.1:9000/token"`
	for _, c := range []struct {
		lines []string
		ok    bool
	}{
		{[]string{loopback}, false},
		{[]string{loopback, `OAUTH_VERSION="2.1"`}, false},
		{[]string{loopback, `OAUTH_VERSION="2.1"`, "OAUTH_ENFORCE_HTTPS=false"}, false},
		{[]string{loopback, `OAUTH_VERSION="2.0"`, "OAUTH_ENFORCE_HTTPS=false"}, true},
		{[]string{`OAUTH_REVOCATION_URL="http://127.0.0.1:9000/r"`}, false},
		{[]string{`OAUTH_REVOCATION_URL="http://127.0.0.1:9000/r"`, "OAUTH_ENFORCE_HTTPS=false"}, true},
	} {
		cfg, diags := Load(write(t, "c.hcl", oauthServer(c.lines...)))
		if (cfg != nil) != c.ok || len(diags) == 0 {
			t.Errorf("%q: got\n%v", c.lines, diags)
		}
		for _, d := range diags {
			if d.Severity == Error && !strings.Contains(d.Remedy, "OAUTH_ENFORCE_HTTPS = false") {
				t.Errorf("the remedy is not whole: %q", d.Remedy)
			}
		}
	}
}

func TestAcceptance20_SchemeIgnoresCase(t *testing.T) {
	home(t)
	if diags := errorsOf(t, oauthServer(`OAUTH_VERSION="2.1"`, `OAUTH_TOKEN_URL="HTTPS://auth.example.com/token"`)); len(diags) > 0 {
		t.Error(diags)
	}
}

func TestAcceptance21_IsRemoteIsABool(t *testing.T) {
	home(t)
	for _, v := range []string{`"false"`, `"true"`, "0", "1", "[]"} {
		diags := errorsOf(t, oauthServer("is_remote="+v))
		if len(diags) != 1 || !strings.HasPrefix(diags[0].Message, "is_remote must be true or false") {
			t.Errorf("%s: got\n%v", v, diags)
		}
	}
}

func TestAcceptance22_MTLSNeedsNoSecret(t *testing.T) {
	home(t)
	pair := makePair(t)
	cert, key := write(t, "c.pem", string(pair.cert)), write(t, "k.pem", string(pair.key))
	diags := errorsOf(t, oauthServer("OAUTH_CLIENT_SECRET=", "OAUTH_USE_MTLS=true",
		`OAUTH_CLIENT_CERT_PATH="`+cert+`"`, `OAUTH_CLIENT_KEY_PATH="`+key+`"`))
	if len(diags) > 0 {
		t.Error(diags)
	}
}

func TestAcceptance32_MissingCertificate(t *testing.T) {
	home(t)
	diags := errorsOf(t, oauthServer("OAUTH_USE_MTLS=true", `OAUTH_CLIENT_CERT_PATH="/nonexistent/c.pem"`,
		`OAUTH_CLIENT_KEY_PATH="/nonexistent/k.pem"`))
	want := []string{"Client certificate not found: /nonexistent/c.pem", "Client key not found: /nonexistent/k.pem"}
	if got := messages(diags, Error); !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
}

func TestAcceptance40_RemoteDetection(t *testing.T) {
	for _, c := range []struct {
		want    Delivery
		command string
		args    []string
	}{
		{DeliverArguments, "npx", []string{"-y", "mcp-remote", "https://x.example/mcp"}},
		{DeliverArguments, "npx", []string{"-y", "mcp-remote@0.1.38", "https://x.example/mcp"}},
		{DeliverArguments, "npx", []string{"-p", "mcp-remote", "mcp-remote", "https://x.example/mcp"}},
		{DeliverArguments, "npx.cmd", []string{"mcp-remote@latest", "https://x.example/mcp"}},
		{DeliverArguments, "bunx", []string{"MCP-Remote@0.1", "x"}},
		{DeliverArguments, "pnpm", []string{"dlx", "mcp-remote", "https://x.example"}},
		{DeliverArguments, "yarn", []string{"dlx", "-q", "mcp-remote", "https://x.example"}},
		{DeliverArguments, "/usr/bin/node", []string{"/opt/node_modules/mcp-remote/dist/proxy.js", "https://x.example"}},
		{DeliverArguments, "node", []string{"--no-warnings", "./node_modules/.bin/mcp-remote", "https://x.example"}},
		{DeliverArguments, "mcp-remote", []string{"wss://x"}},
		{DeliverArguments, "/home/me/node_modules/.bin/mcp-remote", []string{"https://x.example"}},
		{DeliverArguments, "curl", []string{"https://x.example"}},
		{DeliverArguments, "/usr/bin/curl", []string{"https://x.example"}},
		{DeliverEnv, "npx", []string{"-y", "@modelcontextprotocol/server-filesystem", "/tmp"}},
		{DeliverEnv, "npx", []string{"-y", "@modelcontextprotocol/server-filesystem", "/src/mcp-remote"}},
		{DeliverEnv, "npx", []string{"-y", "@someone/mcp-remote", "https://x.example"}},
		{DeliverEnv, "npx", []string{"-y", "mcp-remote-tools", "https://x.example"}},
		{DeliverEnv, "python", []string{"server.py", "--api", "https://api.x"}},
		{DeliverEnv, "python", []string{"--api", "HTTPS://api.x"}},
		{DeliverEnv, "/home/npxuser/bin/srv", nil},
		{DeliverEnv, "/opt/curl-tools/srv", nil},
		{DeliverEnv, "/src/mcp-remote/server", nil},
		{DeliverEnv, "docker", []string{"run", "-i", "image"}},
		{DeliverEnv, "uvx", []string{"srv"}},
		{DeliverEnv, "uvx", []string{"srv", "--name", "mcp-remote"}},
	} {
		s := &Server{Command: c.command, Args: c.args, OAuth: &OAuth{Enabled: true}}
		if d, why := s.Delivery(); d != c.want || why == "" {
			t.Errorf("%s %q: got %s (%s), want %s", c.command, c.args, d, why, c.want)
		}
		for explicit, want := range map[bool]Delivery{true: DeliverArguments, false: DeliverEnv} {
			s.OAuth.IsRemote = &explicit
			if d, _ := s.Delivery(); d != want {
				t.Errorf("%s %q: is_remote = %v gives %s", c.command, c.args, explicit, d)
			}
		}
	}
	if d, why := (&Server{URL: "https://x.example"}).Delivery(); d != DeliverHTTP || why == "" {
		t.Errorf("url: got %s", d)
	}
}

func TestURLArgument(t *testing.T) {
	for _, c := range []struct {
		command string
		args    []string
		want    int
	}{
		{"npx", []string{"-y", "mcp-remote", "https://x.example", "--resource", "https://y.example"}, 2},
		{"npx", []string{"--registry", "https://r.example", "mcp-remote", "https://x.example"}, 3},
		{"mcp-remote", []string{"HTTPS://x.example"}, 0},
		{"mcp-remote", []string{"wss://x.example"}, -1},
		{"python3", []string{"bridge.py", "http://x.example"}, 1},
	} {
		if got := (&Server{Command: c.command, Args: c.args}).URLArgument(); got != c.want {
			t.Errorf("%s %q: got %d, want %d", c.command, c.args, got, c.want)
		}
	}
}

func TestAcceptance42_ExistingAuthorizationHeader(t *testing.T) {
	home(t)
	for _, args := range []string{`"--header", "authorization:x"`, `"--header=Authorization: x"`, `"-H", "AUTHORIZATION : x"`} {
		text := strings.Replace(oauthServer(), `url = "https://mcp.example.com/mcp"`,
			"command = \"npx\"\n  args = [\"mcp-remote\", \"https://mcp.example.com\", "+args+"]", 1)
		if got := messages(errorsOf(t, text), Error); !slices.Equal(got, []string{"args hold an Authorization header already"}) {
			t.Errorf("%s: got %q", args, got)
		}
	}
}

func TestAcceptance43_ExistingVariable(t *testing.T) {
	home(t)
	for _, name := range documentedEnv {
		text := strings.Replace(oauthServer(), `url = "https://mcp.example.com/mcp"`, "command = \"uvx\"\n  env = { "+name+" = \"x\" }", 1)
		if got := messages(errorsOf(t, text), Error); !slices.Equal(got, []string{"env sets " + name + ", which carries the token"}) {
			t.Errorf("%s: got %q", name, got)
		}
	}
}

// The interpolation that a user of mcp-remote's README writes first is answered with what to write instead.
func TestInterpolationRemedy(t *testing.T) {
	home(t)
	diags := errorsOf(t, "server \"x\" {\n  command = \"npx\"\n  args = [\"mcp-remote\", \"https://x.example\", \"--header\", \"Authorization:${TOKEN}\"]\n}\n")
	if len(diags) != 1 || !strings.Contains(diags[0].Remedy, "$${TOKEN}") || diags[0].Line != 3 {
		t.Errorf("got\n%v", diags)
	}
}
