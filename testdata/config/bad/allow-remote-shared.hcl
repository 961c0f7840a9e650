# want: allow_remote needs a listen of its own
server "tickets" {
  url = "https://mcp.example.com/mcp"
  allow_remote = true
  oauth_config {
    enabled             = true
    OAUTH_CLIENT_ID     = "client-123"
    OAUTH_CLIENT_SECRET = env("CLIENT_SECRET")
    OAUTH_TOKEN_URL     = "https://auth.example.com/oauth/token"
  }
}
