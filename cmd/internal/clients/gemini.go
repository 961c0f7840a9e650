package clients

var gemini = &Format{
	Name: "gemini", Title: "Gemini CLI", Also: "gemini-cli", toml: false,
	in:   []string{"mcpServers"},
	drop: []string{"command", "args", "env", "cwd", "url", "httpUrl", "type", "headers", "oauth", "authProviderType"},
}
