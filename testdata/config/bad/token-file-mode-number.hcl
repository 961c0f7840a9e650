# want: token_file_mode must be a string, not a number
server "search" {
  command = "uvx"
  args = ["acme-search-mcp"]
  token_file = "/run/t"
  token_file_mode = 0600
  oauth_config {
    enabled             = true
    OAUTH_CLIENT_ID     = "client-123"
    OAUTH_CLIENT_SECRET = env("CLIENT_SECRET")
    OAUTH_TOKEN_URL     = "https://auth.example.com/oauth/token"
  }
}
