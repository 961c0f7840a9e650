# want: enabled is required in oauth_config
server "tickets" {
  url = "https://mcp.example.com/mcp"
  oauth_config {
    OAUTH_CLIENT_ID     = "client-123"
    OAUTH_CLIENT_SECRET = env("CLIENT_SECRET")
    OAUTH_TOKEN_URL     = "https://auth.example.com/oauth/token"
  }
}
