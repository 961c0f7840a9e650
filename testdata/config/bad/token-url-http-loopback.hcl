# want: HTTPS is required for token_url (OAuth 2.0 best practice)
server "tickets" {
  url = "https://mcp.example.com/mcp"
  oauth_config {
    enabled             = true
    OAUTH_CLIENT_ID     = "client-123"
    OAUTH_CLIENT_SECRET = env("CLIENT_SECRET")
    OAUTH_TOKEN_URL = "http://127.0.0.1:9000/token"
  }
}
