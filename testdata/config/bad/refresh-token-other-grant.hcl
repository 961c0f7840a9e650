# want: OAUTH_REFRESH_TOKEN has a meaning with OAUTH_GRANT_TYPE = "refresh_token" only
server "tickets" {
  url = "https://mcp.example.com/mcp"
  oauth_config {
    enabled             = true
    OAUTH_CLIENT_ID     = "client-123"
    OAUTH_TOKEN_URL     = "https://auth.example.com/oauth/token"
    OAUTH_CLIENT_SECRET = env("S")
    OAUTH_REFRESH_TOKEN = env("R")
  }
}
