# want: env is no block
server "search" {
  command = "uvx"
  args = ["acme-search-mcp"]
  env {
    A = "b"
  }
  oauth_config {
    enabled             = true
    OAUTH_CLIENT_ID     = "client-123"
    OAUTH_CLIENT_SECRET = env("CLIENT_SECRET")
    OAUTH_TOKEN_URL     = "https://auth.example.com/oauth/token"
  }
}
