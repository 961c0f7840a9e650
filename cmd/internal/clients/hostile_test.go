package clients

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

func TestDetect(t *testing.T) {
	const remote = `{"mcpServers": {"a": {"url": "https://a.example.com"}}}`
	const local = `{"mcpServers": {"a": {"command": "npx"}}}`
	for _, c := range []struct{ path, data, want string }{
		{"/home/ana/.config/Claude/claude_desktop_config.json", remote, "claude-desktop"},
		{`C:\Users\ana\AppData\Roaming\Claude\claude_desktop_config.json`, `{}`, "claude-desktop"},
		{"/home/ana/src/.mcp.json", local, "claude-code"},
		{"/home/ana/plugin/.mcp.json", `{"a": {"command": "npx"}}`, "claude-code"},
		{"/home/ana/src/.vscode/mcp.json", local, "vscode"},
		{"/home/ana/.claude.json", `{"projects": {}}`, "claude-code"},
		{"/home/ana/.cursor/mcp.json", local, "cursor"},
		{"/home/ana/src/.vscode/mcp.json", `{}`, "vscode"},
		{"/home/ana/.config/Code/User/mcp.json", `{"servers": {}}`, "vscode"},
		{"/home/ana/.config/Code/User/settings.json", `{"editor.fontSize": 1}`, "vscode"},
		{`C:\Users\ana\AppData\Roaming\Code - Insiders\User\profiles\1a2b\mcp.json`, `{}`, "vscode"},
		{"/home/user/.config/zed/settings.json", `{"theme": "x"}`, "zed"},
		{"/home/ana/.codeium/windsurf/mcp_config.json", local, "windsurf"},
		{"/home/ana/.config/zed/settings.json", `{"theme": "x"}`, "zed"},
		{"/home/ana/.codex/config.toml", "model = 1", "codex"},
		{"/home/ana/.gemini/settings.json", remote, "gemini"},
		{"/home/ana/.enkrypt/enkrypt_mcp_config.json", `{}`, "secure-mcp-gateway"},
		{"config.json", `{"mcp": {"client_configs": []}}`, "bifrost"},
		{"x.json", `{"servers": {}}`, "vscode"},
		{"x.json", `{"mcp": {"servers": {}}}`, "vscode"},
		{"x.json", `{"context_servers": {}}`, "zed"},
		{"x.json", `{"oauth_config": {}}`, "secure-mcp-gateway"},
		{"x.json", `{"mcpServers": {"a": {"serverUrl": "https://a.example.com"}}}`, "windsurf"},
		{"x.json", `{"mcpServers": {"a": {"httpUrl": "https://a.example.com"}}}`, "gemini"},
		{"x.json", `{"mcpServers": {"a": {"command": "x", "env": {"A": "${env:A}"}}}}`, "cursor"},
		{"x.json", `{"mcpServers": {"a": {"command": "x", "env": {"A": "${A}"}}}}`, "claude-code"},
		{"x.json", `{"mcpServers": {"a": {"command": "x", "args": ["H:${A}"], "env": {"A": "b"}}}}`, "claude-desktop"},
		{"-", remote, "claude-code"},
		{"-", local, "claude-desktop"},
		{"-", "[mcp_servers.a]\ncommand = \"x\"", "codex"},
	} {
		file, err := Read(c.path, []byte(c.data), nil)
		if err != nil {
			t.Errorf("%s with %s: %v", c.path, c.data, err)
		} else if file.Format.Name != c.want {
			t.Errorf("%s with %s is taken for %s, want %s", c.path, c.data, file.Format.Name, c.want)
		}
	}
}

