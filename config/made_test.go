package config

import (
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// madeFolder is a configuration whose conf.d holds one file.
func madeFolder(t *testing.T, admin, name, text string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	put(t, dir+"/a.hcl", "admin {\n"+admin+"\n}\nproxy {\n  local_auth  = \"none\"\n  allow_hosts = [\"h\"]\n}\n")
	put(t, dir+"/conf.d/"+name, text)
	return dir
}

const madeOne = `
server "one" {
  url     = "https://mcp.example.com/mcp" # a comment
  headers = { X-Api-Key = secret("server/one/header"), "X-Team" = "core $${x}" }
  oauth_config {
    enabled             = true
    OAUTH_VERSION       = "2.1"
    OAUTH_GRANT_TYPE    = "client_credentials"
    OAUTH_CLIENT_ID     = "id"
    OAUTH_CLIENT_SECRET = secret("server/one/client_secret")
    OAUTH_TOKEN_URL     = "https://auth.example.com/token"
    OAUTH_SCOPE         = "a b"
    OAUTH_RESOURCE      = ["https://a.example.com", "https://b.example.com"]
    OAUTH_USE_BASIC_AUTH = true
  }
}
`

// A made file is read as what it says, with a key for its callers and with the private addresses of admin.
func TestMadeFile(t *testing.T) {
	home(t)
	for _, text := range []string{
		madeMark + madeOne, "\ufeff" + madeMark + "\r\n" + strings.ReplaceAll(madeOne, "\n", "\r\n"),
	} {
		cfg, diags := Load(madeFolder(t, `allow_private = ["10.1.0.0/16"]`, "one.hcl", text))
		if cfg == nil || len(diags) > 0 {
			t.Fatal(diags)
		}
		s := cfg.Server("one")
		if !s.Made || s.LocalAuth != "key" || !slices.Equal(s.AllowPrivate, []string{"10.1.0.0/16"}) || s.AllowHosts[0] != "h" {
			t.Errorf("got %+v", s)
		}
		if s.Headers["X-Team"].Value.Reveal() != "core ${x}" || s.OAuth.ClientSecret.String() != `secret("server/one/client_secret")` {
			t.Errorf("got %+v", s)
		}
	}
	for _, text := range []string{madeOne, "\n" + madeMark + madeOne, strings.ToLower(madeMark) + madeOne} { // no first line, or another
		cfg, diags := Load(madeFolder(t, `allow_private = ["10.1.0.0/16"]`, "other.hcl", text))
		if cfg == nil {
			t.Fatal(diags)
		}
		if s := cfg.Server("one"); s.Made || s.LocalAuth != "none" || s.AllowPrivate != nil {
			t.Errorf("got %+v", s)
		}
	}
}

// What is wrong in admin is said there alone.
func TestMadeFileUnderBadAdmin(t *testing.T) {
	home(t)
	wantError(t, madeFolder(t, `allow_private = ["169.254.169.254"]`, "one.hcl", madeMark+madeOne),
		"allow_private may not name 169.254.169.254: bearerd never connects to such an address")
}

func TestMadeStdio(t *testing.T) {
	home(t)
	const text = madeMark + "\nserver \"one\" {\n  command = \"uvx\"\n  args = [\"a\"]\n  env = { K = secret(\"server/one/k\"), L = \"x\" }\n}\n"
	wantError(t, madeFolder(t, "", "one.hcl", text), "a server that the API made may not run a command")
	cfg, diags := Load(madeFolder(t, "allow_stdio = true", "one.hcl", text))
	if cfg == nil || cfg.Server("one").Env["K"].Name != "server/one/k" {
		t.Error(diags)
	}
}

// Each way out of the narrower schema, and what is said of it.
func TestBadMadeFiles(t *testing.T) {
	home(t)
	const one = "a file that the API made holds one server and nothing else"
	const written = " must be written out in a file that the API made, or be secret(\"server/one/…\")"
	const hand = " may be set in a file that is written by hand only"
	const stored = " must be a reference to a secret of this server here: secret(\"server/one/…\")"
	server := func(lines string) string {
		return "server \"one\" {\n  url = \"https://a.example.com\"\n" + lines + "\n}\n"
	}
	oauth := func(lines string) string {
		return server("  oauth_config {\n    enabled = false\n" + lines + "\n  }")
	}
	for text, want := range map[string][]string{
		"":                                 {"a file that the API made holds one server, and this one holds none"},
		server("") + "log {}\n":            {one},
		server("") + "admin {}\n":          {`admin is declared twice`, one},
		server("") + "vault {}\n":          {"address is required and cannot be empty", one, "vault needs an auth block"},
		server("") + "store \"file\" {}\n": {one},
		server("") + "server \"two\" {\n  url = \"https://a.example.com\"\n}\n": {one},
		"x = 1\n" + server(""):                                                           {one, `unknown attribute "x"`},
		strings.ReplaceAll(server(""), `"one"`, `"two"`):                                 {"a file that the API made is named as its server, and this one is not two.hcl"},
		strings.ReplaceAll(server(""), `"one"`, `"One"`):                                 {"a file that the API made is named as its server, and this one is not One.hcl"},
		server(`listen = "127.0.0.1:9"`):                                                 {"listen" + hand},
		server(`local_auth = "none"`):                                                    {"local_auth" + hand},
		server(`allow_hosts = ["x"]`):                                                    {"allow_hosts" + hand},
		server(`allow_remote = null`):                                                    {"allow_remote" + hand},
		server(`moved_from = "x"`):                                                       {"moved_from" + hand},
		server(`allow_private = ["::1"]`):                                                {"allow_private needs an oauth_config that is enabled", "allow_private" + hand},
		server(`dir = "/"`):                                                              {"dir has a meaning for servers with a command only", "dir" + hand},
		server(`nonsense = 1`):                                                           {`unknown attribute "nonsense"`},
		server(`headers = { A = env("X") }`):                                             {"headers" + written},
		server(`headers = { A = file("/x") }`):                                           {"headers" + written},
		server(`headers = { A = credential("x") }`):                                      {"headers" + written},
		server(`headers = { A = secret("x") }`):                                          {"headers" + written},
		server(`headers = { A = secret("server/two/x") }`):                               {"headers" + written},
		server(`headers = { A = secret("server/One/x") }`):                               {"headers" + written},
		server(`headers = { A = secret("server/one") }`):                                 {"headers" + written},
		server(`headers = { A = secret("server/${"one"}/x") }`):                          {"headers" + written},
		server(`headers = { A = true ? "x" : "y" }`):                                     {"headers" + written},
		server(`headers = { A = "${"x"}" }`):                                             {"headers" + written},
		server(`headers = { A = ("x") }`):                                                {"headers" + written},
		server(`headers = { ("A") = "x" }`):                                              {"headers must be written out in a file that the API made"},
		server(`headers = { "${"A"}" = "x" }`):                                           {"headers must be written out in a file that the API made"},
		server(`headers = { A = secret("server/one/../two/x") }`):                        {"headers.A: secret(…) needs a name of letters, digits and . _ - /, at most 128"},
		server(`headers = true ? {} : {}`):                                               {"headers" + written},
		oauth(`OAUTH_CLIENT_SECRET = "literal"`):                                         {"OAUTH_CLIENT_SECRET" + stored},
		oauth(`OAUTH_CLIENT_SECRET = env("S")`):                                          {"OAUTH_CLIENT_SECRET" + stored},
		oauth(`OAUTH_REFRESH_TOKEN = secret("server/two/x")`):                            {"OAUTH_REFRESH_TOKEN" + stored},
		oauth(`OAUTH_CLIENT_ID = env("X")`):                                              {"OAUTH_CLIENT_ID must be a string, not a secret reference", "OAUTH_CLIENT_ID" + written},
		oauth(`OAUTH_CLIENT_ID = secret("server/one/x")`):                                {"OAUTH_CLIENT_ID must be a string, not a secret reference"},
		oauth(`OAUTH_CA_BUNDLE_PATH = "/etc/passwd"`):                                    {"OAUTH_CA_BUNDLE_PATH" + hand},
		oauth(`OAUTH_CUSTOM_HEADERS = {}`):                                               {"OAUTH_CUSTOM_HEADERS" + hand},
		oauth(`OAUTH_ADDITIONAL_PARAMS = {}`):                                            {"OAUTH_ADDITIONAL_PARAMS" + hand},
		oauth(`OAUTH_USE_PKCE = false`):                                                  {"OAUTH_USE_PKCE" + hand},
		oauth(`OAUTH_PRIVATE_KEY_PATH = file("/x")`):                                     {"OAUTH_PRIVATE_KEY_PATH" + hand},
		oauth(`is_remote = true`):                                                        {"is_remote" + hand},
		oauth(`OAUTH_USE_BASIC_AUTH = !false`):                                           {"OAUTH_USE_BASIC_AUTH" + written},
		strings.ReplaceAll(server(""), `url = "https://a.example.com"`, `command = "x"`): {"a server that the API made may not run a command"},
	} {
		slices.Sort(want)
		dir := madeFolder(t, "", "one.hcl", madeMark+"\n"+text)
		cfg, diags := Load(dir)
		if got := messages(diags, Error); cfg != nil || !slices.Equal(got, want) {
			t.Errorf("%s\ngot  %q\nwant %q", text, got, want)
		}
		for _, d := range diags {
			if d.Remedy == "" || strings.Contains(d.Snippet, "literal") || strings.Contains(d.Snippet, "passwd") {
				t.Errorf("%s: %+v", text, d)
			}
		}
		must(t, os.Rename(dir+"/conf.d/one.hcl", dir+"/conf.d/one.hcl.json")) // no JSON is made by the API
		if _, diags := Load(dir); slices.Contains(messages(diags, Error), one) {
			t.Errorf("%s: read as a made file", text)
		}
	}
}

// What another file says of made servers is in force although theirs has not changed.
func TestMadeFileAndCache(t *testing.T) {
	home(t)
	const text = madeMark + "\nserver \"one\" {\n  command = \"uvx\"\n}\n"
	dir := madeFolder(t, "allow_stdio = true", "one.hcl", text)
	put(t, dir+"/conf.d/two.hcl", madeMark+strings.ReplaceAll(madeOne, "one", "two"))
	w := cached(t, dir)
	if cfg := sameAsLoad(t, w); cfg == nil || cfg.Server("two").AllowPrivate != nil {
		t.Fatal(w.last)
	}
	put(t, dir+"/a.hcl", "admin {\n  allow_private = [\"::1\"]\n}\n")
	if cfg := sameAsLoad(t, w); cfg != nil {
		t.Error("a command is run without allow_stdio")
	}
	must(t, os.Remove(dir+"/conf.d/one.hcl"))
	if cfg := sameAsLoad(t, w); cfg == nil || !reflect.DeepEqual(cfg.Server("two").AllowPrivate, []string{"::1"}) {
		t.Errorf("got %v", w.last)
	}
}

// That a file is made is a change by itself.
func TestCompareMade(t *testing.T) {
	home(t)
	a, b := *DefaultServer("one"), *DefaultServer("one")
	a.URL, b.URL, b.Made = "https://a.example.com", "https://a.example.com", true
	changes := Compare(&Config{Servers: []*Server{&a}}, &Config{Servers: []*Server{&b}})
	if len(changes) != 1 || !reflect.DeepEqual(changes[0].Classes(), []Class{Live}) {
		t.Errorf("got %+v", changes)
	}
}
