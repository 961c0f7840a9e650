package clients

var codex = &Format{
	Name: "codex", Title: "Codex", Also: "", toml: true,
	in:   []string{"mcp_servers"},
	drop: []string{"command", "args", "env", "env_vars", "cwd", "url", "bearer_token_env_var", "http_headers", "env_http_headers"},
}
