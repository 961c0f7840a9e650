# want: OAUTH_REDIRECT_URI may not name code in its query
server "tickets" {
  url = "https://mcp.example.com/mcp"
  oauth_config {
    enabled = true
    OAUTH_GRANT_TYPE = "authorization_code"
    OAUTH_REDIRECT_URI = "https://app.example.com/cb?code=1&tenant=2"
  }
}
