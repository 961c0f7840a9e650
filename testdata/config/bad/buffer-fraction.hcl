# want: OAUTH_TOKEN_EXPIRY_BUFFER must be a whole number
server "tickets" {
  url = "https://mcp.example.com/mcp"
  oauth_config {
    enabled             = true
    OAUTH_CLIENT_ID     = "client-123"
    OAUTH_CLIENT_SECRET = env("CLIENT_SECRET")
    OAUTH_TOKEN_URL     = "https://auth.example.com/oauth/token"
    OAUTH_TOKEN_EXPIRY_BUFFER = 1.5
  }
}
