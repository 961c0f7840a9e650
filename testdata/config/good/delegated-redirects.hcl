# warn: bearerd login listens on loopback only: it cannot take the answer that is sent to OAUTH_REDIRECT_URI
server "tickets" {
  url = "https://mcp.example.com/mcp"
  oauth_config {
    enabled = true
    OAUTH_GRANT_TYPE = "authorization_code"
    OAUTH_REDIRECT_URI = "https://app.example.com/callback"
  }
}
