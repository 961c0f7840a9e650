# want: args make curl print the token: -v, --verbose and --trace show the headers that it sends
server "search" {
  command = "curl"
  args    = ["-sv", "https://mcp.example.com"]
  oauth_config {
    enabled             = true
    OAUTH_CLIENT_ID     = "client-123"
    OAUTH_CLIENT_SECRET = env("CLIENT_SECRET")
    OAUTH_TOKEN_URL     = "https://auth.example.com/oauth/token"
  }
}
