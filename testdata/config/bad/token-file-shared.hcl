# want: token_file is that of server "a"
server "a" {
  command = "uvx"
  args = ["acme-search-mcp"]
  token_file = "/run/t"
  oauth_config {
    enabled             = true
    OAUTH_CLIENT_ID     = "client-123"
    OAUTH_CLIENT_SECRET = env("CLIENT_SECRET")
    OAUTH_TOKEN_URL     = "https://auth.example.com/oauth/token"
  }
}
server "b" {
  command = "uvx"
  args = ["acme-search-mcp"]
  token_file = "/run/t"
  oauth_config {
    enabled             = true
    OAUTH_CLIENT_ID     = "client-123"
    OAUTH_CLIENT_SECRET = env("CLIENT_SECRET")
    OAUTH_TOKEN_URL     = "https://auth.example.com/oauth/token"
  }
}
