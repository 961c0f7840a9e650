package config

import (
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"bearerd/secrets"
)

const plain = "server \"plain\" {\n  command = \"uvx\"\n}\n"

func wantError(t *testing.T, path, want string) Diagnostics {
	t.Helper()
	cfg, diags := Load(path)
	if got := messages(diags, Error); cfg != nil || !slices.Equal(got, []string{want}) {
		t.Errorf("got %q, want %q", got, want)
	}
	return diags
}

func TestDefaults(t *testing.T) {
	dir := home(t)
	cfg, diags := Load(write(t, "c.hcl", plain+`server "u" {
  url = "https://mcp.example.com"
  oauth_config {
    enabled             = true
    OAUTH_CLIENT_ID     = "id"
    OAUTH_CLIENT_SECRET = env("S")
    OAUTH_TOKEN_URL     = "https://auth.example.com/token"
  }
}`))
	if cfg == nil {
		t.Fatal(diags)
	}
	want := &Config{
		Log:   Log{Level: "info", Format: "auto"},
		Store: Store{Path: dir + "/.local/state/bearerd"},
		Proxy: Proxy{
			Listen: "127.0.0.1:7411", Local: Local{LocalAuth: "key"}, FastPath: true,
			Limits: Limits{
				MaxConnections: 4096, MaxHeadBytes: 65536, MaxBodyBytes: 67108864, MaxAnswerHead: 262144, ReplayBytes: 4194304,
				HeadTimeout: 10 * time.Second, BodyTimeout: 30 * time.Second, IdleTimeout: 2 * time.Minute, WriteTimeout: 2 * time.Minute,
			},
		},
		Servers: []*Server{
			{Name: "plain", Command: "uvx", TokenFileMode: "0600", Via: "proxy", Login: "command", StopGrace: 2 * time.Second, KillGrace: 5 * time.Second,
				OnRotate: "replay", OnRotateBusy: "error", Signal: "SIGHUP", Replay: "challenge"},
			{
				Name: "u", URL: "https://mcp.example.com", Local: Local{LocalAuth: "key"},
				TokenFileMode: "0600", Via: "proxy", Login: "command", StopGrace: 2 * time.Second, KillGrace: 5 * time.Second,
				OnRotate: "replay", OnRotateBusy: "error", Signal: "SIGHUP", Replay: "challenge",
				OAuth: &OAuth{
					Enabled: true, Version: "2.0", GrantType: "client_credentials", ClientID: "id",
					ClientSecret: secrets.Ref{Kind: secrets.Env, Name: "S"}, TokenURL: "https://auth.example.com/token",
					UsePKCE: true, EnforceHTTPS: true, TokenInHeaderOnly: true, ValidateScopes: true, TokenExpiryBuffer: 300,
				},
			},
		},
	}
	if !reflect.DeepEqual(cfg, want) {
		t.Errorf("got  %+v\nwant %+v", cfg, want)
	}
	if cfg.Server("nobody") != nil {
		t.Error("a server that is not there was found")
	}
}

func TestAcceptance33_PathsAndReferences(t *testing.T) {
	dir := home(t)
	text := readAll(t, "../testdata/config/good/everything.hcl")["everything.hcl"]
	path := write(t, "c.hcl", text)
	cfg, diags := Load(path)
	if cfg == nil {
		t.Fatal(diags)
	}
	base := filepath.Dir(path)
	search, tickets := cfg.Server("search"), cfg.Server("tickets")
	for _, c := range [][2]string{
		{cfg.Store.Path, dir + "/state"},
		{cfg.Store.Identity.Name, base + "/identity.txt"},
		{cfg.Admin.Listen, "unix:" + base + "/admin.sock"},
		{search.Dir, base + "/work"},
		{search.TokenFile, base + "/token"},
		{search.Env["API_KEY"].String(), `secret("api/key")`},
		{tickets.OAuth.CustomHeaders["X-Custom-Header"].Name, dir + "/header"},
		{tickets.OAuth.AdditionalParams["n"].Value.Reveal(), "12"},
		{tickets.OAuth.AdditionalParams["ok"].Value.Reveal(), "true"},
		{tickets.OAuth.AdditionalParams["key"].String(), `credential("param")`},
		{tickets.OAuth.Scope, "read write"},
		{tickets.LocalAuth, "key"}, // a listener of its own does not inherit "none"
		{strings.Join(tickets.AllowHosts, " "), "mcp.internal"},
		{cfg.Server("legacy").Args[4], "X-Key:${KEY}"},
	} {
		if c[0] != c[1] {
			t.Errorf("got %q, want %q", c[0], c[1])
		}
	}
	if len(tickets.OAuth.Resource) != 2 || search.StopGrace != 500*time.Millisecond {
		t.Error("resource or stop_grace were not read")
	}
}

// An absent value and an empty one differ.
func TestPresence(t *testing.T) {
	home(t)
	const head = "server \"u\" {\n  url = \"https://mcp.example.com\"\n  oauth_config {\n    enabled = false\n"
	for text, want := range map[string][]string{
		"": nil, "OAUTH_RESOURCE = null\n": nil, "OAUTH_RESOURCE = \"\"\n": {}, "OAUTH_RESOURCE = []\n": {},
		"OAUTH_RESOURCE = \"urn:a\"\n": {"urn:a"},
	} {
		cfg, diags := Load(write(t, "c.hcl", head+text+"  }\n}\n"))
		if cfg == nil {
			t.Fatal(diags)
		}
		if got := cfg.Servers[0].OAuth.Resource; !reflect.DeepEqual(got, want) {
			t.Errorf("%q: got %#v, want %#v", text, got, want)
		}
	}
}

