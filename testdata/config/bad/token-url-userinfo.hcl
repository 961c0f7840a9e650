# want: OAUTH_TOKEN_URL may not hold a user name or password
server "tickets" {
  url = "https://mcp.example.com/mcp"
  oauth_config {
    enabled             = true
    OAUTH_CLIENT_ID     = "client-123"
    OAUTH_CLIENT_SECRET = env("CLIENT_SECRET")
    OAUTH_TOKEN_URL = "https://u:p@auth.example.com/token"
  }
}
