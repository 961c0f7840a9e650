# want: OAUTH_SERVER_URL may not have a fragment
server "tickets" {
  url = "https://mcp.example.com/mcp"
  oauth_config {
    enabled = true
    OAUTH_GRANT_TYPE = "authorization_code"
    OAUTH_SERVER_URL = "https://auth.example.com/x#y"
  }
}
