# want: OAuth 2.1 requires PKCE
server "tickets" {
  url = "https://mcp.example.com/mcp"
  oauth_config {
    enabled = true
    OAUTH_GRANT_TYPE = "authorization_code"
    OAUTH_CLIENT_ID = "client-123"
    OAUTH_CLIENT_SECRET = env("CLIENT_SECRET")
    OAUTH_VERSION = "2.1"
    OAUTH_USE_PKCE = false
  }
}
