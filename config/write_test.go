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

func own(server, field string) secrets.Ref {
	return secrets.Ref{Kind: secrets.Stored, Name: OwnSecret(server, field)}
}

// whole is a server with a value in each field that a made file may set, but for those that exclude others.
func whole() *Server {
	s, yes := DefaultServer("one"), false
	s.URL = "https://mcp.example.com/mcp?a=b&c=d"
	s.Headers = map[string]secrets.Ref{"X-Key": own("one", "header-x-key"), "X-Plain": secrets.LiteralRef("${x} %{y} \\ \"q\"")}
	s.OAuth = &OAuth{
		Enabled: true, Version: "2.1", GrantType: "authorization_code", ClientID: "client", ClientSecret: own("one", "client_secret"),
		TokenURL: "https://a.example.com/token", AuthorizationURL: "https://a.example.com/authorize",
		DeviceURL: "https://a.example.com/device", RegistrationURL: "https://a.example.com/register",
		ServerURL: "https://mcp.example.com", RedirectURI: "https://b.example.com/api/oauth/callback",
		RevocationURL: "https://a.example.com/revoke", Scope: "read write", Resource: []string{"https://r.example.com"},
		Audience: "aud", UseBasicAuth: &yes, EnforceHTTPS: true,
	}
	return s
}

// reloaded is the server that Load makes of the text of a made file.
func reloaded(t *testing.T, admin, name string, text []byte) *Server {
	t.Helper()
	cfg, diags := Load(madeFolder(t, admin, name+".hcl", string(text)))
	if cfg == nil {
		t.Fatalf("%v\n%s", diags, text)
	}
	return cfg.Server(name)
}

const wholeText = madeMark + `
server "one" {
  url = "https://mcp.example.com/mcp?a=b&c=d"
  headers = {
    "X-Key"   = secret("server/one/header-x-key")
    "X-Plain" = "$${x} %%{y} \\ \"q\""
  }
  oauth_config {
    enabled                        = true
    OAUTH_VERSION                  = "2.1"
    OAUTH_GRANT_TYPE               = "authorization_code"
    OAUTH_CLIENT_ID                = "client"
    OAUTH_CLIENT_SECRET            = secret("server/one/client_secret")
    OAUTH_TOKEN_URL                = "https://a.example.com/token"
    OAUTH_AUTHORIZATION_URL        = "https://a.example.com/authorize"
    OAUTH_DEVICE_AUTHORIZATION_URL = "https://a.example.com/device"
    OAUTH_REGISTRATION_URL         = "https://a.example.com/register"
    OAUTH_SERVER_URL               = "https://mcp.example.com"
    OAUTH_REDIRECT_URI             = "https://b.example.com/api/oauth/callback"
    OAUTH_REVOCATION_URL           = "https://a.example.com/revoke"
    OAUTH_SCOPE                    = "read write"
    OAUTH_RESOURCE                 = ["https://r.example.com"]
    OAUTH_AUDIENCE                 = "aud"
    OAUTH_USE_BASIC_AUTH           = false
  }
}
`

func TestMake(t *testing.T) {
	home(t)
	text, diags := Make(whole(), Admin{})
	if diags != nil || string(text) != wholeText {
		t.Fatalf("got %v\n%s", diags, text)
	}
	got, want := reloaded(t, "", "one", text), whole()
	for _, diff := range append(differing(want, got, madeAttributes), differing(want.OAuth, got.OAuth, madeOAuth)...) {
		t.Errorf("%s was not read back", diff)
	}
	if again, diags := Make(got, Admin{}); diags != nil || string(again) != wholeText {
		t.Errorf("what was loaded is written otherwise: %v\n%s", diags, again)
	}
}

// What was loaded under other blocks can be written again.
func TestMakeLeavesOutWhatFollows(t *testing.T) {
	home(t)
	s := DefaultServer("one")
	s.URL = "https://mcp.example.com"
	text, diags := Make(s, Admin{})
	if want := madeMark + "\nserver \"one\" {\n  url = \"https://mcp.example.com\"\n}\n"; string(text) != want {
		t.Fatalf("got %v\n%s", diags, text)
	}
	got := reloaded(t, `allow_private = ["::1"]`, "one", text)
	if len(got.AllowPrivate) == 0 || len(got.AllowHosts) == 0 {
		t.Fatal("the test shows nothing")
	}
	if again, diags := Make(got, Admin{AllowPrivate: []string{"::1"}}); diags != nil || string(again) != string(text) {
		t.Errorf("got %v\n%s", diags, again)
	}
	s = &Server{Name: "one", Command: "uvx", Args: []string{}, Env: map[string]secrets.Ref{"K": own("one", "k")}} // no defaults filled in
	if text, diags := Make(s, Admin{AllowStdio: true}); diags != nil || !strings.Contains(string(text), "args    = []") {
		t.Errorf("got %v\n%s", diags, text)
	}
}

