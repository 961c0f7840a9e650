package clients

var cursor = &Format{
	Name: "cursor", Title: "Cursor",
	owns:    ownsCursor,
	read:    readCursor,
	entry:   cursorEntry,
	in:      []string{"mcpServers"},
	drop:    []string{"type", "command", "args", "env", "envFile", "cwd", "url", "headers", "auth"},
	where:   "~/.cursor/mcp.json, or .cursor/mcp.json of a project",
	expands: braced,
}

func ownsCursor(path string, doc map[string]any) bool {
	return ends(path, ".cursor/mcp.json") || path == "" && dialect(doc) == "cursor"
}

func readCursor(doc map[string]any) (*File, error) {
	file := &File{}
	return file, file.each([]string{"mcpServers"}, doc["mcpServers"], func(k keys, s *Server) {
		k.expand = editorBraces
		s.EnvFile = k.text("envFile")
		k.usual(s, "url")
		s.Dir = k.text("cwd")
		auth, ok := k.object("auth")
		if !ok {
			return
		}
		s.OAuth = signIn()
		auth.put(s.OAuth, "CLIENT_ID", "OAUTH_CLIENT_ID")
		auth.put(s.OAuth, "CLIENT_SECRET", "OAUTH_CLIENT_SECRET")
		auth.putScopes(s.OAuth, "scopes")
		auth.rest()
	})
}

// Cursor finds out by itself which of the two HTTP transports it is.
func cursorEntry(l Launch) (map[string]any, error) {
	if l.URL != "" {
		return l.remote("url"), nil
	}
	entry := l.stdio()
	entry["type"] = "stdio"
	return entry, nil
}
