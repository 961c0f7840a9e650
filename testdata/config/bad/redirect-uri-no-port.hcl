# want: OAUTH_REDIRECT_URI needs a port
server "tickets" {
  url = "https://mcp.example.com/mcp"
  oauth_config {
    enabled = true
    OAUTH_GRANT_TYPE = "authorization_code"
    OAUTH_REDIRECT_URI = "http://127.0.0.1/callback"
  }
}
