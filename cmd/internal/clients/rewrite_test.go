package clients

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/tailscale/hujson"
)

var short = Launch{Server: "x", Command: "bearerd", Args: []string{"exec", "x"}}

func TestRewriteJSON(t *testing.T) {
	for _, c := range []struct{ name, before, after string }{
		{"in its place", `{
	// servers
	"mcpServers": {
		"x": {
			"timeout": 5, // seconds
			"command": "npx", // the old program
			/* args */ "args": ["-y", /* a secret */ "srv"],
			"env": {
				"TOKEN": "secret" // of mine
			},
			// never on by itself
			"disabled": true,
		}, // x ends
	},
}
`, `{
	// servers
	"mcpServers": {
		"x": {
			"timeout": 5, // seconds
			"command": "bearerd",
			/* args */ "args": ["exec", "x"],
			// never on by itself
			"disabled": true,
		}, // x ends
	},
}
`},
		{"new keys, two spaces, CRLF", "{\r\n  \"mcpServers\": {\r\n    \"x\": {\r\n      \"type\": \"http\",\r\n      \"url\": \"https://a\"\r\n    }\r\n  }\r\n}",
			"{\r\n  \"mcpServers\": {\r\n    \"x\": {\r\n      \"command\": \"bearerd\",\r\n      \"args\": [\"exec\", \"x\"]\r\n    }\r\n  }\r\n}"},
		{"one line", `{"mcpServers":{"x":{"command":"npx","env":{"A":"secret"}},"y":{"command":"z"}}}`,
			`{"mcpServers":{"x":{"command":"bearerd", "args": ["exec", "x"]},"y":{"command":"z"}}}`},
		{"byte order mark", "\xef\xbb\xbf" + `{"mcpServers": { "x": { "url": "https://a" } } }`,
			"\xef\xbb\xbf" + `{"mcpServers": { "x": { "command": "bearerd", "args": ["exec", "x"] } } }`},
		{"a name twice", `{"mcpServers": {"x": {"command": "secret"}, "x": {"command": /* secret */ "npx", "command": "secret"}}}`,
			`{"mcpServers": {"x": {"command": "bearerd", "args": ["exec", "x"]}, "x": {"command": "bearerd", "args": ["exec", "x"]}}}`},
		{"the last goes, with its comma", "{\"mcpServers\": {\"x\": {\n  \"command\": \"npx\", \"args\": [],\n  \"k\": 1, // k\n  // about env\n  \"env\": {}, // secret\n}}}",
			"{\"mcpServers\": {\"x\": {\n  \"command\": \"bearerd\", \"args\": [\"exec\", \"x\"],\n  \"k\": 1, // k\n  // about env\n}}}"},
		{"the last goes, without a comma", "{\"mcpServers\": {\"x\": {\"command\": \"npx\", \"args\": [],\n  \"k\": 1 /* k */,\n  \"env\": {} // secret\n}}}",
			"{\"mcpServers\": {\"x\": {\"command\": \"bearerd\", \"args\": [\"exec\", \"x\"],\n  \"k\": 1 /* k */\n}}}"},
	} {
		got, err := claudeDesktop.Rewrite([]byte(c.before), map[string]Launch{"mcpServers\x00x": short})
		want := c.after
		if err != nil || string(got) != want {
			t.Errorf("%s: %v\n%s\nwant\n%s", c.name, err, got, want)
		}
	}
}

