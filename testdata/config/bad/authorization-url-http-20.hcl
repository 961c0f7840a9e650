# want: HTTPS is required for authorization_url (OAuth 2.0 best practice)
server "tickets" {
  url = "https://mcp.example.com/mcp"
  oauth_config {
    enabled = true
    OAUTH_GRANT_TYPE = "authorization_code"
    OAUTH_AUTHORIZATION_URL = "http://127.0.0.1:9000/x"
  }
}
