# want: OAUTH_PRIVATE_KEY_PATH and OAUTH_CLIENT_SECRET exclude each other
server "tickets" {
  url = "https://mcp.example.com/mcp"
  oauth_config {
    enabled = true
    OAUTH_CLIENT_ID = "client-123"
    OAUTH_CLIENT_SECRET = env("CLIENT_SECRET")
    OAUTH_TOKEN_URL = "https://auth.example.com/oauth/token"
    OAUTH_PRIVATE_KEY_PATH = credential("key")
  }
}
