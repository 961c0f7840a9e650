package config

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"bearerd/secrets"
)

// filled is a server with a value in each attribute of its kind that differs from the default.
func filled() *Server {
	s, no := DefaultServer("one"), false
	s.URL, s.Replay, s.Listen = "https://mcp.example.com/mcp?q=1", "always", "127.0.0.1:7499"
	s.Headers = map[string]secrets.Ref{
		"X-Env": {Kind: secrets.Env, Name: "X"}, "X-File": {Kind: secrets.File, Name: "/a b"}, "X-Cred": {Kind: secrets.Credential, Name: "c"},
		"X-Stored": {Kind: secrets.Stored, Name: "import/one/header/X"}, "X-Odd": secrets.LiteralRef("${a} %{b} $${c} \\ \" ' \t é 日本 $ %"),
	}
	s.RevokeOnShutdown, s.AllowStepUp, s.AllowPrivate = true, []string{"files:write"}, []string{"10.0.0.0/8"}
	s.OAuth = DefaultOAuth()
	o := s.OAuth
	o.Enabled, o.Version, o.ClientID, o.ClientSecret = true, "2.1", "id", secrets.Ref{Kind: secrets.Stored, Name: "s"}
	o.TokenURL, o.RevocationURL, o.Resource = "https://a.example.com/token", "https://a.example.com/revoke", []string{}
	o.TokenExpiryBuffer, o.UseBasicAuth, o.ValidateScopes, o.Scope = 60, &no, false, "read write"
	o.AdditionalParams = map[string]secrets.Ref{"a b": secrets.LiteralRef("1"), "k": {Kind: secrets.Stored, Name: "k"}}
	o.CustomHeaders = map[string]secrets.Ref{"X-A": secrets.LiteralRef("")}
	return s
}

func program() *Server {
	s := DefaultServer("two")
	s.Command, s.Args = "C:\\Program Files\\x.exe", []string{"${not}", "%{if}", "a\nb", "", "-"}
	s.Env, s.PassEnv, s.Dir = map[string]secrets.Ref{"A": secrets.LiteralRef("$${x}")}, []string{"B"}, "/srv/a b"
	s.StopGrace, s.Restart = 1500*time.Millisecond, "always"
	return s
}

// textLoaded is what Load makes of a file with text.
func textLoaded(t *testing.T, text []byte) *Server {
	t.Helper()
	cfg, diags := Load(write(t, "bearerd.hcl", string(text)))
	if cfg == nil {
		t.Fatalf("%v\n%s", diags, text)
	}
	return cfg.Servers[0]
}

func TestTextIsReadBack(t *testing.T) {
	home(t)
	for _, s := range []*Server{filled(), program()} {
		text, wrong := Text(s, "imported from "+s.Name, "a\nb \x1b[2J")
		if wrong != nil {
			t.Fatalf("%v", wrong)
		}
		if !strings.HasPrefix(string(text), "# imported from "+s.Name+"\n# a?b ?[2J\nserver ") {
			t.Errorf("the comment:\n%s", text)
		}
		got := textLoaded(t, text)
		if !Same(s, got) || got.Name != s.Name {
			t.Errorf("%+v\nbecame %+v\n%s", s, got, text)
		}
		again, wrong := Text(got)
		if wrong != nil || !Same(textLoaded(t, again), s) {
			t.Errorf("what was loaded cannot be written: %v", wrong)
		}
	}
}

func TestTextHasNoDefaults(t *testing.T) {
	home(t)
	s := DefaultServer("one")
	s.URL = "https://mcp.example.com"
	s.OAuth = DefaultOAuth()
	const want = "server \"one\" {\n  url = \"https://mcp.example.com\"\n  oauth_config {\n    enabled = false\n  }\n}\n"
	if text, wrong := Text(s); string(text) != want {
		t.Errorf("%v\n%s", wrong, text)
	}
}

