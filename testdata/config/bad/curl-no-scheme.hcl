# want: curl takes an argument for an address that does not start with http:// or https://
server "search" {
  command = "curl"
  args    = ["mcp.example.com/x"]
  oauth_config {
    enabled             = true
    OAUTH_CLIENT_ID     = "client-123"
    OAUTH_CLIENT_SECRET = env("CLIENT_SECRET")
    OAUTH_TOKEN_URL     = "https://auth.example.com/oauth/token"
  }
}
