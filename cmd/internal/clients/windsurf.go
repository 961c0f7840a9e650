package clients

var windsurf = &Format{
	Name: "windsurf", Title: "Windsurf",
	owns:    ownsWindsurf,
	read:    readWindsurf,
	entry:   windsurfEntry,
	in:      []string{"mcpServers"},
	drop:    []string{"type", "command", "args", "env", "cwd", "url", "serverUrl", "headers"},
	where:   "~/.codeium/windsurf/mcp_config.json",
	expands: braced,
}

func ownsWindsurf(path string, doc map[string]any) bool {
	return within(path, ".codeium") && ends(path, "mcp_config.json") || path == "" && dialect(doc) == "windsurf"
}

func readWindsurf(doc map[string]any) (*File, error) {
	file := &File{}
	return file, file.each([]string{"mcpServers"}, doc["mcpServers"], func(k keys, s *Server) {
		k.expand = fileBraces
		k.usual(s, "serverUrl", "url")
		s.Dir = k.text("cwd")
	})
}

func windsurfEntry(l Launch) (map[string]any, error) {
	if l.URL != "" {
		return l.remote("serverUrl"), nil
	}
	return l.stdio(), nil
}
