# want: OAUTH_REFRESH_TOKEN is required and cannot be empty for refresh_token grant
server "tickets" {
  url = "https://mcp.example.com/mcp"
  oauth_config {
    enabled             = true
    OAUTH_CLIENT_ID     = "client-123"
    OAUTH_TOKEN_URL     = "https://auth.example.com/oauth/token"
    OAUTH_GRANT_TYPE = "refresh_token"
    OAUTH_REFRESH_TOKEN = ""
  }
}
