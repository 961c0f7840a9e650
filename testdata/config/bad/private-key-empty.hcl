# want: OAUTH_PRIVATE_KEY_PATH cannot be empty
server "tickets" {
  url = "https://mcp.example.com/mcp"
  oauth_config {
    enabled = true
    OAUTH_CLIENT_ID = "client-123"
    OAUTH_TOKEN_URL = "https://auth.example.com/oauth/token"
    OAUTH_PRIVATE_KEY_PATH = ""
  }
}
