# want: OAUTH_CLIENT_SECRET is read as the name of a variable, and there are none
server "tickets" {
  url = "https://mcp.example.com/mcp"
  oauth_config {
    enabled             = true
    OAUTH_CLIENT_ID     = "client-123"
    OAUTH_TOKEN_URL     = "https://auth.example.com/oauth/token"
    OAUTH_CLIENT_SECRET = hunter2
  }
}
