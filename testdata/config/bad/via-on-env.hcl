# want: via has a meaning for mcp-remote and other remote programs only
server "search" {
  command = "uvx"
  args = ["acme-search-mcp"]
  via = "proxy"
  oauth_config {
    enabled             = true
    OAUTH_CLIENT_ID     = "client-123"
    OAUTH_CLIENT_SECRET = env("CLIENT_SECRET")
    OAUTH_TOKEN_URL     = "https://auth.example.com/oauth/token"
  }
}
