package clients

var windsurf = &Format{
	Name: "windsurf", Title: "Windsurf", Also: "", toml: false,
	in:   []string{"mcpServers"},
	drop: []string{"command", "args", "env", "url", "serverUrl", "headers"},
}
