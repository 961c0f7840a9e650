package clients

var claudeDesktop = &Format{
	Name: "claude-desktop", Title: "Claude Desktop", Also: "claude", toml: false,
	in:   []string{"mcpServers"},
	drop: []string{"type", "command", "args", "env", "url", "headers"},
}
