package clients

var bifrost = &Format{
	Name: "bifrost", Title: "Bifrost", Also: "", toml: false,
	in:   []string{"mcp", "client_configs"},
	drop: []string{"connection_type", "connection_string", "stdio_config", "auth_type", "oauth_config", "headers"},
}
