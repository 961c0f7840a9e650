# want: OAUTH_CLIENT_SECRET cannot be empty
server "tickets" {
  url = "https://mcp.example.com/mcp"
  oauth_config {
    enabled             = true
    OAUTH_CLIENT_ID     = "client-123"
    OAUTH_TOKEN_URL     = "https://auth.example.com/oauth/token"
    OAUTH_GRANT_TYPE = "refresh_token"
    OAUTH_REFRESH_TOKEN = env("R")
    OAUTH_CLIENT_SECRET = ""
  }
}
