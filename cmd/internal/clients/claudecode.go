package clients

import (
	"maps"
	"slices"
)

var claudeCode = &Format{
	Name: "claude-code", Title: "Claude Code",
	owns:    ownsClaudeCode,
	read:    readClaudeCode,
	entry:   claudeCodeEntry,
	in:      []string{"mcpServers"},
	drop:    []string{"type", "command", "args", "env", "url", "headers", "headersHelper", "oauth"},
	where:   ".mcp.json of a project, or ~/.claude.json",
	expands: braced,
	Helper:  "headersHelper",
}

func ownsClaudeCode(path string, doc map[string]any) bool {
	return ends(path, ".mcp.json", ".claude.json") || path == "" && dialect(doc) == "claude-code"
}

// readClaudeCode reads a project's .mcp.json, or ~/.claude.json with the servers of each project.
func readClaudeCode(doc map[string]any) (*File, error) {
	file := &File{}
	if plugin(doc) {
		return file, file.each(nil, doc, readClaudeCodeServer)
	}
	if err := file.each([]string{"mcpServers"}, doc["mcpServers"], readClaudeCodeServer); err != nil {
		return nil, err
	}
	projects := object(doc, "projects")
	for _, dir := range slices.Sorted(maps.Keys(projects)) {
		project, _ := projects[dir].(map[string]any)
		disabled, _ := project["disabledMcpServers"].([]any)
		err := file.each([]string{"projects", dir, "mcpServers"}, project["mcpServers"], func(k keys, s *Server) {
			readClaudeCodeServer(k, s)
			s.Off = s.Off || slices.Contains(disabled, any(s.Name))
		})
		if err != nil {
			return nil, err
		}
	}
	return file, nil
}

// plugin reports whether a file is a plugin's .mcp.json that has its servers at the top. One without a name there would be
// at no key, which stands for the whole file.
func plugin(doc map[string]any) bool {
	if doc["mcpServers"] != nil || doc["projects"] != nil || doc[""] != nil {
		return false
	}
	for _, value := range doc {
		if server, ok := value.(map[string]any); ok && (server["command"] != nil || server["url"] != nil) {
			return true
		}
	}
	return false
}

func readClaudeCodeServer(k keys, s *Server) {
	k.expand = shellBraces
	k.usual(s, "url")
	k.idleFolder(s, "Claude Code")
	k.refuseHelper("headersHelper")
	k.expand = literal
	oauth, ok := k.object("oauth")
	if !ok || k.ahead(s, "oauth") {
		return
	}
	s.OAuth = signIn()
	oauth.put(s.OAuth, "clientId", "OAUTH_CLIENT_ID")
	oauth.put(s.OAuth, "clientSecret", "OAUTH_CLIENT_SECRET")
	oauth.putScopes(s.OAuth, "scopes")
	if port := oauth.name("callbackPort"); port != "" {
		s.OAuth["OAUTH_REDIRECT_URI"] = literal("http://localhost:" + port + "/callback")
	}
	oauth.rest()
}

func claudeCodeEntry(l Launch) (map[string]any, error) {
	entry := l.stdio()
	if l.URL != "" {
		entry = l.remote("url")
	}
	if l.URL != "" && l.Helper != "" {
		delete(entry, "headers")
		entry["headersHelper"] = l.Helper
	}
	entry["type"] = l.transport()
	return entry, nil
}
