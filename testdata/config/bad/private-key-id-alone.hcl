# want: OAUTH_PRIVATE_KEY_ID needs OAUTH_PRIVATE_KEY_PATH
server "tickets" {
  url = "https://mcp.example.com/mcp"
  oauth_config {
    enabled = true
    OAUTH_CLIENT_ID = "client-123"
    OAUTH_CLIENT_SECRET = env("CLIENT_SECRET")
    OAUTH_TOKEN_URL = "https://auth.example.com/oauth/token"
    OAUTH_PRIVATE_KEY_ID = "k1"
  }
}