// What HCL gives back in another form, or Load refuses, is no text; nothing of the value is said.
func TestTextRefuses(t *testing.T) {
	home(t)
	edit := func(f func(*Server)) *Server { s := program(); f(s); return s }
	for field, s := range map[string]*Server{
		"args":    edit(func(s *Server) { s.Args = []string{"canary-e\u0301"} }),
		"env":     edit(func(s *Server) { s.Env["A"] = secrets.LiteralRef("canary\nx") }),
		"command": edit(func(s *Server) { s.Command, s.Args = "canary\x00", nil }),
		"dir":     edit(func(s *Server) { s.Dir = "canary/relative" }),
		"url":     edit(func(s *Server) { s.URL = "https://canary" }),
		"":        edit(func(s *Server) { s.Name = "canary name" }),
	} {
		text, wrong := Text(s)
		if text != nil || !wrong.HasErrors() {
			t.Errorf("%s: it was written: %s", field, text)
			continue
		}
		if field == "command" { // a NUL is found before anything is read
			continue
		}
		if wrong[0].Field != field || field != "" && strings.Contains(wrong.Error(), "canary") {
			t.Errorf("%s: %q: %v", field, wrong[0].Field, wrong)
		}
	}
	signs := edit(func(s *Server) { s.Args = []string{strings.Repeat("$", 2000)} })
	if _, wrong := Text(signs); wrong == nil {
		t.Error("very many signs were written")
	}
}

func TestSame(t *testing.T) {
	a, b := filled(), filled()
	b.Name, b.LocalAuth, b.AllowHosts, b.SocketMode, b.MovedFrom = "other", "key", []string{"h"}, "0600", "old"
	if !Same(a, b) {
		t.Error("what follows from other blocks makes a difference")
	}
	for name, change := range map[string]func(*Server){
		"url": func(s *Server) { s.URL += "x" }, "headers": func(s *Server) { s.Headers["Y"] = secrets.LiteralRef("") },
		"oauth": func(s *Server) { s.OAuth.Scope = "" }, "no oauth": func(s *Server) { s.OAuth = nil },
	} {
		b := filled()
		if change(b); Same(a, b) {
			t.Errorf("%s makes no difference", name)
		}
	}
}

func TestUses(t *testing.T) {
	s := filled()
	for name, want := range map[string]bool{"s": true, "k": true, "import/one/header/X": true, "X": false, "c": false} {
		if s.Uses(name) != want {
			t.Errorf("%s: %v", name, !want)
		}
	}
}

func TestEmpty(t *testing.T) {
	dir := home(t)
	cfg, wrong := Empty("/nowhere/bearerd.hcl")
	if wrong.HasErrors() || cfg.Store.Path != dir+"/.local/state/bearerd" || len(cfg.Servers) != 0 {
		t.Errorf("%v %+v", wrong, cfg)
	}
	want, _ := Load(write(t, "bearerd.hcl", "log {}\n"))
	if !reflect.DeepEqual(cfg, want) {
		t.Errorf("%+v is not as a file that says nothing: %+v", cfg, want)
	}
}

func TestRemoteArguments(t *testing.T) {
	for _, c := range []struct {
		command string
		args    []string
		from    int
		ok      bool
	}{
		{"npx", []string{"-y", "mcp-remote", "https://a"}, 2, true},
		{"/usr/bin/mcp-remote", []string{"https://a"}, 0, true},
		{"npx", []string{"other", "mcp-remote"}, 0, false},
		{"uvx", []string{"mcp-remote"}, 0, false},
	} {
		if from, ok := (&Server{Command: c.command, Args: c.args}).RemoteArguments(); from != c.from || ok != c.ok {
			t.Errorf("%s %v: %d %v", c.command, c.args, from, ok)
		}
	}
}

// FuzzText writes any values; what is written is read back as it was.
func FuzzText(f *testing.F) {
	f.Add("npx", "${a}", "%{b}", "K", "$${v}")
	f.Add("a\\", "\"", "\n", "_", "\u00e9")
	f.Fuzz(func(t *testing.T, command, first, second, key, value string) {
		s := DefaultServer("one")
		s.Command, s.Args, s.Env = command, []string{first, second}, map[string]secrets.Ref{key: secrets.LiteralRef(value)}
		text, wrong := Text(s, first)
		if wrong != nil {
			return
		}
		got := textLoaded(t, text)
		if !Same(s, got) {
			t.Errorf("%+v became %+v\n%s", s, got, text)
		}
	})
}

// What is writable is read back as it was.
func TestWritable(t *testing.T) {
	for text, want := range map[string]bool{
		"": true, "a  b": true, "${a} %{b}": true, "\u00e9": true, "e\u0301": false, "\u212b": false, "\u1100\u1161": false, "a\tb": false, "a\nb": false, "\xff": false,
	} {
		if got := Writable(text); got != want {
			t.Errorf("%q: %v", text, got)
		}
		s := DefaultServer("one")
		s.Command, s.Env = "npx", map[string]secrets.Ref{"K": secrets.LiteralRef(text)}
		if _, wrong := Text(s); want && wrong != nil {
			t.Errorf("%q is not written: %v", text, wrong)
		}
	}
}
