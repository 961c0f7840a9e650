# want: OAUTH_CUSTOM_HEADERS may not name X-Correlation-ID
# want: OAUTH_CUSTOM_HEADERS may not name authorization
# want: OAUTH_CUSTOM_HEADERS may not name content-type
server "tickets" {
  url = "https://mcp.example.com/mcp"
  oauth_config {
    enabled             = true
    OAUTH_CLIENT_ID     = "client-123"
    OAUTH_CLIENT_SECRET = env("CLIENT_SECRET")
    OAUTH_TOKEN_URL     = "https://auth.example.com/oauth/token"
    OAUTH_CUSTOM_HEADERS = { authorization = "x", "content-type" = "x", "X-Correlation-ID" = "x" }
  }
}
