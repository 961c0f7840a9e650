# want: OAUTH_REGISTRATION_URL may not hold a user name or password
server "tickets" {
  url = "https://mcp.example.com/mcp"
  oauth_config {
    enabled = true
    OAUTH_GRANT_TYPE = "authorization_code"
    OAUTH_REGISTRATION_URL = "https://u:p@auth.example.com/x"
  }
}
