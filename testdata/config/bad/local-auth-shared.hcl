# want: allow_remote = true needs local_auth = "key"
proxy {
  listen       = "0.0.0.0:7411"
  allow_remote = true
}
server "tickets" {
  url = "https://mcp.example.com/mcp"
  local_auth = "none"
  oauth_config {
    enabled             = true
    OAUTH_CLIENT_ID     = "client-123"
    OAUTH_CLIENT_SECRET = env("CLIENT_SECRET")
    OAUTH_TOKEN_URL     = "https://auth.example.com/oauth/token"
  }
}
