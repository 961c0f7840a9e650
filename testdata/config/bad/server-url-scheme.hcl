# want: OAUTH_SERVER_URL must start with http:// or https://
server "tickets" {
  url = "https://mcp.example.com/mcp"
  oauth_config {
    enabled = true
    OAUTH_GRANT_TYPE = "authorization_code"
    OAUTH_SERVER_URL = "file:///etc/passwd"
  }
}