func TestRewriteTOML(t *testing.T) {
	for _, c := range []struct{ name, before, after string }{
		{"tables", `model = "o" # the model

[mcp_servers.x] # mine
command   = "npx" # with a secret
startup_timeout_sec = 20 # slow
args = [
  "-y", # yes
  "srv",
]

[mcp_servers.x.env]
TOKEN = "secret"
# OLD = "secret"

# about y
[mcp_servers.y]
command = "y"
`, `model = "o" # the model

[mcp_servers.x] # mine
command   = "bearerd"
startup_timeout_sec = 20 # slow
args = ["exec", "x"]

# about y
[mcp_servers.y]
command = "y"
`},
		{"tables beneath alone, and others that stay", "[mcp_servers.x.env]\nA = \"secret\"\n[mcp_servers.x.tools.t]\nk = 1\n[other]\n",
			"[mcp_servers.x]\ncommand = \"bearerd\"\nargs = [\"exec\", \"x\"]\n\n[mcp_servers.x.tools.t]\nk = 1\n[other]\n"},
		{"a comment of the next table", "[mcp_servers.x]\nurl = \"https://a\"\n[mcp_servers.x.http_headers]\nA = \"secret\"\n# y\n[y]\n",
			"[mcp_servers.x]\ncommand = \"bearerd\"\nargs = [\"exec\", \"x\"]\n# y\n[y]\n"},
		{"dotted", "[mcp_servers]\n  x.url = \"https://a\"\n  x.http_headers.A = \"secret\"\n  x.enabled = true\n  y.command = \"y\"\n",
			"[mcp_servers]\n  x.command = \"bearerd\"\n  x.args = [\"exec\", \"x\"]\n  x.enabled = true\n  y.command = \"y\"\n"},
		{"dotted from the root", "mcp_servers.x.command = \"npx\"\nmcp_servers.\"x\".env.A = \"secret\"",
			"mcp_servers.x.command = \"bearerd\"\nmcp_servers.x.args = [\"exec\", \"x\"]\n"},
		{"inline", "[mcp_servers]\nx = { command = \"npx\", enabled = true, env = { A = \"secret\" } } # x\ny = {command='y'}\n",
			"[mcp_servers]\nx = { command = \"bearerd\", enabled = true, args = [\"exec\", \"x\"] } # x\ny = {command='y'}\n"},
		{"inline from the root", "mcp_servers = { x = { url = \"https://a\" }, y = {command='y'} }",
			"mcp_servers = { x = { command = \"bearerd\", args = [\"exec\", \"x\"] }, y = {command='y'} }"},
		{"quoted name, CRLF, no line end", "[ mcp_servers . 'x' ]\r\nenabled = true\r\nurl = \"https://a\"",
			"[ mcp_servers . 'x' ]\r\nenabled = true\r\ncommand = \"bearerd\"\r\nargs = [\"exec\", \"x\"]\r\n"},
		{"a header at the end", "[mcp_servers.x.env]\nA = \"secret\"\n[mcp_servers.x]", "[mcp_servers.x]\ncommand = \"bearerd\"\nargs = [\"exec\", \"x\"]"},
		{"a list of tables to drop", "[mcp_servers.x]\ncommand = \"npx\"\nargs = []\n[[mcp_servers.x.env_vars]]\nname = \"A\"\n[[mcp_servers.x.env_vars]]\nname = \"B\"\n",
			"[mcp_servers.x]\ncommand = \"bearerd\"\nargs = [\"exec\", \"x\"]\n"},
	} {
		got, err := codex.Rewrite([]byte(c.before), map[string]Launch{"mcp_servers\x00x": short})
		if err != nil || string(got) != c.after {
			t.Errorf("%s: %v\n%q\nwant\n%q", c.name, err, got, c.after)
		}
	}
}

func TestRewriteRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		f    *Format
		data string
		at   string
	}{
		"no such server":            {cursor, `{"mcpServers": {}}`, "mcpServers\x00x"},
		"no object":                 {cursor, `{"mcpServers": {"x": "secret"}}`, "mcpServers\x00x"},
		"an index beyond the list":  {bifrost, `{"mcp": {"client_configs": []}}`, "mcp\x00client_configs\x000"},
		"broken JSON":               {cursor, `{"mcpServers": {"x": {"command": "secret`, "mcpServers\x00x"},
		"UTF-16":                    {cursor, "\xff\xfe{\x00}\x00", "mcpServers\x00x"},
		"too deep":                  {cursor, strings.Repeat(`{"a":`, 1_000_000), "mcpServers\x00x"},
		"broken TOML":               {codex, "[mcp_servers.x]\ncommand = \"secret\n", "mcp_servers\x00x"},
		"a list of tables":          {codex, "[[mcp_servers]]\nx = { command = \"secret\" }\n", "mcp_servers\x000\x00x"},
		"no such table":             {codex, "[mcp_servers.y]\ncommand = \"secret\"\n", "mcp_servers\x00x"},
		"comments in an inline one": {codex, "[mcp_servers]\nx = { # secret\n command = \"npx\" }\n", "mcp_servers\x00x"},
		"dotted keys in an inline":  {codex, "mcp_servers = { x.command = \"secret\" }\n", "mcp_servers\x00x"},
	} {
		out, err := c.f.Rewrite([]byte(c.data), map[string]Launch{c.at: short})
		if err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
	}
	if out, err := zed.Rewrite([]byte(`{"context_servers":{"x":{"url":"u"}}}`), map[string]Launch{"context_servers\x00x": bySSE}); err == nil {
		t.Errorf("what Zed cannot reach: %s", out)
	}
}

// rewriteAll rewrites every server that a file has to short, and holds the result against the file.
func rewriteAll(t *testing.T, name string, data []byte, file *File) (out []byte) {
	t.Helper()
	launches := map[string]Launch{}
	for _, s := range file.Servers {
		launches[strings.Join(s.At, "\x00")] = short
	}
	given := bytes.Clone(data)
	out, err := file.Format.Rewrite(data, launches)
	if !bytes.Equal(data, given) {
		t.Fatalf("%s: Rewrite changes what it is given", name)
	}
	if err != nil {
		t.Logf("%s: %v", name, err)
		return nil
	}
	again, err := Read(name, bytes.Clone(out), file.Format)
	if err != nil || len(again.Servers) != len(file.Servers) {
		t.Fatalf("%s: reading the result: %v\n%s", name, err, out)
	}
	for i, s := range again.Servers {
		was := file.Servers[i]
		command, _ := s.Command.Plain()
		if s.Name != was.Name || strings.Join(s.At, "/") != strings.Join(was.At, "/") || command != "bearerd" || len(s.Args) != 2 ||
			len(s.Env)+len(s.PassEnv)+len(s.URL)+len(s.Headers) > 0 || s.OAuth != nil || s.Off != was.Off {
			t.Fatalf("%s: %+v became %+v\n%s", name, was, s, out)
		}
	}
	if file.Format.toml {
		return out
	}
	if a, b := outside(t, data, file), outside(t, out, file); a != b {
		t.Fatalf("%s: what lies outside of the entries has changed:\n%s\n---\n%s", name, a, b)
	}
	return out
}

