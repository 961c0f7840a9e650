# want: env sets AUTHORIZATION, which carries the token
# want: env sets OAUTH_TOKEN_TYPE, which carries the token
server "search" {
  command = "uvx"
  args = ["acme-search-mcp"]
  env = { AUTHORIZATION = "x", OAUTH_TOKEN_TYPE = "y" }
  oauth_config {
    enabled             = true
    OAUTH_CLIENT_ID     = "client-123"
    OAUTH_CLIENT_SECRET = env("CLIENT_SECRET")
    OAUTH_TOKEN_URL     = "https://auth.example.com/oauth/token"
  }
}
