# Use case 2 of the guide: a remote MCP server reached through mcp-remote.
# `bearerd exec remote-mcp-server` starts npx with its URL argument pointed at a loopback proxy that adds the token.
# --allow-http is as in the guide; with an https URL it changes nothing.

server "remote-mcp-server" {
  command = "npx"
  args    = ["-y", "mcp-remote", "https://mcp.example.com", "--allow-http"]

  oauth_config {
    enabled             = true
    is_remote           = true
    OAUTH_CLIENT_ID     = "client-123"
    OAUTH_CLIENT_SECRET = env("REMOTE_MCP_SECRET")
    OAUTH_TOKEN_URL     = "https://auth.example.com/oauth/token"
    OAUTH_AUDIENCE      = "https://mcp.example.com"
  }
}
