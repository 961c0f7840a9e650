# want: OAUTH_DEVICE_AUTHORIZATION_URL may not hold a user name or password
server "tickets" {
  url = "https://mcp.example.com/mcp"
  oauth_config {
    enabled = true
    OAUTH_GRANT_TYPE = "authorization_code"
    OAUTH_DEVICE_AUTHORIZATION_URL = "https://u:p@auth.example.com/x"
  }
}
