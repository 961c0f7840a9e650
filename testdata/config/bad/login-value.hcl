# want: login must be one of command, auto
server "tickets" {
  url = "https://mcp.example.com/mcp"
  login = "browser"
  oauth_config {
    enabled = true
    OAUTH_GRANT_TYPE = "authorization_code"
  }
}
