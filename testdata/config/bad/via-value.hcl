# want: via must be one of proxy, header
server "search" {
  command = "npx"
  args = ["mcp-remote", "https://mcp.example.com"]
  via = "argv"
  oauth_config {
    enabled             = true
    OAUTH_CLIENT_ID     = "client-123"
    OAUTH_CLIENT_SECRET = env("CLIENT_SECRET")
    OAUTH_TOKEN_URL     = "https://auth.example.com/oauth/token"
  }
}
