# want: OAUTH_TOKEN_IN_HEADER_ONLY = false has a meaning for url servers only
server "search" {
  command = "uvx"
  args = ["acme-search-mcp"]
  oauth_config {
    enabled             = true
    OAUTH_CLIENT_ID     = "client-123"
    OAUTH_CLIENT_SECRET = env("CLIENT_SECRET")
    OAUTH_TOKEN_URL     = "https://auth.example.com/oauth/token"
    OAUTH_TOKEN_IN_HEADER_ONLY = false
  }
}
