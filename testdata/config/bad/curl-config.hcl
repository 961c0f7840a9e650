# want: args hold -K: curl could send the token to an address that is not in args
server "search" {
  command = "curl"
  args    = ["-sK", "more", "https://mcp.example.com"]
  oauth_config {
    enabled             = true
    OAUTH_CLIENT_ID     = "client-123"
    OAUTH_CLIENT_SECRET = env("CLIENT_SECRET")
    OAUTH_TOKEN_URL     = "https://auth.example.com/oauth/token"
  }
}
