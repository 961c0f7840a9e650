# want: OAUTH_REDIRECT_URI must start with https://, or with http:// on loopback
server "tickets" {
  url = "https://mcp.example.com/mcp"
  oauth_config {
    enabled = true
    OAUTH_GRANT_TYPE = "authorization_code"
    OAUTH_REDIRECT_URI = ""
  }
}
