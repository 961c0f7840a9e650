package config

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestDiagnosticText(t *testing.T) {
	home(t)
	path := write(t, "c.hcl", "server \"tickets\" {\n  url = \"https://mcp.example.com\"\n  oauth_config {\n    enabled = \"true\"\n  }\n}\n")
	_, diags := Load(path)
	want := path + `:4:15: error: server "tickets": enabled must be true or false, not a string
    enabled = "true"
    remedy: write it without quotes`
	if got := diags.Error(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// Findings come in the order of the file, whatever the order of maps.
func TestDeterministicOrder(t *testing.T) {
	home(t)
	path := write(t, "c.hcl", readAll(t, "../testdata/config/bad/url-stdio-settings.hcl")["url-stdio-settings.hcl"])
	_, first := Load(path)
	for range 20 {
		if _, again := Load(path); !slices.Equal(first, again) {
			t.Fatalf("got\n%v\nthen\n%v", first, again)
		}
	}
	if !slices.IsSortedFunc(first, func(a, b Diagnostic) int { return a.Line - b.Line }) {
		t.Errorf("not sorted:\n%v", first)
	}
}

// No message, remedy or snippet shows a secret or a part of one. canary is split by what could be taken for structure.
func TestMessagesShowNoSecret(t *testing.T) {
	home(t)
	const canary = "canary1"
	secret := `canary1-x{canary1}=canary1:canary1,canary1`
	oauth := func(body string) string {
		return "server \"s\" {\n  url = \"https://mcp.example.com\"\n  oauth_config {\n    enabled = true\n    OAUTH_CLIENT_ID = \"id\"\n" + body + "\n  }\n}\n"
	}
	cases := map[string]string{
		"wrong type":           oauth(`    OAUTH_CLIENT_SECRET = ["` + secret + `"]`),
		"object":               oauth(`    OAUTH_CLIENT_SECRET = { x = "` + secret + `" }`),
		"bare word":            oauth(`    OAUTH_CLIENT_SECRET = canary1`),
		"bare words":           oauth(`    OAUTH_CLIENT_SECRET = canary1-canary1 canary1`),
		"function":             oauth(`    OAUTH_CLIENT_SECRET = canary1("canary1")`),
		"traversal":            oauth(`    OAUTH_CLIENT_SECRET = canary1.canary1[canary1]`),
		"vault":                oauth(`    OAUTH_CLIENT_SECRET = vault("canary1", "canary1")`),
		"template":             oauth(`    OAUTH_CLIENT_SECRET = "canary1${canary1}canary1"`),
		"directive":            oauth(`    OAUTH_CLIENT_SECRET = "canary1%{canary1}canary1"`),
		"reference inside":     oauth(`    OAUTH_CLIENT_SECRET = "canary1${env("X")}"`),
		"lines":                oauth(`    OAUTH_CLIENT_SECRET = "canary1\ncanary1"`),
		"escape":               oauth(`    OAUTH_CLIENT_SECRET = "canary1\qcanary1"`),
		"unclosed quote":       oauth(`    OAUTH_CLIENT_SECRET = "` + secret),
		"quote inside":         oauth(`    OAUTH_CLIENT_SECRET = "canary1"canary1"`),
		"single quotes":        oauth(`    OAUTH_CLIENT_SECRET = 'canary1'`),
		"heredoc":              oauth("    OAUTH_CLIENT_SECRET = <<EOT\ncanary1\ncanary1\nEOT"),
		"heredoc unclosed":     oauth("    OAUTH_CLIENT_SECRET = <<EOT\ncanary1\n  canary1"),
		"heredoc template":     oauth("    OAUTH_CLIENT_SECRET = <<EOT\ncanary1 ${canary1}\nEOT"),
		"twice":                oauth("    OAUTH_CLIENT_SECRET = \"" + secret + "\"\n    OAUTH_CLIENT_SECRET = \"" + secret + "\""),
		"typo":                 oauth(`    OAUTH_CLIENT_SECRE = "` + secret + `"`),
		"one line":             `server "s" { oauth_config { OAUTH_CLIENT_SECRET = "canary1" } }`,
		"same line as error":   "server \"s\" {\n  command = \"a\"\n  env = { A = \"" + secret + "\", B = 1 } # canary1\n}\n",
		"comment":              "server \"s\" {\n  args = [1] # OAUTH_CLIENT_SECRET = canary1\n  command = \"a\"\n}\n",
		"args":                 "server \"s\" {\n  command = \"npx\"\n  args = [\"mcp-remote\", \"https://x.example\", \"--header\", \"Authorization: canary1\"]\n  oauth_config {\n    enabled = true\n  }\n}\n",
		"headers":              "server \"s\" {\n  url = \"https://x.example\"\n  headers = { Host = \"canary1\", \"a b\" = \"canary1\\r\" }\n}\n",
		"url":                  "server \"s\" {\n  url = \"https://canary1:canary1@x.example/?access_token=canary1#canary1\"\n}\n",
		"bad url":              "server \"s\" {\n  url = \"https://x.example:port/%zz?k=canary1\"\n}\n",
		"token url":            oauth("    OAUTH_CLIENT_SECRET = env(\"X\")\n    OAUTH_TOKEN_URL = \"https://u:canary1@x.example/t\""),
		"params":               oauth(`    OAUTH_ADDITIONAL_PARAMS = { scope = "canary1", x = ["canary1"] }`),
		"env bare word":        "server \"s\" {\n  command = \"a\"\n  env = { API_KEY = canary1 }\n}\n",
		"env template":         "server \"s\" {\n  command = \"a\"\n  env = { PW = \"abc${canary1}def\" }\n}\n",
		"env function":         "server \"s\" {\n  command = \"a\"\n  env = { PW = canary1(1) }\n}\n",
		"env assignment":       "server \"s\" {\n  command = \"a\"\n  env = { \"A=canary1\" = 1 }\n}\n",
		"headers bare word":    "server \"s\" {\n  url = \"https://x.example\"\n  headers = { X-Key = canary1 }\n}\n",
		"headers name":         "server \"s\" {\n  url = \"https://x.example\"\n  headers = { \"X-Key: canary1\" = \"\\u0001\" }\n}\n",
		"params bare word":     oauth(`    OAUTH_ADDITIONAL_PARAMS = { key = canary1 }`),
		"custom bare word":     oauth(`    OAUTH_CUSTOM_HEADERS = { X-Key = canary1 }`),
		"url variable":         "server \"s\" {\n  url = \"https://x.example/${canary1}\"\n}\n",
		"pass_env value":       "server \"s\" {\n  command = \"a\"\n  pass_env = [\"API_KEY=canary1\", \"API_KEY=canary1\"]\n}\n",
		"inject_env value":     oauth("    OAUTH_CLIENT_SECRET = env(\"S\")\n  }\n  inject_env = [\"TOKEN=canary1\"]\n  x {"),
		"path":                 "server \"s\" {\n  url = \"ftp://x.example/canary1\"\n}\n",
		"path of http":         oauth("    OAUTH_CLIENT_SECRET = env(\"X\")\n    OAUTH_TOKEN_URL = \"http://x.example/canary1/t\""),
		"path without scheme":  "server \"s\" {\n  url = \"x.example/canary1\"\n}\n",
		"path after escape":    "server \"s\" {\n  url = \"x.example\\u002fcanary1\"\n}\n",
		"path elsewhere":       "log {\n  level = \"https://x.example/canary1\"\n}\n",
		"origin":               "proxy {\n  allow_origins = [\"https://x.example/canary1\"]\n}\n",
		"curl":                 "server \"s\" {\n  command = \"curl\"\n  args = [\"x.example/canary1\"]\n  oauth_config {\n    enabled = true\n  }\n}\n",
		"json path":            `{"server":{"s":{"url":"ftp:\/\/x.example\/canary1"}}}`,
		"json env":             `{"server":{"s":{"command":"a","env":{"PW":"${canary1}"}}}}`,
		"identity":             "store \"file\" {\n  identity = \"AGE-SECRET-KEY-canary1\"\n}\n",
		"json one line":        `{"server":{"s":{"url":"https://x.example","oauth_config":{"OAUTH_CLIENT_SECRET":"` + secret + `","enabled":"true"}}}}`,
		"json wrong type":      `{"server":{"s":{"url":"https://x.example","oauth_config":{"enabled":true,"OAUTH_CLIENT_SECRET":["` + secret + `"]}}}}`,
		"json twice":           `{"server":{"s":{"oauth_config":{"OAUTH_CLIENT_SECRET":"` + secret + `","OAUTH_CLIENT_SECRET":"` + secret + `"}}}}`,
		"json unclosed":        `{"server":{"s":{"oauth_config":{"OAUTH_CLIENT_SECRET":"` + secret + `}}}}`,
		"json bare":            `{"server":{"s":{"oauth_config":{"OAUTH_CLIENT_SECRET":canary1}}}}`,
		"json template":        `{"server":{"s":{"oauth_config":{"enabled":true,"OAUTH_CLIENT_SECRET":"canary1${canary1"}}}}`,
		"json template name":   `{"server":{"s":{"oauth_config":{"enabled":true,"OAUTH_CLIENT_SECRET":"canary1${canary1}"}}}}`,
		"json comment":         "{\"server\":{\"s\":{\"args\":[1], // canary1\n\"command\":\"a\"}}}",
		"json escaped quote":   `{"server":{"s":{"comand":"a","env":{"A":"\"canary1\\\"canary1"}}}}`,
		"json env number":      `{"server":{"s":{"command":"a","env":{"A":"` + secret + `","B":1}}}}`,
		"json string as block": `{"server":{"s":{"command":"a","oauth_config":"` + secret + `"}}}`,
		"json missing comma":   `{"server":{"s":{"command":"a","env":{"A":"canary1" "B":"canary1"}}}}`,
		"refresh token":        oauth(`    OAUTH_REFRESH_TOKEN = "canary1"`),
		"refresh token list":   oauth(`    OAUTH_REFRESH_TOKEN = ["` + secret + `"]`),
		"vault token":          "vault {\n  auth \"token\" { token = [\"canary1\"] }\n}\n",
		"vault token bare":     "vault {\n  auth \"token\" { token = canary1 }\n}\n",
		"vault token outside":  "vault {\n  token = \"canary1\"\n}\n",
		"vault literal":        "vault {\n  address = \"https://v.example.com\"\n  auth \"approle\" {\n    role_id = 1\n    secret_id = \"canary1\"\n  }\n}\n",
		"vault secret_id":      "vault {\n  auth \"token\" { secret_id = \"canary1\" }\n}\n",
		"vault jwt":            "vault {\n  auth \"jwt\" { jwt = \"canary1\\ncanary1\" }\n}\n",
		"vault role_id":        "vault {\n  auth \"approle\" { role_id = [\"canary1\"] }\n}\n",
		"vault address":        "vault {\n  address = \"https://u:canary1@v.example.com/?canary1\"\n}\n",
		"vault path":           "vault {\n  auth \"token\" {}\n}\n" + oauth(`    OAUTH_CLIENT_SECRET = vault("/canary1", "canary1")`),
		"json vault":           `{"vault":{"auth":{"token":{"token":["canary1"]}}}}`,
		"json vault template":  `{"vault":{"auth":{"token":{"token":"${canary1}"}}}}`,
		"json newline":         "{\"server\":{\"s\":{\"oauth_config\":{\"OAUTH_CLIENT_SECRET\":\"canary1\ncanary1\"}}}}",
	}
	for name, text := range cases {
		t.Run(name, func(t *testing.T) {
			file := "c.hcl"
			if strings.HasPrefix(name, "json") {
				file = "c.hcl.json"
			}
			cfg, diags := Load(write(t, file, text))
			if len(diags) == 0 {
				t.Fatal("nothing was said")
			}
			for _, d := range diags {
				if s := fmt.Sprintf("%+v", d); strings.Contains(s, canary) {
					t.Errorf("shown: %s", s)
				}
			}
			if s := fmt.Sprintf("%v %+v %#v", diags, cfg, cfg); strings.Contains(diags.Error()+s, canary) {
				t.Error("shown when printed")
			}
		})
	}
}

// A snippet shows what the finding is about, and masks its neighbours.
func TestSnippets(t *testing.T) {
	home(t)
	for _, c := range []struct{ file, text, want string }{
		{"c.hcl", "log {\n  level = \"loud\" # why\n}\n", `level = "loud" …`},
		{"c.hcl", "server \"s\" {\n  command = \"a\"\n  args = [\"k\", 1]\n}\n", `args = ["…", …]`},
		{"c.json", `{"log": {"level": "loud", "format": "text"}}`, `{"log": {"level": "loud", "format": "…"}}`},
		{"c.hcl", "server \"s\" {\n  command = \"a\n}\n", `command…`},
		{"c.hcl", "server \"s\" {\n  url = \"ftp://x.example/path\"\n}\n", `url = "ftp://x.example…"`},
		{"c.hcl", "server \"s\" {\n  url = env(\"X\")\n}\n", `url = env("X")`},
	} {
		_, diags := Load(write(t, c.file, c.text))
		if len(diags) != 1 || diags[0].Snippet != c.want {
			t.Errorf("want %s, got\n%v", c.want, diags)
		}
	}
}

// A long line is cut to what the finding is about, and control characters do not reach the terminal.
func TestLongLine(t *testing.T) {
	home(t)
	args := strings.Repeat(`"x",`, 500)
	_, diags := Load(write(t, "c.json", `{"server":{"s":{"command":"a","args":[`+args+`"y"]}},"log":{"level":"lo\u001b[31mud"}}`))
	if len(diags) != 1 || !strings.Contains(diags[0].Snippet, `"level"`) || len([]rune(diags[0].Snippet)) > snippetWidth {
		t.Errorf("got\n%v", diags)
	}
	diags = errorsOf(t, oauthServer(`OAUTH_VERSION="2\u001b[31m"`))
	if len(diags) != 1 || strings.Contains(diags[0].Message, "\x1b") {
		t.Errorf("got %q", diags)
	}
}

// The table of docs/configuration.md and the struct tags are the same.
func TestDocumentation(t *testing.T) {
	b, err := os.ReadFile("../docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	documented := map[string]bool{}
	section := ""
	for line := range strings.Lines(string(b)) {
		if name, ok := strings.CutPrefix(line, "## "); ok {
			section = strings.Trim(strings.TrimSpace(name), "`")
		}
		if cells := strings.Split(line, "|"); len(cells) == 6 && strings.HasPrefix(strings.TrimSpace(cells[1]), "`") {
			documented[section+"."+strings.Trim(strings.TrimSpace(cells[1]), "`")] = true
		}
	}
	tagged := map[string]bool{}
	for block, names := range attributeNames() {
		for _, n := range names {
			tagged[block+"."+n] = true
			if !documented[block+"."+n] {
				t.Errorf("%s.%s has no row in docs/configuration.md", block, n)
			}
		}
	}
	for name := range documented {
		if !tagged[name] {
			t.Errorf("docs/configuration.md has a row for %s, which does not exist", name)
		}
	}
}

func TestDiagnosticsAreLogged(t *testing.T) {
	var text strings.Builder
	d := Diagnostics{
		{Severity: Warning, File: "c.hcl", Line: 3, Column: 1, Server: "s", Message: "odd", Remedy: "mend it", Snippet: "a = 1"},
		{Severity: Note, Message: "so be it"},
	}
	d.Log(t.Context(), slog.New(slog.NewTextHandler(&text, nil)))
	for i, want := range []string{
		`level=WARN msg=odd line=3 file=c.hcl server=s remedy="mend it" snippet="a = 1"`, `level=INFO msg="so be it"`,
	} {
		if got := strings.Split(text.String(), "\n")[i]; !strings.HasSuffix(got, want) {
			t.Errorf("%q, want %q", got, want)
		}
	}
	text.Reset()
	many := append(slices.Repeat(d[:1], 2*maxPrinted), Diagnostic{Message: "fatal"})
	many.Log(t.Context(), slog.New(slog.NewTextHandler(&text, nil)))
	lines := strings.Split(strings.TrimSpace(text.String()), "\n")
	if len(lines) != maxPrinted+1 || !strings.Contains(lines[0], "level=ERROR msg=fatal") || !strings.HasSuffix(lines[maxPrinted], "more=101") {
		t.Errorf("%d lines, first %q, last %q", len(lines), lines[0], lines[len(lines)-1])
	}
}

func FuzzLoad(f *testing.F) {
	for _, pattern := range []string{"../testdata/config/*/*", "../examples/guide/*"} {
		paths, err := filepath.Glob(pattern)
		if err != nil {
			f.Fatal(err)
		}
		for _, p := range paths {
			b, err := os.ReadFile(p)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(b, strings.HasSuffix(p, ".json"))
		}
	}
	dir := f.TempDir()
	f.Setenv("HOME", dir)
	f.Fuzz(func(t *testing.T, text []byte, json bool) {
		path := filepath.Join(t.TempDir(), "c.hcl")
		if json {
			path += ".json"
		}
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		cfg, diags := Load(path)
		if (cfg == nil) != diags.HasErrors() {
			t.Fatalf("configuration %v with findings\n%v", cfg != nil, diags)
		}
		_ = diags.Error()
		if cfg == nil {
			return
		}
		for _, s := range cfg.Servers {
			if s == nil || (s.Command == "") == (s.URL == "") || !serverName.MatchString(s.Name) {
				t.Fatalf("a bad server was loaded: %+v", s)
			}
			if d, why := s.Delivery(); d == "" || why == "" {
				t.Fatal("no delivery")
			}
		}
	})
}
