# want: OAUTH_CODE_CHALLENGE_METHOD must be "S256"
server "tickets" {
  url = "https://mcp.example.com/mcp"
  oauth_config {
    enabled = true
    OAUTH_GRANT_TYPE = "authorization_code"
    OAUTH_CLIENT_ID = "client-123"
    OAUTH_CLIENT_SECRET = env("CLIENT_SECRET")
    OAUTH_CODE_CHALLENGE_METHOD = "plain"
  }
}