// TestRefused holds what is said of files that cannot be read, and that no value is in it.
func TestRefused(t *testing.T) {
	for _, c := range []struct{ path, data, want string }{
		{"a.json", "", "the file is empty"},
		{"a.json", "{}", "say it with --format, which takes claude-desktop, claude-code, cursor"},
		{"a.json", "\n{\"a\": CANARY}", "line 2, column 7: this is not valid JSON"},
		{"a.json", `{"a": "CANARY" "b"}`, "line 1, column 16: this is not valid JSON"},
		{"a.json", `["CANARY"]`, "it holds no JSON object"},
		{"a.json", `{"mcpServers": {`, "not valid JSON"},
		{"a.toml", "a = \"CANARY\"\nb = CANARY", "line 2, column 5: this is not valid TOML"},
		{"a.toml", "a = 1\na = 2", "not valid TOML"},
		{"a.json", "\xff\xfe{\x00}\x00", "UTF-16"},
		{"a.json", "\xfe\xff\x00{\x00}", "UTF-16"},
		{"a.json", "{\x00}\x00", "no UTF-8 text"},
		{"a.json", "{\"a\": \"\xff\"}", "not UTF-8 text"},
		{".mcp.json", `{"mcpServers": ["CANARY"]}`, "read as a file of Claude Code: mcpServers is not an object of servers"},
		{"a.json", `{"mcp": {"client_configs": {"a": "CANARY"}}}`, "mcp.client_configs is not a list of servers"},
		{"a.json", strings.Repeat(`{"a":`, 10_000) + "1" + strings.Repeat("}", 10_000), "nests deeper than 1000 levels"},
		{"a.json", strings.Repeat("[", 5<<20), "nests deeper than 1000 levels"},
		{"a.toml", "a = " + strings.Repeat("[", 1<<20), "not valid TOML"},
	} {
		_, err := Read(c.path, []byte(c.data), nil)
		start := c.data[:min(len(c.data), 40)]
		if err == nil {
			t.Errorf("%q is read, want an error with %q", start, c.want)
		} else if !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "CANARY") {
			t.Errorf("%q: %v, want %q", start, err, c.want)
		}
	}
}

// TestDepthCountsBracketsAlone holds that brackets in strings and comments nest nothing.
func TestDepthCountsBracketsAlone(t *testing.T) {
	for text, want := range map[string]int{
		`{"a": [1]}`: 2, `"[[["`: 0, `"\"[["`: 0, "// [[ \"\n{}": 1, `/* [ " */ [{}]`: 2, `/`: 0, `"`: 0, `/* [`: 0, `[[]`: 2,
	} {
		if got := depth([]byte(text)); got != want {
			t.Errorf("%s nests %d deep, want %d", text, got, want)
		}
	}
}

// TestOneBadEntryStopsNoOther reads one good server beside each kind of bad one.
func TestOneBadEntryStopsNoOther(t *testing.T) {
	for bad, want := range map[string]string{
		`"CANARY"`:                             "the entry is not an object",
		`null`:                                 "the entry is not an object",
		`{"command": "x", "args": "CANARY"}`:   "args is not a list of texts",
		`{"command": "x", "args": [["C"]]}`:    "args is not a list of texts",
		`{"command": "x", "args": [null]}`:     "args is not a list of texts",
		`{"command": ["x"]}`:                   "command is not a text",
		`{"command": "x", "env": ["CANARY"]}`:  "env is not an object of texts",
		`{"command": "x", "env": {"A": {}}}`:   "env.A is not a text",
		`{"url": null}`:                        "it names no command to start and no address to reach",
		`{"url": {}}`:                          "url is not a text",
		`{"url": "u", "headers": "CANARY"}`:    "headers is not an object of texts",
		`{"url": "u", "disabled": "CANARY"}`:   "disabled is not true or false",
		`{"url": "u", "oauth": "CANARY"}`:      "oauth is not an object",
		`{"url": "u", "oauth": {"scopes": 1}}`: "oauth.scopes is not a list of texts",
		`{"command": "x", "type": "ws"}`:       "type is a transport that bearerd does not speak",
	} {
		file, err := Read("a.json", fmt.Appendf(nil, `{"mcpServers": {"bad": %s, "good": {"command": "x"}}}`, bad), claudeCode)
		if err != nil {
			t.Errorf("%s: %v", bad, err)
			continue
		}
		if len(file.Servers) != 1 || file.Servers[0].Name != "good" {
			t.Errorf("%s: servers are %v", bad, file.Servers)
		}
		if want = `"bad": ` + want; len(file.Lost) != 1 || file.Lost[0] != want {
			t.Errorf("%s: lost %q, want %q", bad, file.Lost, want)
		}
	}
}

// TestLastOfTwoNamesCounts holds what the clients' own parsers do.
func TestLastOfTwoNamesCounts(t *testing.T) {
	file, err := Read("a.json", []byte(`{"mcpServers": {"a": {"command": "old", "args": ["x"]}},
		"mcpServers": {"a": {"command": "old"}, "a": {"command": "older", "command": "new"}}}`), claudeDesktop)
	if err != nil {
		t.Fatal(err)
	}
	if got, _ := file.Servers[0].Command.Plain(); len(file.Servers) != 1 || got != "new" || file.Servers[0].Args != nil {
		t.Errorf("read %+v", file.Servers)
	}
}

