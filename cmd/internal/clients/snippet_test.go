package clients

import (
	"bytes"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
)

var (
	byCommand = Launch{Server: "web-1", Command: `C:\a "b"\bearerd.exe`, Args: []string{"exec", "-c", "/x y/ü\u007f.hcl", "web-1"}}
	byURL     = Launch{Server: "web-1", URL: "http://127.0.0.1:7411/web-1", Headers: map[string]string{"Authorization": "Bearer k"}}
	bySSE     = Launch{Server: "web-1", URL: "http://127.0.0.1:7411/web-1", SSE: true}
	bySocket  = Launch{Server: "web-1", URL: "http://localhost/mcp/x", Socket: "/run/b.sock"}
	byHelper  = Launch{Server: "web-1", URL: "http://127.0.0.1:7411/web-1", Helper: "bearerd headers web-1", Headers: byURL.Headers}
)

// entryIn takes the one entry out of a snippet, as its client would.
func entryIn(t *testing.T, f *Format, l Launch) map[string]any {
	t.Helper()
	out, err := f.Snippet(l)
	if err != nil {
		t.Fatalf("%s: %v", f.Name, err)
	}
	doc, err := decode(bytes.Clone(out), f.toml)
	if err != nil {
		t.Fatalf("%s: %v\n%s", f.Name, err, out)
	}
	last := l.Server
	if f.list {
		last = "0"
	}
	entry, ok := lookUp(doc, append(slices.Clone(f.in), last)).(map[string]any)
	if !ok {
		t.Fatalf("%s: there is no entry in\n%s", f.Name, out)
	}
	return entry
}

func TestSnippetThatStarts(t *testing.T) {
	args := []any{"exec", "-c", "/x y/ü\u007f.hcl", "web-1"}
	for _, f := range Formats() {
		entry := entryIn(t, f, byCommand)
		for _, in := range []string{"config", "stdio_config"} {
			if nested, ok := entry[in].(map[string]any); ok {
				entry = nested
			}
		}
		if entry["command"] != byCommand.Command || !reflect.DeepEqual(entry["args"], args) {
			t.Errorf("%s: %v", f.Name, entry)
		}
	}
}

func TestSnippetOfAnAddress(t *testing.T) {
	headers := map[string]any{"Authorization": "Bearer k"}
	url := byURL.URL
	want := map[string]map[string]any{
		"claude-code": {"type": "http", "url": url, "headers": headers},
		"cursor":      {"url": url, "headers": headers},
		"vscode":      {"type": "http", "url": url, "headers": headers},
		"windsurf":    {"serverUrl": url, "headers": headers},
		"zed":         {"url": url, "headers": headers},
		"codex":       {"url": url, "http_headers": headers},
		"gemini":      {"httpUrl": url, "headers": headers},
		"bifrost": {"name": "web_1", "connection_type": "http", "connection_string": url, "auth_type": "headers",
			"headers": headers, "tools_to_execute": []any{"*"}},
		"secure-mcp-gateway": {"server_name": "web-1", "config": map[string]any{"url": url, "transport": "streamable_http", "headers": headers}},
	}
	for _, f := range Formats() {
		if f == claudeDesktop {
			continue
		}
		if got := entryIn(t, f, byURL); !reflect.DeepEqual(got, want[f.Name]) {
			t.Errorf("%s: %v", f.Name, got)
		}
	}
	for name, want := range map[string]map[string]any{
		"claude-code":        {"type": "sse", "url": url},
		"vscode":             {"type": "sse", "url": url},
		"gemini":             {"type": "sse", "url": url},
		"secure-mcp-gateway": {"server_name": "web-1", "config": map[string]any{"url": url, "transport": "sse"}},
	} {
		f, _ := Named(name)
		if got := entryIn(t, f, bySSE); !reflect.DeepEqual(got, want) {
			t.Errorf("%s over SSE: %v", name, got)
		}
	}
}

