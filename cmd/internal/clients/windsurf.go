package clients

var windsurf = &Format{
	Name: "windsurf", Title: "Windsurf", Also: "", toml: false,
	owns:  ownsWindsurf,
	read:  readWindsurf,
	entry: windsurfEntry,
	in:    []string{"mcpServers"},
	drop:  []string{"type", "command", "args", "env", "url", "serverUrl", "headers"},
}

func ownsWindsurf(path string, doc map[string]any) bool {
	return within(path, ".codeium") && ends(path, "mcp_config.json") || path == "" && dialect(doc) == "windsurf"
}

func readWindsurf(doc map[string]any) (*File, error) {
	file := &File{}
	return file, file.each([]string{"mcpServers"}, doc["mcpServers"], func(k keys, s *Server) {
		k.expand = fileBraces
		k.usual(s, "serverUrl", "url")
	})
}
