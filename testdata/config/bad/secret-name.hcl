# want: OAUTH_CLIENT_SECRET: secret(…) needs a name of letters, digits and . _ - /, at most 128
server "tickets" {
  url = "https://mcp.example.com/mcp"
  oauth_config {
    enabled             = true
    OAUTH_CLIENT_ID     = "client-123"
    OAUTH_TOKEN_URL     = "https://auth.example.com/oauth/token"
    OAUTH_CLIENT_SECRET = secret("../x")
  }
}
