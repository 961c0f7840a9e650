# want: OAuth 2.1 requires HTTPS for all endpoints
server "tickets" {
  url = "https://mcp.example.com/mcp"
  oauth_config {
    enabled             = true
    OAUTH_CLIENT_ID     = "client-123"
    OAUTH_CLIENT_SECRET = env("CLIENT_SECRET")
    OAUTH_TOKEN_URL     = "https://auth.example.com/oauth/token"
    OAUTH_VERSION = "2.1"
    OAUTH_ENFORCE_HTTPS = false
  }
}
