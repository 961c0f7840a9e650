# want: headers may not name Authorization: the token goes there
server "tickets" {
  url = "https://mcp.example.com/mcp"
  headers = { authorization = "x" }
  oauth_config {
    enabled             = true
    OAUTH_CLIENT_ID     = "client-123"
    OAUTH_CLIENT_SECRET = env("CLIENT_SECRET")
    OAUTH_TOKEN_URL     = "https://auth.example.com/oauth/token"
  }
}
