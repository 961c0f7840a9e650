# want: kill_grace must be a duration over 0 and up to 10 minutes, such as "2s"
server "search" {
  command = "uvx"
  args = ["acme-search-mcp"]
  kill_grace = "11m"
  oauth_config {
    enabled             = true
    OAUTH_CLIENT_ID     = "client-123"
    OAUTH_CLIENT_SECRET = env("CLIENT_SECRET")
    OAUTH_TOKEN_URL     = "https://auth.example.com/oauth/token"
  }
}
