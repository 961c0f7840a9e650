# want: OAUTH_AUTHORIZATION_URL may not name client_id
# want: OAUTH_AUTHORIZATION_URL may not name scope
server "tickets" {
  url = "https://mcp.example.com/mcp"
  oauth_config {
    enabled = true
    OAUTH_GRANT_TYPE = "authorization_code"
    OAUTH_AUTHORIZATION_URL = "https://auth.example.com/authorize?owner=user&client_id=c&scope=a"
  }
}