// What cannot be written is refused by the name of its field, and its value is not shown.
func TestMakeRefuses(t *testing.T) {
	home(t)
	edit := func(f func(*Server)) *Server { s := whole(); f(s); return s }
	for _, c := range []struct {
		field  string
		server *Server
	}{
		{"name", edit(func(s *Server) { s.Name = "../canary" })},
		{"name", edit(func(s *Server) { s.Name = "" })},
		{"url", edit(func(s *Server) { s.URL = "ftp://canary" })},
		{"url", edit(func(s *Server) { s.URL = "https://canary\x00" })},
		{"url", edit(func(s *Server) { s.URL = "https://a/canary\xff" })},
		{"url", edit(func(s *Server) { s.URL = "https://a/canary-e\u0301" })}, // not composed
		{"headers", edit(func(s *Server) { s.Headers["X"] = secrets.LiteralRef("canary\nX: y") })},
		{"headers", edit(func(s *Server) { s.Headers["X"] = secrets.Ref{Kind: secrets.Env, Name: "CANARY"} })},
		{"headers", edit(func(s *Server) { s.Headers["X"] = own("two", "canary") })},
		{"headers", edit(func(s *Server) { s.Headers["x {"] = own("one", "x") })},
		{"command", &Server{Name: "one", Command: "canary"}},
		{"dir", edit(func(s *Server) { s.Dir = "/canary" })},
		{"listen", edit(func(s *Server) { s.Listen = "127.0.0.1:canary" })},
		{"token_file", edit(func(s *Server) { s.TokenFile = "/canary" })},
		{"login", edit(func(s *Server) { s.Login = "auto-canary" })},
		{"moved_from", edit(func(s *Server) { s.MovedFrom = "canary" })},
		{"is_remote", edit(func(s *Server) { s.OAuth.IsRemote = new(bool) })},
		{"OAUTH_CLIENT_SECRET", edit(func(s *Server) { s.OAuth.ClientSecret = secrets.LiteralRef("canary") })},
		{"OAUTH_CLIENT_SECRET", edit(func(s *Server) { s.OAuth.ClientSecret = secrets.Ref{Kind: secrets.Vault, Name: "canary", Field: "x"} })},
		{"OAUTH_REFRESH_TOKEN", edit(func(s *Server) { s.OAuth.RefreshToken = secrets.LiteralRef("canary") })},
		{"OAUTH_TOKEN_URL", edit(func(s *Server) { s.OAuth.TokenURL = "http://canary" })},
		{"OAUTH_SCOPE", edit(func(s *Server) { s.OAuth.Scope = "canary  twice" })},
		{"OAUTH_SCOPE", edit(func(s *Server) { s.OAuth.Scope = "canary\"" })},
		{"OAUTH_VERSION", edit(func(s *Server) { s.OAuth.Version = "3" })},
		{"OAUTH_ENFORCE_HTTPS", edit(func(s *Server) { s.OAuth.EnforceHTTPS = false })},
		{"OAUTH_CUSTOM_HEADERS", edit(func(s *Server) { s.OAuth.CustomHeaders = map[string]secrets.Ref{"X": secrets.LiteralRef("canary")} })},
		{"OAUTH_CA_BUNDLE_PATH", edit(func(s *Server) { s.OAuth.CABundlePath = secrets.Ref{Kind: secrets.File, Name: "/canary"} })},
		{"OAUTH_REDIRECT_URI", edit(func(s *Server) { s.OAuth.RedirectURI = "http://canary.example.com/" })},
		{"", edit(func(s *Server) { s.URL = "https://a/" + strings.Repeat("canary", 200_000) })},
	} {
		text, diags := Make(c.server, Admin{})
		if text != nil || !diags.HasErrors() {
			t.Errorf("%s: it was written: %s", c.field, text)
			continue
		}
		if !slices.ContainsFunc(diags, func(d Diagnostic) bool { return d.Field == c.field && d.Message != "" && d.Remedy != "" }) {
			t.Errorf("%s: got %+v", c.field, diags)
		}
		if said := diags.Error(); strings.Contains(strings.ReplaceAll(said, "../canary", ""), "canary") {
			t.Errorf("%s: a value is shown: %s", c.field, said)
		}
	}
}

