# want: inject_env has a meaning for servers that get the token in their environment only
server "search" {
  command = "npx"
  args = ["mcp-remote", "https://mcp.example.com"]
  inject_env = ["TOKEN"]
  oauth_config {
    enabled             = true
    OAUTH_CLIENT_ID     = "client-123"
    OAUTH_CLIENT_SECRET = env("CLIENT_SECRET")
    OAUTH_TOKEN_URL     = "https://auth.example.com/oauth/token"
  }
}
