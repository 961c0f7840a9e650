# want: login = "auto" needs OAUTH_GRANT_TYPE = "authorization_code"
server "tickets" {
  url = "https://mcp.example.com/mcp"
  login = "auto"
  oauth_config {
    enabled = true
    OAUTH_CLIENT_ID = "client-123"
    OAUTH_CLIENT_SECRET = env("CLIENT_SECRET")
    OAUTH_TOKEN_URL = "https://auth.example.com/oauth/token"
  }
}