// TestManyBraces reads within a second what a search of the whole rest at each brace would take hours for.
func TestManyBraces(t *testing.T) {
	for _, text := range []string{strings.Repeat("${", 1<<20) + "}", strings.Repeat("${A:-", 1<<20) + "}", strings.Repeat("$a${b}", 1<<18)} {
		file, err := Read("a.json", fmt.Appendf(nil, `{"mcpServers": {"a": {"command": %q}}}`, text), gemini)
		if err != nil || len(file.Servers) != 1 {
			t.Errorf("%.20s…: %v", text, err)
		}
	}
}

func TestLargeFile(t *testing.T) {
	var b strings.Builder
	b.WriteString(`{"mcpServers": {`)
	for i := range 5000 {
		fmt.Fprintf(&b, `"s%d": {"command": "npx", "args": [%q]},`, i, strings.Repeat("x", 1000))
	}
	b.WriteString(`}}`)
	file, err := Read("a.json", []byte(b.String()), nil)
	if err != nil || len(file.Servers) != 5000 {
		t.Errorf("%d bytes: %v", b.Len(), err)
	}
}

// TestNullsAndNumbers holds that null is nothing and that numbers keep their digits.
func TestNullsAndNumbers(t *testing.T) {
	file, err := Read("a.json", []byte(`{"mcpServers": {"a": {"command": "x", "args": [1, true, 1.50, 12345678901234567890],
		"env": {"N": 1e3, "NULL": null}, "url": null, "headers": null, "timeout": null, "note": "", "tools": []}}}`), claudeDesktop)
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "nulls", describe(file))
}

func FuzzRead(f *testing.F) {
	files, _ := filepath.Glob(samples + "/*/*")
	for _, path := range files {
		data, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		if len(data) < 10_000 {
			f.Add(data, strings.HasSuffix(path, ".toml"))
		}
	}
	f.Fuzz(func(t *testing.T, data []byte, isTOML bool) {
		data, err := plainText(data)
		if err != nil {
			return
		}
		doc, err := decode(data, isTOML)
		if err != nil {
			return
		}
		for _, format := range append(Formats(), nil) {
			if format != nil && format.toml != isTOML {
				continue
			}
			path := map[bool]string{true: "a.toml", false: "a.json"}[isTOML]
			file, err := Read(path, data, format)
			if err != nil {
				continue
			}
			for _, s := range file.Servers {
				sound(t, doc, s)
			}
		}
	})
}

// sound holds what a Server promises.
func sound(t *testing.T, doc any, s Server) {
	t.Helper()
	if (len(s.Command) > 0) == (len(s.URL) > 0) || s.Name == "" && len(s.At) == 0 {
		t.Errorf("%+v has not one of command and url", s)
	}
	for _, key := range s.At {
		if list, ok := doc.([]any); ok {
			i, err := strconv.Atoi(key)
			if err != nil || i >= len(list) {
				t.Fatalf("%q leads nowhere", s.At)
			}
			doc = list[i]
			continue
		}
		doc = doc.(map[string]any)[key]
	}
	if _, ok := doc.(map[string]any); !ok {
		t.Errorf("%q leads to no entry", s.At)
	}
	for name, value := range s.OAuth {
		switch value.(type) {
		case Text, bool, json.Number, []Text, map[string]Text:
		default:
			t.Errorf("%s is a %T", name, value)
		}
	}
	if s.OAuth != nil && s.OAuth["enabled"] == nil {
		t.Errorf("an oauth_config without enabled: %v", slices.Sorted(maps.Keys(s.OAuth)))
	}
}

// A server whose headers come from a program would stop to work: it is left out, with what to do.
func TestHelpersAreLeftOut(t *testing.T) {
	for _, c := range []struct {
		path, text string
	}{
		{".mcp.json", `{"mcpServers": {"a": {"type": "http", "url": "https://h", "headersHelper": "curl -H CANARY"},
			"b": {"type": "http", "url": "http://127.0.0.1:7411/b", "headersHelper": "/usr/bin/bearerd headers b"}}}`},
		{".codex/config.toml", "[mcp_servers.a]\nurl = \"https://h\"\nhttp_headers_helper = {command = \"CANARY\"}\n[mcp_servers.b]\ncommand = \"x\""},
	} {
		file, err := Read(c.path, []byte(c.text), nil)
		if err != nil {
			t.Fatal(err)
		}
		if said := strings.Join(file.Lost, "\n"); len(file.Servers) != 1 || !strings.Contains(said, "import again") || strings.Contains(said, "CANARY") {
			t.Errorf("%s: %v, lost %s", c.path, file.Servers, said)
		}
	}
}
