# want: OAUTH_REGISTRATION_URL must start with http:// or https://
server "tickets" {
  url = "https://mcp.example.com/mcp"
  oauth_config {
    enabled = true
    OAUTH_GRANT_TYPE = "authorization_code"
    OAUTH_REGISTRATION_URL = "file:///etc/passwd"
  }
}
