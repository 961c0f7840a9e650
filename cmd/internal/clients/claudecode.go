package clients

var claudeCode = &Format{
	Name: "claude-code", Title: "Claude Code", Also: "", toml: false,
	in:   []string{"mcpServers"},
	drop: []string{"type", "command", "args", "env", "url", "headers", "headersHelper", "oauth"},
}
