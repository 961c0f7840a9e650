# want: HTTPS is required for url, where discovery starts (OAuth 2.0 best practice)
server "tickets" {
  url = "http://127.0.0.1:9000/mcp"
  oauth_config {
    enabled = true
    OAUTH_GRANT_TYPE = "authorization_code"
  }
}
