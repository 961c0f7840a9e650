# want: OAUTH_CLIENT_SECRET: credential(…) needs a name, not a path
server "tickets" {
  url = "https://mcp.example.com/mcp"
  oauth_config {
    enabled             = true
    OAUTH_CLIENT_ID     = "client-123"
    OAUTH_TOKEN_URL     = "https://auth.example.com/oauth/token"
    OAUTH_CLIENT_SECRET = credential("/etc/passwd")
  }
}
