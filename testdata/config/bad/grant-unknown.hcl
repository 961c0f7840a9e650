# want: Invalid grant type: password. Must be one of ['client_credentials', 'refresh_token', 'authorization_code']
server "tickets" {
  url = "https://mcp.example.com/mcp"
  oauth_config {
    enabled             = true
    OAUTH_CLIENT_ID     = "client-123"
    OAUTH_TOKEN_URL     = "https://auth.example.com/oauth/token"
    OAUTH_CLIENT_SECRET = env("CLIENT_SECRET")
    OAUTH_GRANT_TYPE = "password"
  }
}
