# want: listen is open to other hosts
server "tickets" {
  url = "https://mcp.example.com/mcp"
  listen = "192.0.2.1:8001"
  oauth_config {
    enabled             = true
    OAUTH_CLIENT_ID     = "client-123"
    OAUTH_CLIENT_SECRET = env("CLIENT_SECRET")
    OAUTH_TOKEN_URL     = "https://auth.example.com/oauth/token"
  }
}
