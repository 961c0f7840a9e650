# want: OAUTH_CLIENT_SECRET must be a string or a secret reference, not a number
server "tickets" {
  url = "https://mcp.example.com/mcp"
  oauth_config {
    enabled             = true
    OAUTH_CLIENT_ID     = "client-123"
    OAUTH_TOKEN_URL     = "https://auth.example.com/oauth/token"
    OAUTH_CLIENT_SECRET = 12345
  }
}
