# want: OAUTH_ADDITIONAL_PARAMS.realm must be a string or a secret reference
server "tickets" {
  url = "https://mcp.example.com/mcp"
  oauth_config {
    enabled             = true
    OAUTH_CLIENT_ID     = "client-123"
    OAUTH_CLIENT_SECRET = env("CLIENT_SECRET")
    OAUTH_TOKEN_URL     = "https://auth.example.com/oauth/token"
    OAUTH_ADDITIONAL_PARAMS = { realm = null }
  }
}
