# want: mcp-remote needs an http(s) URL in args
server "search" {
  command = "npx"
  args = ["-y", "mcp-remote", "wss://mcp.example.com"]
  oauth_config {
    enabled             = true
    OAUTH_CLIENT_ID     = "client-123"
    OAUTH_CLIENT_SECRET = env("CLIENT_SECRET")
    OAUTH_TOKEN_URL     = "https://auth.example.com/oauth/token"
  }
}
