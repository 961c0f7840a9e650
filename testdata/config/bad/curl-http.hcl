# want: HTTPS is required for the URL in args: the token would cross the network in clear
server "search" {
  command = "curl"
  args    = ["-sSo", "out", "--url", "http://mcp.example.com"]
  oauth_config {
    enabled             = true
    OAUTH_CLIENT_ID     = "client-123"
    OAUTH_CLIENT_SECRET = env("CLIENT_SECRET")
    OAUTH_TOKEN_URL     = "https://auth.example.com/oauth/token"
  }
}
