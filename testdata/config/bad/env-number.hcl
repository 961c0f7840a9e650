# want: env.PORT must be a string or a secret reference
server "search" {
  command = "uvx"
  args = ["acme-search-mcp"]
  env = { PORT = 8080 }
  oauth_config {
    enabled             = true
    OAUTH_CLIENT_ID     = "client-123"
    OAUTH_CLIENT_SECRET = env("CLIENT_SECRET")
    OAUTH_TOKEN_URL     = "https://auth.example.com/oauth/token"
  }
}
