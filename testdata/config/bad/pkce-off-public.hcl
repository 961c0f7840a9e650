# want: OAUTH_USE_PKCE = false needs a client that authenticates
server "tickets" {
  url = "https://mcp.example.com/mcp"
  oauth_config {
    enabled = true
    OAUTH_GRANT_TYPE = "authorization_code"
    OAUTH_CLIENT_ID = "client-123"
    OAUTH_USE_PKCE = false
  }
}
