# want: OAUTH_REDIRECT_URI has a port that does not exist
server "tickets" {
  url = "https://mcp.example.com/mcp"
  oauth_config {
    enabled = true
    OAUTH_GRANT_TYPE = "authorization_code"
    OAUTH_REDIRECT_URI = "http://localhost:0/callback"
  }
}
