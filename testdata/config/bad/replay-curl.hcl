# want: replay has a meaning for url servers and for mcp-remote behind the local proxy only
server "page" {
  command = "curl"
  args    = ["https://mcp.example.com/mcp"]
  replay  = "always"
  oauth_config {
    enabled             = true
    OAUTH_CLIENT_ID     = "client-123"
    OAUTH_CLIENT_SECRET = env("CLIENT_SECRET")
    OAUTH_TOKEN_URL     = "https://auth.example.com/oauth/token"
  }
}