func TestFolder(t *testing.T) {
	home(t)
	dir := t.TempDir()
	put := func(name, text string) {
		t.Helper()
		p := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	wantError(t, dir, "the folder holds no configuration")
	put("a.hcl", plain)
	put("b.hcl.json", `{"server": {"json": {"command": "uvx"}}}`)
	put("empty.hcl", "# nothing\n")
	put("empty.hcl.json", "// nothing\n")
	put("conf.d/c.hcl", `server "more" { command = "uvx" }`)
	put(".hidden.hcl", "garbage {{{")
	put("notes.txt", "garbage {{{")
	put("mcp.json", "garbage {{{")
	cfg, diags := Load(dir)
	if cfg == nil {
		t.Fatal(diags)
	}
	var names []string
	for _, s := range cfg.Servers {
		names = append(names, s.Name)
	}
	if !slices.Equal(names, []string{"json", "more", "plain"}) {
		t.Errorf("got %q", names)
	}
	if got := messages(diags, Warning); !slices.Equal(got, []string{"the file is not read"}) {
		t.Errorf("got %q", got)
	}

	put("conf.d/d.hcl", "server \"PLAIN\" {\n  command = \"x\"\n}\n")
	diags = wantError(t, dir, `server "PLAIN" is declared twice`)
	if text := diags.Error(); !strings.Contains(text, "d.hcl:1:8") || !strings.Contains(text, "a.hcl:1") {
		t.Errorf("both places are not named:\n%s", text)
	}
}

func TestFiles(t *testing.T) {
	home(t)
	wantError(t, filepath.Join(t.TempDir(), "absent"), "the configuration cannot be read: no such file or directory")
	wantError(t, write(t, "c.hcl", "# \x00"), "the file holds a NUL byte")
	wantError(t, write(t, "c.hcl", "# \xff"), "the file is not valid UTF-8")
	wantError(t, write(t, "c.hcl", "#"+strings.Repeat("x", maxFile)), "the file is over 256 KiB")
	wantError(t, write(t, "c.hcl", ""), "the configuration is empty")
	wantError(t, write(t, "c.hcl.json", "/* nothing */ // at all"), "the configuration is empty")
	if cfg, diags := Load(write(t, "c.hcl", "\ufeff"+plain)); cfg == nil {
		t.Errorf("a byte order mark: %v", diags)
	}

	fifo := filepath.Join(t.TempDir(), "fifo.hcl")
	if err := mkfifo(fifo); err != nil {
		t.Fatal(err)
	}
	wantError(t, fifo, "not a regular file")

	open := write(t, "c.hcl", plain)
	if err := os.Chmod(open, 0o620); err != nil {
		t.Fatal(err)
	}
	wantError(t, open, "the file can be written by group or others (mode 0620)")
	link := filepath.Join(t.TempDir(), "link.hcl")
	if err := os.Symlink(open, link); err != nil {
		t.Fatal(err)
	}
	wantError(t, link, "the file can be written by group or others (mode 0620)")
	if err := os.Chmod(open, 0o644); err != nil {
		t.Fatal(err)
	}
	if cfg, diags := Load(link); cfg == nil || len(diags) > 0 {
		t.Errorf("a link to a good file: %v", diags)
	}
	if os.Geteuid() == 0 {
		if err := os.Chown(open, 65534, -1); err != nil {
			t.Fatal(err)
		}
		wantError(t, open, "the file belongs to user 65534, not to the user who runs bearerd or to root")
	}
}

// A literal secret in a file that others can read is told from one in a private file.
func TestExposedSecret(t *testing.T) {
	home(t)
	path := write(t, "c.hcl", readAll(t, "../testdata/config/good/donts.hcl")["donts.hcl"])
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	_, diags := Load(path)
	if got := messages(diags, Warning); !slices.Contains(got, "OAUTH_CLIENT_SECRET is written into the configuration, which group or others can read") {
		t.Errorf("got %q", got)
	}
}

func TestExposedCertificate(t *testing.T) {
	dir := home(t)
	supply(t, dir+"/.ssh/github-app.pem", dir+"/.ssh/github-app-key.pem")
	for _, n := range []string{"/.ssh/github-app.pem", "/.ssh/github-app-key.pem"} {
		if err := os.Chmod(dir+n, 0o640); err != nil {
			t.Fatal(err)
		}
	}
	_, diags := Load(write(t, "c.hcl", readAll(t, "../examples/guide/github-mtls.hcl")["github-mtls.hcl"]))
	want := []string{
		"Client certificate is readable by others: " + dir + "/.ssh/github-app.pem",
		"Client key is readable by others: " + dir + "/.ssh/github-app-key.pem",
	}
	if got := messages(diags, Warning); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestDefaultPath(t *testing.T) {
	dir := home(t)
	t.Setenv("BEARERD_CONFIG", "")
	if got := DefaultPath(); got != "/etc/bearerd" {
		t.Errorf("got %s", got)
	}
	if err := os.MkdirAll(dir+"/.config/bearerd", 0o700); err != nil {
		t.Fatal(err)
	}
	if got := DefaultPath(); got != dir+"/.config/bearerd" {
		t.Errorf("got %s", got)
	}
	t.Setenv("BEARERD_CONFIG", "/x")
	if got := DefaultPath(); got != "/x" {
		t.Errorf("got %s", got)
	}
}
