# want: replay must be one of challenge, always, never
server "tickets" {
  url = "https://mcp.example.com/mcp"
  replay = "sometimes"
  oauth_config {
    enabled             = true
    OAUTH_CLIENT_ID     = "client-123"
    OAUTH_CLIENT_SECRET = env("CLIENT_SECRET")
    OAUTH_TOKEN_URL     = "https://auth.example.com/oauth/token"
  }
}
