package clients

var secureGateway = &Format{
	Name: "secure-mcp-gateway", Title: "Secure MCP Gateway", Also: "", toml: false,
	in:   []string{"mcp_config"},
	drop: []string{"config", "oauth_config"},
}
