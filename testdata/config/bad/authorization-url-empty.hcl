# want: OAUTH_AUTHORIZATION_URL cannot be empty
server "tickets" {
  url = "https://mcp.example.com/mcp"
  oauth_config {
    enabled = true
    OAUTH_GRANT_TYPE = "authorization_code"
    OAUTH_AUTHORIZATION_URL = ""
  }
}