// What admin allows decides, and the remedy names it.
func TestMakeUnderAdmin(t *testing.T) {
	home(t)
	s := &Server{Name: "one", Command: "uvx"}
	if _, diags := Make(s, Admin{}); len(diags) != 1 || !strings.Contains(diags[0].Remedy, "allow_stdio") {
		t.Errorf("got %v", diags)
	}
	if text, diags := Make(s, Admin{AllowStdio: true}); text == nil {
		t.Error(diags)
	}
}

// Whatever comes from outside is read back as it was, or refused.
func FuzzMake(f *testing.F) {
	for _, x := range []string{
		"a", "", "\"", "\\", "\n", "\r\n", "\x00", "${env(\"HOME\")}", "$${x}", "$$", "$", "%{ if true }", "%%{", "<<EOT\nx\nEOT\n",
		"*/", "/*", "#", "//", "\u2028", "\ufeff", "\xff\xfe", "\U0001F600", "\U000E0001", "e\u0301", "}\nserver \"two\" {\n", "\\u0041", "\x7f\x1b[0m",
		strings.Repeat("x", 1<<20), "secret(\"server/two/x\")",
	} {
		f.Add(x, x, x, x, x)
		f.Add("name", x, "X-Key", "v", x)
		f.Add("name", "https://a.example.com/"+x, x, x, "id"+x)
	}
	f.Setenv("HOME", f.TempDir())
	f.Fuzz(func(t *testing.T, name, url, header, value, client string) {
		s := DefaultServer(name)
		s.URL, s.Headers = url, map[string]secrets.Ref{header: secrets.LiteralRef(value), "X-Own": own(name, "x")}
		s.OAuth = DefaultOAuth()
		s.OAuth.Enabled, s.OAuth.GrantType, s.OAuth.ClientID, s.OAuth.Audience = true, "authorization_code", client, value
		text, diags := Make(s, Admin{})
		if (text == nil) != diags.HasErrors() {
			t.Fatalf("got %q with %v", text, diags)
		}
		if text == nil {
			return
		}
		dir := t.TempDir()
		must(t, os.WriteFile(filepath.Join(dir, name+".hcl"), text, 0o600))
		cfg, diags := Load(dir)
		if cfg == nil || len(cfg.Servers) != 1 {
			t.Fatalf("%v\n%s", diags, text)
		}
		want := *s
		want.Made, want.LocalAuth = true, "key"
		if !reflect.DeepEqual(cfg.Servers[0], &want) {
			t.Errorf("got %+v %+v\nwant %+v %+v\n%s", cfg.Servers[0], cfg.Servers[0].OAuth, want, want.OAuth, text)
		}
	})
}

// What looks like syntax is no reason to refuse a value.
func TestMakeTakesWhatLooksLikeSyntax(t *testing.T) {
	home(t)
	for _, x := range []string{
		`"`, `\`, "${env(\"HOME\")}", "$${x}", "$$", "$", "%{ if true }", "%%{x}", "<<EOT", "*/", "#", "//", "\u2028", "\\u0041", "}", "\U0001F600",
		"a\tb", "$$${x}", strings.Repeat("${", 100), strings.Repeat("%${x}", 100),
	} {
		s := whole()
		s.Headers, s.OAuth.Audience = map[string]secrets.Ref{"X": secrets.LiteralRef("a" + strings.ReplaceAll(x, "\u2028", "") + "b")}, x
		text, diags := Make(s, Admin{})
		if text == nil {
			t.Errorf("%q: %v", x, diags)
		} else if got := reloaded(t, "", "one", text); got.OAuth.Audience != x {
			t.Errorf("%q: got %q", x, got.OAuth.Audience)
		}
	}
}

// A text of which the parser would make very many parts is taken, or refused, in no time.
func TestMakeIsFast(t *testing.T) {
	home(t)
	for _, x := range []string{"$", "%41", "${", "$${x}"} {
		for _, length := range []int{400, 40_000} {
			s, begin := whole(), time.Now()
			s.OAuth.ClientID = strings.Repeat(x, length/len(x))
			text, diags := Make(s, Admin{})
			if took := time.Since(begin); took > 3*time.Second || (text != nil) != (length == 400) {
				t.Errorf("%d bytes of %q took %s: %v", length, x, took, diags)
			}
		}
	}
}
