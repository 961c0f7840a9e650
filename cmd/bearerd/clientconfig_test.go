package main_test

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/pelletier/go-toml/v2"
	"github.com/tailscale/hujson"
)

// wishes are servers of every sort for client-config.
func wishes(t *testing.T, h *home) {
	t.Helper()
	up := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(up.Close)
	h.configure(
		server("web", attribute("url", up.URL)), server("old", attribute("url", up.URL+"/sse")),
		server("open", attribute("url", up.URL), attribute("local_auth", "none")),
		server("sock", attribute("url", up.URL+"/mcp"), attribute("listen", "unix:s")), server("local", nothing))
}

// snippet parses what is printed for a client, and adds the key in it to what nobody may say.
func (h *home) snippet(args ...string) (doc map[string]any, said string) {
	h.t.Helper()
	r := h.run(append([]string{"client-config"}, args...)...)
	h.private(localKeys.FindAllString(r.stdout, -1)...)
	parse := func(b []byte, into any) error {
		b, err := hujson.Standardize(b)
		if err != nil {
			return err
		}
		return json.Unmarshal(b, into)
	}
	if slices.Contains(args, "codex") {
		parse = toml.Unmarshal
	}
	if err := parse([]byte(r.stdout), &doc); err != nil || r.code != 0 {
		h.t.Fatalf("client-config %s: %d, %v\n%s", strings.Join(args, " "), r.code, err, r.stderr)
	}
	return doc, r.stderr
}

var localKeys = regexp.MustCompile(`brd_[A-Za-z0-9_.-]+`)

// entry is the one entry of a snippet, below the tables that lead to it.
func snippetEntry(t *testing.T, doc map[string]any) map[string]any {
	t.Helper()
	for {
		if len(doc) != 1 {
			return doc
		}
		for _, v := range doc {
			if list, ok := v.([]any); ok && len(list) == 1 {
				v = list[0]
			}
			next, ok := v.(map[string]any)
			if !ok {
				return doc
			}
			doc = next
		}
	}
}

func TestClientConfigFor(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	wishes(t, h)
	for client, want := range map[string]struct{ file, web, old, sock string }{ // the keys of the entries
		"claude":             {"claude_desktop_config.json", "args command", "args command", "args command"},
		"claude-desktop":     {"claude_desktop_config.json", "args command", "args command", "args command"},
		"claude-code":        {".mcp.json", "headers type url", "headers type url", "args command type"},
		"cursor":             {".cursor/mcp.json", "headers url", "headers url", "args command type"},
		"vscode":             {".vscode/mcp.json", "headers type url", "headers type url", "type url"},
		"windsurf":           {"mcp_config.json", "headers serverUrl", "headers serverUrl", "args command"},
		"zed":                {"settings.json", "headers url", "args command", "args command"},
		"codex":              {"config.toml", "http_headers url", "args command", "args command"},
		"gemini":             {".gemini/settings.json", "headers httpUrl", "headers type url", "args command"},
		"bifrost":            {"config.json", "auth_type connection_string connection_type headers name tools_to_execute", "auth_type connection_string connection_type headers name tools_to_execute", "auth_type connection_type name stdio_config tools_to_execute"},
		"secure-mcp-gateway": {"enkrypt_mcp_config.json", "config server_name", "config server_name", "config server_name"},
	} {
		for name, keys := range map[string]string{"web": want.web, "old": want.old, "sock": want.sock} {
			doc, said := h.snippet(name, "--for", client)
			if got := strings.Join(slices.Sorted(maps.Keys(snippetEntry(t, doc))), " "); got != keys {
				t.Errorf("%s for %s: %s", name, client, got)
			}
			if runtime.GOOS == "linux" && !strings.Contains(said, want.file) {
				t.Errorf("%s for %s: the file is not named: %s", name, client, said)
			}
			if started := strings.Contains(said, "starts bearerd by itself"); started == strings.Contains(said, "`bearerd run` must be running") {
				t.Errorf("%s for %s: %s", name, client, said)
			}
			if strings.Contains(keys, "command") && !strings.Contains(said, "needs the stdio form, which this is") {
				t.Errorf("%s for %s: why it is the stdio form is not said: %s", name, client, said)
			}
		}
		for _, args := range [][]string{{"local"}, {"web", "--stdio"}} {
			if _, said := h.snippet(append(args, "--for", client)...); !strings.Contains(said, "by itself") || strings.Contains(said, "note:") {
				t.Errorf("%v for %s: %s", args, client, said)
			}
		}
		if _, said := h.snippet("open", "--for", client); !strings.HasPrefix(client, "claude-d") && client != "claude" && !strings.Contains(said, "holds no key") {
			t.Errorf("an open server for %s: %s", client, said)
		}
	}
	doc, _ := h.snippet("sock", "--for", "vscode")
	if url := snippetEntry(t, doc)["url"]; url != "unix://"+h.path("s")+"#/mcp" {
		t.Errorf("VS Code's address of a socket: %v", url)
	}
}

