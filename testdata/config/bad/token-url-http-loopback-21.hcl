# want: OAuth 2.1 requires HTTPS for all endpoints
# want: OAuth 2.1 requires HTTPS for token_url
server "tickets" {
  url = "https://mcp.example.com/mcp"
  oauth_config {
    enabled             = true
    OAUTH_CLIENT_ID     = "client-123"
    OAUTH_CLIENT_SECRET = env("CLIENT_SECRET")
    OAUTH_VERSION = "2.1"
    OAUTH_ENFORCE_HTTPS = false
    OAUTH_TOKEN_URL = "http://127.0.0.1:9000/token"
  }
}
