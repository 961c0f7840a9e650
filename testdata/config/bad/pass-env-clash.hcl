# want: pass_env names OAUTH_ACCESS_TOKEN, which carries the token
server "search" {
  command = "uvx"
  args = ["acme-search-mcp"]
  pass_env = ["OAUTH_ACCESS_TOKEN"]
  oauth_config {
    enabled             = true
    OAUTH_CLIENT_ID     = "client-123"
    OAUTH_CLIENT_SECRET = env("CLIENT_SECRET")
    OAUTH_TOKEN_URL     = "https://auth.example.com/oauth/token"
  }
}
