server "tickets" {
  url = "https://mcp.example.com/mcp"
  oauth_config {
    enabled             = true
    OAUTH_CLIENT_ID     = "client-123"
    OAUTH_CLIENT_SECRET = env("CLIENT_SECRET")
    OAUTH_TOKEN_URL     = "https://auth.example.com/oauth/token"
    OAUTH_VERSION = null
    OAUTH_SCOPE = null
    OAUTH_RESOURCE = null
    OAUTH_CUSTOM_HEADERS = null
    OAUTH_TOKEN_EXPIRY_BUFFER = null
    is_remote = null
  }
}
