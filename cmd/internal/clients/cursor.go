package clients

var cursor = &Format{
	Name: "cursor", Title: "Cursor", Also: "", toml: false,
	in:   []string{"mcpServers"},
	drop: []string{"type", "command", "args", "env", "envFile", "cwd", "url", "headers", "auth"},
}
