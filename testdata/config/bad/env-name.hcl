# want: env: "A=…" is no name of an environment variable
server "search" {
  command = "uvx"
  args = ["acme-search-mcp"]
  env = { "A=B" = "x" }
  oauth_config {
    enabled             = true
    OAUTH_CLIENT_ID     = "client-123"
    OAUTH_CLIENT_SECRET = env("CLIENT_SECRET")
    OAUTH_TOKEN_URL     = "https://auth.example.com/oauth/token"
  }
}
