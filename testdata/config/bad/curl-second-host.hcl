# want: curl needs exactly one http(s) URL in args, found 2
server "search" {
  command = "curl"
  args    = ["-s", "other.example.com/x", "https://mcp.example.com"]
  oauth_config {
    enabled             = true
    OAUTH_CLIENT_ID     = "client-123"
    OAUTH_CLIENT_SECRET = env("CLIENT_SECRET")
    OAUTH_TOKEN_URL     = "https://auth.example.com/oauth/token"
  }
}
