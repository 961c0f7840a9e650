# want: allow_remote = true needs local_auth = "key"
server "tickets" {
  url = "https://mcp.example.com/mcp"
  listen = "192.0.2.1:8001"
  allow_remote = true
  local_auth = "none"
  oauth_config {
    enabled             = true
    OAUTH_CLIENT_ID     = "client-123"
    OAUTH_CLIENT_SECRET = env("CLIENT_SECRET")
    OAUTH_TOKEN_URL     = "https://auth.example.com/oauth/token"
  }
}