// outside is a JSON file with its entries made null.
func outside(t *testing.T, data []byte, file *File) string {
	t.Helper()
	root, err := hujson.Parse(bytes.TrimPrefix(data, []byte("\xef\xbb\xbf")))
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range file.Servers {
		for _, v := range find(&root, s.At) {
			v.Value = hujson.Literal("null")
		}
	}
	return string(root.Pack())
}

func TestRewriteSamples(t *testing.T) {
	files, _ := filepath.Glob("../../../testdata/import/*/*")
	if len(files) < 30 {
		t.Fatalf("there are %d samples", len(files))
	}
	secret := regexp.MustCompile(`[A-Za-z0-9_-]*CANARY[A-Za-z0-9_-]*`)
	rewritten := 0
	for _, path := range files {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		format, err := Named(filepath.Base(filepath.Dir(path)))
		if err != nil {
			t.Fatal(err)
		}
		file, err := Read(path, bytes.Clone(data), format)
		if err != nil || len(file.Servers) == 0 {
			continue
		}
		out := rewriteAll(t, path, data, file)
		if out == nil {
			t.Errorf("%s was refused", path)
			continue
		}
		rewritten++
		elsewhere := "" // what lies outside of the entries is left as it is
		if !format.toml {
			elsewhere = outside(t, data, file)
		}
		for _, left := range secret.FindAllString(string(out), -1) {
			if !strings.Contains(elsewhere, left) {
				t.Errorf("%s: %s is left", path, left)
			}
		}
	}
	if rewritten < 30 {
		t.Errorf("only %d samples were rewritten", rewritten)
	}
}

// TestNothingGivenIsChanged holds that Read and Rewrite leave the bytes alone that they are given.
func TestNothingGivenIsChanged(t *testing.T) {
	for f, given := range map[*Format]string{
		cursor: "{\"mcpServers\": {\"x\": {\"command\": \"npx\", // of npm\n\"k\": 1, // k\n\"env\": {}, /* last */ }, }, }",
		codex:  "[mcp_servers.x]\ncommand = \"npx\" # of npm\n[mcp_servers.x.env]\nA = \"b\\u0041\" # mine\n",
	} {
		data := []byte(given)
		if _, err := Read("f", data, f); err != nil || string(data) != given {
			t.Errorf("Read: %v\n%s", err, data)
		}
		if _, err := f.Rewrite(data, map[string]Launch{f.in[0] + "\x00x": short}); err != nil || string(data) != given {
			t.Errorf("Rewrite: %v\n%s", err, data)
		}
	}
}

// TestRewriteOfAPlugin holds that a file with its servers at the top is rewritten there, and not as a whole.
func TestRewriteOfAPlugin(t *testing.T) {
	before := `{"x": {"command": "npx", "alwaysLoad": true}, "": {"command": "secret"}}`
	file, err := Read(".mcp.json", []byte(before), nil)
	if err != nil || len(file.Servers) != 0 {
		t.Errorf("a server without a name at the top: %v, %+v", err, file)
	}
	before = strings.Replace(before, `, "": {"command": "secret"}`, `, "y": {"url": "https://y"}`, 1)
	if file, err = Read(".mcp.json", []byte(before), nil); err != nil || len(file.Servers) != 2 {
		t.Fatalf("%v, %+v", err, file)
	}
	out, err := file.Format.Rewrite([]byte(before), map[string]Launch{strings.Join(file.Servers[0].At, "\x00"): short})
	want := `{"x": {"command": "bearerd", "type": "stdio", "args": ["exec", "x"], "alwaysLoad": true}, "y": {"url": "https://y"}}`
	if err != nil || string(out) != want {
		t.Errorf("%v\n%s", err, out)
	}
}

func FuzzRewrite(f *testing.F) {
	files, _ := filepath.Glob("../../../testdata/import/*/*")
	for _, path := range files {
		if data, err := os.ReadFile(path); err == nil && len(data) < 8000 {
			f.Add(data, filepath.Base(filepath.Dir(path)))
		}
	}
	f.Fuzz(func(t *testing.T, data []byte, name string) {
		format, err := Named(name)
		if err != nil {
			return
		}
		if file, err := Read("f", bytes.Clone(data), format); err == nil && len(file.Servers) > 0 {
			rewriteAll(t, "f", data, file)
		}
	})
}