// Each client has a key of its own that opens the proxy, also the one that the helper prints when a shell runs it.
func TestClientConfigKeys(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	wishes(t, h)
	authorization := func(args ...string) string {
		doc, _ := h.snippet(args...)
		headers, _ := snippetEntry(t, doc)["headers"].(map[string]any)
		key, _ := headers["Authorization"].(string)
		return key
	}
	cursor, mine, code := authorization("web", "--for", "cursor"), authorization("web", "--for", "cursor", "--client", "me"), authorization("web", "--for", "claude-code")
	if cursor == mine || cursor == code || cursor != h.localKey("web", "cursor") || mine != h.localKey("web", "me") {
		t.Error("the keys are not one for each client")
	}
	dir := h.path("it's a dir")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	file, err := os.ReadFile(h.path("bearerd.hcl"))
	if err != nil {
		t.Fatal(err)
	}
	elsewhere := filepath.Join(dir, "b.hcl")
	if err := os.WriteFile(elsewhere, []byte(strings.Replace(string(file), `"state"`, `"`+h.path("state")+`"`, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	h.daemon()
	doc, said := h.snippet("web", "--for", "claude-code", "--headers-helper", "-c", elsewhere)
	entry := snippetEntry(t, doc)
	helper, _ := entry["headersHelper"].(string)
	if entry["headers"] != nil || !strings.Contains(said, "holds no key") || !strings.Contains(helper, " headers web --client claude-code -c ") {
		t.Errorf("%v\n%s", entry, said)
	}
	if toml := h.ok("client-config", "web", "--for", "codex", "--headers-helper", "-c", elsewhere); strings.Contains(toml, "Bearer") ||
		!strings.Contains(toml, `http_headers_helper = "`) || !strings.Contains(toml, " headers web --client codex -c ") {
		t.Errorf("for codex: %s", toml)
	}
	shell := exec.CommandContext(t.Context(), "sh", "-c", helper)
	shell.Env, shell.Dir = h.env, os.TempDir()
	out, err := shell.Output()
	var printed map[string]string
	if err != nil || json.Unmarshal(out, &printed) != nil || len(printed) != 1 || printed["Authorization"] != code {
		t.Errorf("the helper: %v, %d bytes", err, len(out))
	}
	for _, key := range []string{cursor, mine, code} {
		if status := h.called("web", key); status != http.StatusOK {
			t.Errorf("a key is answered with %d", status)
		}
	}
}

func TestHeaders(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	wishes(t, h)
	var printed map[string]string
	if err := json.Unmarshal([]byte(h.ok("headers", "web")), &printed); err != nil || printed["Authorization"] != h.localKey("web", "default") {
		t.Errorf("headers web: %v", err)
	}
	for _, name := range []string{"open", "sock"} {
		if out := h.ok("headers", name); out != "{}" {
			t.Errorf("headers %s: not {}", name)
		}
	}
	for want, args := range map[string][]string{
		"bearerd exec local": {"headers", "local"}, `"nobody"`: {"headers", "nobody"}, "letters, digits": {"headers", "web", "--client", "a b"},
		"leave out --headers-helper": {"client-config", "local", "--for", "claude-code", "--headers-helper"},
	} {
		if said := h.fails(1, args...); !strings.Contains(said, want) {
			t.Errorf("%v: %s", args, said)
		}
	}
	for want, args := range map[string][]string{
		"use one of bifrost, claude-code": {"--for", "notepad"}, `there is no client ""`: {"--for", ""},
		"of Claude Code and Codex alone": {"--for", "cursor", "--headers-helper"}, "--for claude-code": {"--headers-helper"},
		"stdio": {"--for", "claude-code", "--headers-helper", "--stdio"},
	} {
		if said := h.fails(2, append([]string{"client-config", "web"}, args...)...); !strings.Contains(said, want) {
			t.Errorf("%v: %s", args, said)
		}
	}
}
