package clients

import "fmt"

var claudeDesktop = &Format{
	Name: "claude-desktop", Title: "Claude Desktop", Also: "claude",
	owns:  ownsClaudeDesktop,
	read:  readClaudeDesktop,
	entry: claudeDesktopEntry,
	in:    []string{"mcpServers"},
	drop:  []string{"type", "command", "args", "env", "url", "headers"},
	where: "DATA/Claude/claude_desktop_config.json",
}

func ownsClaudeDesktop(path string, doc map[string]any) bool {
	return ends(path, "claude_desktop_config.json") || path == "" && dialect(doc) == "claude-desktop"
}

// readClaudeDesktop reads texts as they are: this client puts nothing in. It takes no address, but many files have one.
func readClaudeDesktop(doc map[string]any) (*File, error) {
	file := &File{}
	return file, file.each([]string{"mcpServers"}, doc["mcpServers"], func(k keys, s *Server) {
		k.usual(s, "url")
		k.idleFolder(s, "Claude Desktop")
	})
}

func claudeDesktopEntry(l Launch) (map[string]any, error) {
	if l.URL != "" {
		return nil, fmt.Errorf("the file of Claude Desktop takes no address: %w", ErrNeedsCommand)
	}
	return l.stdio(), nil
}
