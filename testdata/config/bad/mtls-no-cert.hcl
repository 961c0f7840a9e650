# want: OAUTH_CLIENT_CERT_PATH is required when using mTLS
# want: OAUTH_CLIENT_KEY_PATH is required when using mTLS
server "tickets" {
  url = "https://mcp.example.com/mcp"
  oauth_config {
    enabled             = true
    OAUTH_CLIENT_ID     = "client-123"
    OAUTH_CLIENT_SECRET = env("CLIENT_SECRET")
    OAUTH_TOKEN_URL     = "https://auth.example.com/oauth/token"
    OAUTH_USE_MTLS = true
  }
}
