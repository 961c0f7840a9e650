# want: OAUTH_AUTHORIZATION_PARAMS has a parameter without a name
server "tickets" {
  url = "https://mcp.example.com/mcp"
  oauth_config {
    enabled = true
    OAUTH_GRANT_TYPE = "authorization_code"
    OAUTH_AUTHORIZATION_PARAMS = { "" = "x" }
  }
}
