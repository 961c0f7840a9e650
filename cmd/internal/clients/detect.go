package clients

import (
	"fmt"
	"slices"
	"strings"
)

// detect finds the format of a file: by its path, where that says it, else by what is in it.
func detect(path string, doc map[string]any) (*Format, error) {
	for _, where := range []string{strings.ToLower(strings.ReplaceAll(path, `\`, "/")), ""} {
		for _, f := range Formats() {
			if f.owns(where, doc) {
				return f, nil
			}
		}
	}
	var names []string
	for _, f := range Formats() {
		names = append(names, f.Name)
	}
	return nil, fmt.Errorf("neither its path nor its contents tell whose it is: say it with --format, which takes %s",
		strings.Join(names, ", "))
}

// looksTOML reports whether a file of unknown format is TOML.
func looksTOML(path string, data []byte) bool {
	lower := strings.ToLower(path)
	if strings.HasSuffix(lower, ".toml") || strings.HasSuffix(lower, ".json") || strings.HasSuffix(lower, ".jsonc") {
		return strings.HasSuffix(lower, ".toml")
	}
	for line := range strings.Lines(string(data)) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			return !strings.HasPrefix(line, "{") && !strings.HasPrefix(line, "/")
		}
	}
	return false
}

// ends reports whether a path, in lower case with slashes, ends in one of the given ways, whole names each.
func ends(path string, ways ...string) bool {
	return slices.ContainsFunc(ways, func(way string) bool { return path == way || strings.HasSuffix(path, "/"+way) })
}

// within reports whether one of the folders of a path is called so.
func within(path, folder string) bool { return strings.Contains("/"+path, "/"+folder+"/") }

// object is the object at the end of a chain of keys; nil: there is none.
func object(doc map[string]any, chain ...string) map[string]any {
	for _, key := range chain {
		doc, _ = doc[key].(map[string]any)
	}
	return doc
}

// dialect tells the clients apart that all keep their servers in mcpServers, by what only one of them has there. "" where
// there is no such table.
func dialect(doc map[string]any) string {
	servers := object(doc, "mcpServers")
	if servers == nil {
		return ""
	}
	marks := map[string]bool{}
	for _, value := range servers {
		server, _ := value.(map[string]any)
		for key, value := range server {
			marks[markOf(key, value)] = true
			own := map[string]any(nil)
			if key == "args" {
				own = object(server, "env")
			}
			mark(value, own, marks)
		}
	}
	if object(doc, "projects") != nil {
		marks["claude-code"] = true
	}
	for _, name := range []string{"gemini", "windsurf", "cursor", "claude-code"} {
		if marks[name] {
			return name
		}
	}
	return "claude-desktop"
}

// markOf is the client that alone has a key in a server's entry; "": many have it.
func markOf(key string, value any) string {
	switch key {
	case "httpUrl", "includeTools", "excludeTools", "trust", "authProviderType":
		return "gemini"
	case "serverUrl":
		return "windsurf"
	case "envFile":
		return "cursor"
	case "auth":
		if auth, _ := value.(map[string]any); auth["CLIENT_ID"] != nil {
			return "cursor"
		}
	case "url", "headersHelper", "oauth":
		return "claude-code"
	}
	return ""
}

// mark sets the clients whose placeholders a value has. One in args for a variable of the server's own env is no client's:
// mcp-remote fills such ones itself.
func mark(value any, own map[string]any, marks map[string]bool) {
	switch v := value.(type) {
	case string:
		switch {
		case strings.Contains(v, "${file:"):
			marks["windsurf"] = true
		case strings.Contains(v, "${env:"), strings.Contains(v, "${workspaceFolder"), strings.Contains(v, "${userHome}"):
			marks["cursor"] = true
		case slices.ContainsFunc(shellBraces(v), func(p Part) bool { return p.Variable != "" && own[p.Variable] == nil }):
			marks["claude-code"] = true
		}
	case []any:
		for _, item := range v {
			mark(item, own, marks)
		}
	case map[string]any:
		for _, item := range v {
			mark(item, own, marks)
		}
	}
}