func TestSnippetThatAClientCannotTake(t *testing.T) {
	if got := entryIn(t, vscode, bySocket); got["url"] != "unix:///run/b.sock#/mcp/x" {
		t.Errorf("VS Code's socket: %v", got)
	}
	if got := entryIn(t, claudeCode, byHelper); got["headersHelper"] != byHelper.Helper || got["headers"] != nil {
		t.Errorf("headersHelper: %v", got)
	}
	if got := entryIn(t, codex, byHelper); got["http_headers_helper"] != byHelper.Helper || got["http_headers"] != nil {
		t.Errorf("http_headers_helper: %v", got)
	}
	for _, f := range Formats() {
		if _, err := f.Snippet(bySocket); f != vscode && !errors.Is(err, ErrNeedsCommand) {
			t.Errorf("%s takes a unix socket: %v", f.Name, err)
		}
		if _, err := f.Snippet(byHelper); f != claudeCode && f != codex && (err == nil || errors.Is(err, ErrNeedsCommand)) {
			t.Errorf("%s takes a helper: %v", f.Name, err)
		}
		_, err := f.Snippet(Launch{Server: "a", Command: "/opt/${HOME}/bearerd"})
		if refused := err != nil && strings.Contains(err.Error(), "without $"); refused != (f.expands != nil) {
			t.Errorf("%s and a path that it would expand: %v", f.Name, err)
		}
	}
	for _, f := range []*Format{claudeDesktop, zed, codex} {
		if _, err := f.Snippet(bySSE); !errors.Is(err, ErrNeedsCommand) {
			t.Errorf("%s takes HTTP+SSE: %v", f.Name, err)
		}
	}
}

// What Snippet writes and Rewrite would leave behind must be a name or a default, not how the server is reached.
func TestEntriesAreReplacedWhole(t *testing.T) {
	others := []string{"name", "server_name", "tools_to_execute"}
	for _, f := range Formats() {
		for _, l := range []Launch{byCommand, byURL} {
			entry, err := f.launch(l)
			for key := range entry {
				if err == nil && !slices.Contains(f.drop, key) && !slices.Contains(others, key) {
					t.Errorf("%s: %s is written, but not dropped", f.Name, key)
				}
			}
		}
	}
}

func TestSnippetOfTwo(t *testing.T) {
	a, b := Launch{Server: "a", Command: "x"}, Launch{Server: "b", Command: "y"}
	got, err := codex.Snippet(a, b)
	want := "[mcp_servers.a]\ncommand = \"x\"\nargs = []\n\n[mcp_servers.b]\ncommand = \"y\"\nargs = []\n"
	if err != nil || string(got) != want {
		t.Errorf("%v\n%s", err, got)
	}
	got, err = windsurf.Snippet(a, b)
	want = `{
  "mcpServers": {
    "a": {
      "command": "x",
      "args": []
    },
    "b": {
      "command": "y",
      "args": []
    }
  }
}
`
	if err != nil || string(got) != want {
		t.Errorf("%v\n%s", err, got)
	}
}

func TestWhere(t *testing.T) {
	for _, f := range Formats() {
		for _, goos := range []string{"linux", "darwin", "windows"} {
			where := f.Where(goos)
			if where == "" || (goos == "windows") != strings.Contains(where, `\`) && strings.ContainsAny(where, `/\`) {
				t.Errorf("%s on %s: %q", f.Name, goos, where)
			}
		}
	}
	for goos, want := range map[string]string{
		"linux":   "~/.config/Claude/claude_desktop_config.json, ~/.config/zed/settings.json, or .zed/settings.json of a project",
		"darwin":  "~/Library/Application Support/Claude/claude_desktop_config.json, ~/.config/zed/settings.json, or .zed/settings.json of a project",
		"windows": `%APPDATA%\Claude\claude_desktop_config.json, %APPDATA%\Zed\settings.json, or .zed\settings.json of a project`,
	} {
		if got := claudeDesktop.Where(goos) + ", " + zed.Where(goos); got != want {
			t.Errorf("on %s: %s", goos, got)
		}
	}
}
